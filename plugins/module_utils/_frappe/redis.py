# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Redis asked, without any client library on the server."""

from __future__ import annotations

import socket
import typing as t
from urllib.parse import SplitResult, unquote, urlsplit

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_TIMEOUT = 5.0
_LONGEST = 65536
#: What a Redis itself takes for a string at most, and more elements than any list of ours has.
_MOST_BYTES, _MOST_ELEMENTS = 512 << 20, 1 << 24
#: Lists in lists: no command of ours has more.
_DEEPEST = 8


class Connection:
    """A connection to a Redis, to be closed, or used as a context.

    Args:
        url: ``redis://[[user]:password@]host[:port]`` or ``unix:///path``, as in Frappe's configuration.

    Raises:
        LockstepError: Nobody answers, or the password is not taken.
    """

    def __init__(self, url: str) -> None:
        parts, port = _parsed(url)
        self.where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{port}"
        try:
            self.socket = _connect(parts.path) if parts.scheme == "unix" else _connect((str(parts.hostname), port))
        except OSError as error:
            raise self._silent(error) from error
        self._answers = self.socket.makefile("rb")
        if parts.password:
            user = [unquote(parts.username)] if parts.username else []
            self.ask("AUTH", *user, unquote(parts.password))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._answers.close()
        self.socket.close()

    def send(self, *command: str | bytes) -> None:
        """Send one command, whose answer somebody else reads."""
        try:
            self.socket.sendall(_encoded(command))
        except OSError as error:
            raise self._silent(error) from error

    def ask(self, *command: str | bytes) -> str:
        """Send one command and return the first line of the answer, which must be all of it.

        Raises:
            LockstepError: Nobody answers, or somebody who is no Redis.
        """
        self.send(*command)
        return self._line().decode("utf-8", "replace")

    def call(self, *command: str | bytes) -> t.Any:
        """Send one command and return what it comes to: bytes, a number, a list of such, or None.

        Raises:
            LockstepError: Nobody answers, somebody who is no Redis, or one that refuses.
        """
        self.send(*command)
        return self._answer()

    def _answer(self, depth: int = 0) -> t.Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise LockstepError(f"Redis at {self.where} refuses: {rest.decode('utf-8', 'replace')}")
        if kind == b"+":
            return rest
        number = self._number(rest)
        if kind == b":" or number < 0:
            return number if kind == b":" else None
        if kind == b"*":
            if number > _MOST_ELEMENTS or depth >= _DEEPEST:
                raise self._stranger()
            return [self._answer(depth + 1) for _number in range(number)]
        if number > _MOST_BYTES:
            raise self._stranger()
        return self._read(number + 2)[:-2]

    def _number(self, text: bytes) -> int:
        try:
            return int(text)
        except ValueError:
            raise self._stranger() from None

    def _read(self, length: int) -> bytes:
        try:
            found = self._answers.read(length)
        except OSError as error:
            raise self._silent(error) from error
        if len(found) < length:
            raise LockstepError(f"Redis at {self.where} has gone")
        return found

    def _line(self) -> bytes:
        try:
            line = self._answers.readline(_LONGEST).strip()
        except OSError as error:
            raise self._silent(error) from error
        if line[:1] not in (b"+", b"-", b":", b"$", b"*"):
            raise self._stranger()
        return line

    def _stranger(self) -> LockstepError:
        return LockstepError(f"what answers at {self.where} is no Redis")

    def _silent(self, error: OSError) -> LockstepError:
        return LockstepError(f"Redis at {self.where} does not answer: {error}")


def ask(url: str, *command: str) -> str:
    """Send one command and return the first line of the answer (RESP: ``+PONG``, ``:2``, ``-ERR …``).

    Args:
        url: As for :class:`Connection`.
        command: The command and its arguments.

    Raises:
        LockstepError: Nobody answers, or somebody who is no Redis.
    """
    with Connection(url) as connection:
        return connection.ask(*command)


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


def _encoded(words: t.Sequence[str | bytes]) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
