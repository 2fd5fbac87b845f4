# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switches and shares under clients that count what they see; for tests and benchmarks alike."""

from __future__ import annotations

import collections
import re
import socket
import subprocess
import time
import typing as t

from tests.integration.nginx.scene import Release, Scene
from tests.support.keepalive import KeepAlive, Switch

SITE = "site1.local"
_PIPELINED = 200


class Moved(t.NamedTuple):
    """What clients saw of switches: how many requests, those without an answer, answers of the side that was left."""

    requests: int
    errors: int
    late: int


def two_releases(scene: Scene) -> tuple[Release, Release]:
    """Blue, which serves the site, and green beside it; each has an asset that says its name."""
    releases = []
    for name in ("blue", "green"):
        release = scene.release(name).start()
        (release.assets / "side.txt").write_text(f"{name}\n")
        releases.append(release)
    scene.traffic(SITE).switch(releases[0].folder)
    scene.apply(scene.site(SITE))
    return releases[0], releases[1]


def by_links(scene: Scene, switches: int, between: int) -> Moved:
    """Move the site from release to release by its link.

    Args:
        scene: A server.
        switches: How often.
        between: Requests that end between two switches.
    """
    blue, green = two_releases(scene)
    traffic = scene.traffic(SITE)

    def move(number: int) -> str:
        release = (green, blue)[number % 2]
        traffic.switch(release.folder)
        return release.name

    return _moved(scene.port, move, switches, between)


def by_reloads(scene: Scene, switches: int, between: int) -> Moved:
    """The same as people do without us: another upstream in the configuration, and ``nginx -s reload``."""
    blue, green = two_releases(scene)
    path = scene.conf_dir / "control.conf"

    def write(release: Release) -> None:
        path.write_text(
            f"server {{ listen 127.0.0.1:{scene.tls_port}; access_log off; location / {{\n"
            f"proxy_http_version 1.1; proxy_pass http://unix:{release.folder}/web.sock; }} }}\n"
        )
        subprocess.run([*scene.argv, "-s", "reload"], check=True)

    def move(number: int) -> str:
        release = (green, blue)[number % 2]
        write(release)
        return release.name

    write(blue)
    _await_port(scene.tls_port)
    return _moved(scene.tls_port, move, switches, between)


def _moved(port: int, move: t.Callable[[int], str], switches: int, between: int) -> Moved:
    done: list[Switch] = []
    with KeepAlive(port, SITE) as clients:
        for number in range(switches):
            clients.await_answers(between)
            began = time.monotonic()
            name = move(number)
            done.append(Switch(began, time.monotonic(), name))
        clients.await_answers(between)
    unwanted = sum(seen.status != 200 for seen in clients.answers)
    return Moved(clients.ended, len(clients.errors) + unwanted, clients.late(done))


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, f"port {port} answers within 10 s"
            time.sleep(0.01)
        else:
            return


def visitors(scene: Scene, count: int, headers: str = "") -> collections.Counter[str]:
    """Where so many new visitors get to, by the asset that tells its release; none of them has been there before.

    Args:
        scene: A server whose site is shared out by cookie.
        count: How many.
        headers: Further lines of each request.
    """
    found: collections.Counter[str] = collections.Counter()
    request = f"GET /assets/side.txt HTTP/1.1\r\nHost: {SITE}\r\n{headers}\r\n".encode()
    with socket.create_connection(("127.0.0.1", scene.port), 30) as connection:
        left = count
        while left:
            batch = min(left, _PIPELINED)
            connection.sendall(request * batch)
            found.update(_read(connection, batch))
            left -= batch
            if left:
                # nginx closes a connection after keepalive_requests.
                connection.close()
                connection = socket.create_connection(("127.0.0.1", scene.port), 30)
    return found


def _read(connection: socket.socket, count: int) -> list[str]:
    data = b""
    while data.count(b"\nblue\n") + data.count(b"\ngreen\n") < count:
        piece = connection.recv(1 << 16)
        assert piece, f"closed after {len(data)} bytes"
        data += piece
    return [word.decode() for word in re.findall(rb"\n(blue|green)\n", data)]
