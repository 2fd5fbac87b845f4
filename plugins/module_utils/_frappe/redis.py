# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a Redis answers, without any client library on the server."""

from __future__ import annotations

import socket
import typing as t
from urllib.parse import unquote, urlsplit

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_TIMEOUT = 5.0
_LONGEST = 65536


def ask(url: str, *command: str) -> str:
    """Send one command and return the first line of the answer (RESP: ``+PONG``, ``:2``, ``-ERR …``).

    Args:
        url: ``redis://[[user]:password@]host[:port]`` or ``unix:///path``, as in Frappe's configuration.
        command: The command and its arguments.

    Raises:
        LockstepError: Nobody answers, or somebody who is no Redis.
    """
    parts = urlsplit(url)
    where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
    commands = [command]
    if parts.password:
        user = [unquote(parts.username)] if parts.username else []
        commands.insert(0, ("AUTH", *user, unquote(parts.password)))
    try:
        connection = _connect(parts.scheme, parts.path, parts.hostname, parts.port)
        with connection, connection.makefile("rb") as answers:
            for words in commands:
                connection.sendall(_encoded(words))
                line = answers.readline(_LONGEST).decode("utf-8", "replace").strip()
    except (OSError, ValueError) as error:
        raise LockstepError(f"Redis at {where} does not answer: {error}") from error
    if line[:1] not in ("+", "-", ":", "$", "*"):
        raise LockstepError(f"what answers at {where} is no Redis")
    return line


def _connect(scheme: str, path: str, host: str | None, port: int | None) -> socket.socket:
    if scheme != "unix":
        return socket.create_connection((host or "127.0.0.1", port or 6379), timeout=_TIMEOUT)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _encoded(words: t.Sequence[str]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
