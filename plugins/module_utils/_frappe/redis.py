# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a Redis answers, without any client library on the server."""

from __future__ import annotations

import socket
import typing as t
from urllib.parse import SplitResult, unquote, urlsplit

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
    parts, port = _parsed(url)
    where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{port}"
    commands = [command]
    if parts.password:
        user = [unquote(parts.username)] if parts.username else []
        commands.insert(0, ("AUTH", *user, unquote(parts.password)))
    try:
        connection = _connect(parts.path) if parts.scheme == "unix" else _connect((str(parts.hostname), port))
        with connection, connection.makefile("rb") as answers:
            for words in commands:
                connection.sendall(_encoded(words))
                line = answers.readline(_LONGEST).decode("utf-8", "replace").strip()
    except OSError as error:
        raise LockstepError(f"Redis at {where} does not answer: {error}") from error
    if line[:1] not in ("+", "-", ":", "$", "*"):
        raise LockstepError(f"what answers at {where} is no Redis")
    return line


def _parsed(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise LockstepError("the address of a Redis in the configuration is none") from None
    if parts.scheme != "unix" and not (parts.scheme == "redis" and parts.hostname):
        raise LockstepError("the address of a Redis in the configuration does not begin with redis:// or unix://")
    return parts, port


def _connect(address: str | tuple[str, int]) -> socket.socket:
    """Connect to the path of a unix socket, or to host and port."""
    if not isinstance(address, str):
        return socket.create_connection(address, timeout=_TIMEOUT)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _encoded(words: t.Sequence[str]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
