# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Traffic goes where the link says, and links are only moved to somebody who listens."""

from __future__ import annotations

import os
import pathlib
import socket
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import links, live
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import SiteTraffic


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder whose path leaves room for sockets."""
    folder = tmp_path_factory.mktemp("t")
    assert len(str(folder)) < 80
    return folder


@pytest.fixture
def listen() -> t.Iterator[t.Callable[[pathlib.Path], socket.socket]]:
    """Opens unix sockets, and closes them afterwards."""
    opened: list[socket.socket] = []

    def at(path: pathlib.Path) -> socket.socket:
        path.parent.mkdir(exist_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen(8)
        opened.append(server)
        return server

    yield at
    for server in opened:
        server.close()


Listen = t.Callable[[pathlib.Path], socket.socket]


def traffic(folder: pathlib.Path) -> SiteTraffic:
    found = SiteTraffic("site1.local", str(folder / "traffic"))
    found.prepare()
    return found


def test_a_name_of_any_length_gets_eight_digits() -> None:
    assert live.short_id("site1.local") == live.short_id("site1.local")
    assert live.short_id("x" * 500) != live.short_id("x" * 501)
    assert len(live.short_id("x" * 500)) == 8


@pytest.mark.parametrize(("length", "fits"), [(107, True), (108, False)])
def test_the_longest_path_is_the_one_the_kernel_takes(tmp_path: pathlib.Path, length: int, fits: bool) -> None:
    path = str(tmp_path / ("x" * (length - len(str(tmp_path)) - 1)))
    assert len(path) == length
    with socket.socket(socket.AF_UNIX) as server:
        if fits:
            server.bind(live.check_socket_path(path))
        else:
            with pytest.raises(LockstepError, match="108 bytes and 107 is the most"):
                live.check_socket_path(path)
            with pytest.raises(OSError, match="too long"):
                server.bind(path)


def test_a_folder_too_deep_for_sockets_is_refused_before_anything_is_made(tmp_path: pathlib.Path) -> None:
    with pytest.raises(LockstepError, match="shorter folder"):
        SiteTraffic("site1.local", str(tmp_path / ("deep" * 20)))


def test_a_switch_keeps_the_one_before_for_its_assets(short: pathlib.Path, listen: Listen) -> None:
    site = traffic(short)
    blue, green = short / "blue", short / "green"
    listen(blue / "web.sock")
    listen(green / "web.sock")
    assert site.current() is None
    assert site.switch(str(blue))
    assert (site.current(), links.current(site.previous)) == (str(blue), None)
    assert site.switch(str(green))
    assert (site.current(), links.current(site.previous)) == (str(green), str(blue))
    assert not site.switch(str(green))
    assert links.current(site.previous) == str(blue)


def test_nobody_is_sent_to_a_release_that_does_not_listen(short: pathlib.Path, listen: Listen) -> None:
    site = traffic(short)
    blue, green = short / "blue", short / "green"
    listen(blue / "web.sock")
    stale = listen(green / "web.sock")
    stale.close()
    site.switch(str(blue))
    for target in (green, short / "missing"):
        with pytest.raises(LockstepError, match="no process listens") as caught:
            site.switch(str(target))
        assert caught.value.left == "traffic stays where it was"
    assert site.current() == str(blue)
    assert links.current(site.previous) is None


def test_something_else_than_a_link_is_never_replaced(short: pathlib.Path) -> None:
    (short / "live").mkdir()
    with pytest.raises(LockstepError, match="should be a symlink"):
        links.switch(str(short / "live"), "/x")
    with pytest.raises(LockstepError, match="should be a symlink"):
        links.current(str(short / "live"))


def test_a_closed_site_stays_closed_until_it_is_opened_and_says_so_once(short: pathlib.Path) -> None:
    site = traffic(short)
    assert [site.closed, site.close(), site.closed, site.close()] == [False, True, True, False]
    assert [site.reopen(), site.closed, site.reopen()] == [True, False, False]


def test_folders_of_links_can_be_read_by_nginx_whatever_the_umask(short: pathlib.Path) -> None:
    before = os.umask(0o077)
    try:
        site = traffic(short)
        site.close()
    finally:
        os.umask(before)
    assert os.stat(site.folder).st_mode & 0o777 == 0o755
    assert os.stat(os.path.join(site.folder, "closed")).st_mode & 0o777 == 0o644


def test_requests_in_flight_are_counted_accepted_or_not(short: pathlib.Path, listen: Listen) -> None:
    server = listen(short / "blue" / "web.sock")
    listen(short / "other" / "web.sock")
    link = short / "live"
    link.symlink_to(short / "blue")
    path = str(link / "web.sock")
    assert live.connections(path) == 0
    with socket.socket(socket.AF_UNIX) as waiting, socket.socket(socket.AF_UNIX) as served:
        served.connect(path)
        accepted, _address = server.accept()
        assert live.connections(path) == 1
        waiting.connect(path)
        assert live.connections(path) == 2
        assert live.wait_until_idle(path, 0.1) == 2
        accepted.close()
    server.accept()[0].close()
    assert live.wait_until_idle(path, 5) == 0


def test_a_full_queue_belongs_to_somebody_who_listens(short: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short / "s"))
        assert not live.listening(str(short / "s"))
        server.listen(0)
        clients = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ignored in range(4)]
        for client in clients:
            client.connect_ex(str(short / "s"))
        assert live.listening(str(short / "s"))
        for client in clients:
            client.close()
