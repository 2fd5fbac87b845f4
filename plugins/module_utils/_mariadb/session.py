# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that stays open: what it locks is held until it is closed, or until our process is gone."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import (
    CLIENT,
    Database,
    Row,
    parse_rows,
    script,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import CONNECTION_LOST, DatabaseError

_CLOSING = 10.0  # seconds a client may take to end after its input has ended
_CHUNK = 65536


class Session:
    """A persistent client process, for one thread at a time.

    It reads statements from a pipe that we alone can write to. Should our process end in any way, the pipe ends, the
    client ends, and the server releases all that the connection held; there is nothing to clean up.

    Attributes:
        connection_id: The server's number for this connection.

    Raises:
        DatabaseError: The server can't be reached or does not let us in.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mark = f"lockstep-{secrets.token_hex(8)}"
        self._count = 0
        client = database.spawn(
            CLIENT,
            database.client_arguments("--xml", "--unbuffered", "--force"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._client = client
        self._stdin, self._stdout, self._stderr = (
            t.cast("t.IO[bytes]", stream) for stream in (client.stdin, client.stdout, client.stderr)
        )
        try:
            self.connection_id = int(self.query("SELECT CONNECTION_ID()")[0][0] or 0)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def query(self, sql: str, *, timeout: float | None = None) -> list[Row]:
        """Ask something over this connection; see :meth:`Database.query`.

        After a timeout the connection is ended, since nobody knows what it still holds.
        """
        self._count += 1
        mark = f"{self._mark}-{self._count}"
        self._write(script([sql, f"SELECT '{mark}' AS lockstep"]))
        printed, complaints = self._read(f'<field name="lockstep">{mark}</field>'.encode(), timeout)
        if complaints.strip():
            raise self._database.error(complaints)
        return parse_rows(printed[: printed.rindex(b"<resultset")])

    def execute(self, sql: str, *, timeout: float | None = None) -> None:
        """Run one statement over this connection."""
        self.query(sql, timeout=timeout)

    def close(self) -> None:
        """End the connection and wait until its client is gone."""
        for stream in (self._stdin, self._stdout, self._stderr):
            try:
                stream.close()
            except BrokenPipeError:
                continue
        try:
            self._client.wait(_CLOSING)
        except subprocess.TimeoutExpired:
            self._client.kill()
            self._client.wait()

    def _write(self, data: bytes) -> None:
        try:
            self._stdin.write(data)
            self._stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._lost(b"") from None

    def _read(self, mark: bytes, timeout: float | None) -> tuple[bytes, bytes]:
        """What the client prints up to the mark, and what it complained of until then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        printed, complaints = bytearray(), bytearray()
        while printed.find(mark, max(0, len(printed) - _CHUNK - len(mark))) < 0:
            ready = self._ready(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if not ready:
                self._client.kill()
                raise DatabaseError(f"the database server at {self._database.where} gave no answer in {timeout:g} s")
            if self._stderr.fileno() in ready:
                complaints += os.read(self._stderr.fileno(), _CHUNK)
                # The mark is asked of the server, which will not answer any more.
                if complaints and self._database.error(bytes(complaints)).number in CONNECTION_LOST:
                    self._client.kill()
                    raise self._lost(bytes(complaints))
            if self._stdout.fileno() in ready:
                chunk = os.read(self._stdout.fileno(), _CHUNK)
                if not chunk:
                    raise self._lost(bytes(complaints))
                printed += chunk
        # The client complains of a statement before it runs the next one, so all of it is in the pipe by now.
        while self._stderr.fileno() in self._ready(0):
            chunk = os.read(self._stderr.fileno(), _CHUNK)
            if not chunk:
                break
            complaints += chunk
        return bytes(printed), bytes(complaints)

    def _ready(self, seconds: float | None) -> set[int]:
        """Which of the client's streams have something to read, or have ended."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        poll.register(self._stderr, select.POLLIN)
        return {descriptor for descriptor, _ignored in poll.poll(None if seconds is None else seconds * 1000)}

    def _lost(self, complaints: bytes) -> DatabaseError:
        if not self._stderr.closed and not complaints:
            complaints = self._stderr.read()
        if complaints.strip():
            return self._database.error(complaints)
        return DatabaseError(
            f"the connection to the database server at {self._database.where} was lost", number=CONNECTION_LOST[0]
        )
