# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that keep their connections, read and write by turns, and never ask twice for the same thing."""

from __future__ import annotations

import asyncio
import threading
import time
import typing as t

_TIMEOUT = 30.0


class Seen(t.NamedTuple):
    """One answer: when its request began and was answered (s, monotonic), its status, the release that answered."""

    began: float
    ended: float
    status: int
    release: str


class Switch(t.NamedTuple):
    """One switch: when it began and had been done (s, monotonic), and the release that it went to."""

    began: float
    ended: float
    release: str


class KeepAlive:
    """Clients at work until stopped.

    Attributes:
        answers: What was answered.
        errors: What became of requests without an answer: a connection that was refused, reset or closed.

    Args:
        port: nginx.
        host: The site.
        clients: How many connections.
    """

    def __init__(self, port: int, host: str, clients: int = 40) -> None:
        self._port = port
        self._host = host
        self._clients = clients
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.answers: list[Seen] = []
        self.errors: list[str] = []

    def __enter__(self) -> KeepAlive:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def await_answers(self, more: int, timeout: float = 60.0) -> None:
        """Wait until so many more requests ended, one way or the other.

        Raises:
            AssertionError: They don't in time.
        """
        wanted = self.ended + more
        deadline = time.monotonic() + timeout
        while self.ended < wanted:
            assert time.monotonic() < deadline, f"{more} more answers within {timeout:g} s"
            time.sleep(0.002)

    @property
    def ended(self) -> int:
        return len(self.answers) + len(self.errors)

    def late(self, switches: t.Sequence[Switch]) -> int:
        """Answers of another release than the one that was switched to before their request began.

        Args:
            switches: All switches, in order.
        """
        count, at = 0, -1
        for seen in sorted(self.answers):
            while at + 1 < len(switches) and switches[at + 1].ended <= seen.began:
                at += 1
            # Whoever asked while the next switch was under way may be answered by either.
            meanwhile = [one.release for one in switches[at + 1 :] if one.began <= seen.ended]
            count += at >= 0 and seen.release not in (switches[at].release, *meanwhile)
        return count

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._clients)))

    async def _client(self, number: int) -> None:
        connection: _Connection | None = None
        while not self._over.is_set():
            number += 1
            began = time.monotonic()
            try:
                connection = connection or _Connection(*await asyncio.open_connection("127.0.0.1", self._port))
                status, headers = await asyncio.wait_for(connection.ask(self._request(number)), _TIMEOUT)
                self.answers.append(Seen(began, time.monotonic(), status, headers.get("x-lockstep-release", "")))
                # Announced, so no request is lost by it.
                ends = headers.get("connection", "").lower() == "close"
            except (TimeoutError, OSError, EOFError, ValueError) as error:
                self.errors.append(repr(error))
                ends = True
            if ends and connection is not None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _request(self, number: int) -> bytes:
        head = f"/{number} HTTP/1.1\r\nHost: {self._host}\r\n"
        return (f"GET {head}\r\n" if number % 2 else f"POST {head}Content-Length: 4\r\n\r\ndata").encode()


class _Connection(t.NamedTuple):
    """One connection, for one request after the other."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> tuple[int, dict[str, str]]:
        """Send a request; its answer's status and headers, read to its end."""
        self.writer.write(request)
        await self.writer.drain()
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.lower(): value.strip() for name, _colon, value in pairs}
        if headers.get("transfer-encoding") == "chunked":
            while (size := int(await self.reader.readline(), 16)) > 0:
                await self.reader.readexactly(size + 2)
            await self.reader.readexactly(2)
        else:
            await self.reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers

    def close(self) -> None:
        self.writer.close()
