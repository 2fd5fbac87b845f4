# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request at a time, to a loopback port or a unix socket, with a Host header of its own."""

from __future__ import annotations

import http.client
import json
import socket
import typing as t
import urllib.parse


class Answer(t.NamedTuple):
    """What came back; names of headers in small letters, the values of a repeated one with commas between."""

    status: int
    body: str
    headers: t.Mapping[str, str]

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)

    @property
    def message(self) -> t.Any:
        """What a whitelisted method returned."""
        return self.json.get("message")


def ask(
    address: int | str,
    host: str,
    path: str,
    method: str = "GET",
    data: t.Mapping[str, t.Any] | None = None,
    headers: t.Mapping[str, str] | None = None,
    timeout: float = 30,
) -> Answer:
    """Ask once; nothing is retried and no redirect followed.

    Args:
        address: A loopback port, or the path of a unix socket.
        host: The Host header: a site's name or domain.
        data: Form fields.
        timeout: Seconds.

    Raises:
        OSError: Nobody answered.
    """
    connection = http.client.HTTPConnection("127.0.0.1", address if isinstance(address, int) else 80, timeout=timeout)
    body = urllib.parse.urlencode(data) if data is not None else None
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    try:
        if not isinstance(address, int):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(timeout)
            connection.sock.connect(address)
        connection.request(method, path, body=body, headers={"Host": host, **form, **(headers or {})})
        response = connection.getresponse()
        found = response.read().decode(errors="replace")
        names = {name.lower() for name, _ignored in response.getheaders()}
        return Answer(response.status, found, {name: response.getheader(name) or "" for name in names})
    except http.client.HTTPException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
