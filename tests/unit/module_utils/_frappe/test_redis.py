# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One command to a Redis, asked by hand."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import redis


@pytest.fixture
def server() -> t.Iterator[Server]:
    found = Server(socket.create_server(("127.0.0.1", 0)))
    yield found
    found.close()


class Server:
    """Answers each command of one connection with the next of its lines, and remembers what it was sent."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.address = listening.getsockname()
        self.answers: list[bytes] = [b"+PONG\r\n"]
        self.received: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.address[1])

    def _serve(self) -> None:
        try:
            connection, _address = self._listening.accept()
        except OSError:
            return
        with connection:
            for answer in self.answers:
                self.received.append(connection.recv(4096))
                connection.sendall(answer)

    def close(self) -> None:
        # Closing alone would leave the kernel listening for as long as the thread waits.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


def test_an_answer_is_its_first_line(server: Server) -> None:
    assert redis.ask(f"redis://127.0.0.1:{server.port}", "PING") == "+PONG"
    assert server.received == [b"*1\r\n$4\r\nPING\r\n"]


def test_a_password_is_sent_first(server: Server) -> None:
    server.answers = [b"+OK\r\n", b":2\r\n"]
    url = f"redis://worker:p%40ss@127.0.0.1:{server.port}/1"
    assert redis.ask(url, "SCARD", "rq:workers") == ":2"
    assert server.received[0] == b"*3\r\n$4\r\nAUTH\r\n$6\r\nworker\r\n$4\r\np@ss\r\n"


def test_an_error_is_an_answer(server: Server) -> None:
    server.answers = [b"-NOAUTH Authentication required.\r\n"]
    assert redis.ask(f"redis://127.0.0.1:{server.port}", "PING").startswith("-NOAUTH")


def test_somebody_else_is_told_apart(server: Server) -> None:
    server.answers = [b"HTTP/1.1 400 Bad Request\r\n"]
    with pytest.raises(LockstepError, match="is no Redis"):
        redis.ask(f"redis://127.0.0.1:{server.port}", "PING")


def test_nobody_is_told_without_the_password(server: Server) -> None:
    server.close()
    with pytest.raises(LockstepError, match=f"Redis at 127.0.0.1:{server.port} does not answer") as error:
        redis.ask(f"redis://:secret@127.0.0.1:{server.port}", "PING")
    assert "secret" not in str(error.value)


def test_a_unix_socket_is_asked_too(tmp_path: pathlib.Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    path = tmp_path / "redis.sock"
    listening.bind(str(path))
    listening.listen()
    server = Server(listening)
    assert redis.ask(f"unix://{path}", "PING") == "+PONG"
    server.close()
    with pytest.raises(LockstepError, match="does not answer"):
        redis.ask(f"unix://{tmp_path}/missing.sock", "PING")


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:99999", "redis://127.0.0.1:x", "", "None", "http://127.0.0.1", "redis://"]
)
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(LockstepError):
        redis.ask(url, "PING")


@pytest.mark.parametrize(
    "answer",
    [b"$nonsense\r\n", b":\r\n", b"*1\r\n" * 2000, b"*99999999999\r\n", b"$99999999999999\r\n"],
    ids=["no number", "nothing", "lists in lists", "a list without end", "a string without end"],
)
def test_who_speaks_like_a_redis_and_is_none_is_told_apart(server: Server, answer: bytes) -> None:
    server.answers = [answer]
    with (
        redis.Connection(f"redis://127.0.0.1:{server.port}") as connection,
        pytest.raises(LockstepError, match="is no Redis"),
    ):
        connection.call("PING")
