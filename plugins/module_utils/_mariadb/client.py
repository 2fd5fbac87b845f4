# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database, reached through the client programs that are on every database host.

The servers need nothing of ours: no Python driver, only ``mariadb`` and ``mariadb-dump``, or ``mysql`` and
``mysqldump``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import shutil
import subprocess
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DatabaseError, explain
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.optionfile import option_file, render

Row = list[t.Optional[str]]

CLIENT = ("mariadb", "mysql")
DUMP = ("mariadb-dump", "mysqldump")

# Statements end with this instead of a semicolon, which the bodies of triggers and routines are full of.
DELIMITER = "//lockstep//"

# One SQL mode and time zone for all that we say ourselves, whatever the server's are. Who has locked a table, or keeps
# a transaction open, is waited for, but not for a day, the server's own patience: a site may be frozen meanwhile.
INIT = "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00', wait_timeout=28800, lock_wait_timeout=300"


def lock_wait(seconds: float) -> str:
    """The setting of a session that waits so long for those who use a table; with 0 it doesn't wait at all."""
    return f"lock_wait_timeout = {math.ceil(seconds)}"


_CELL = re.compile(rb'<row>|<field name="[^"]*"(?:( xsi:nil="true") />|>(.*?)</field>)', re.DOTALL)


@functools.cache
def tool(names: tuple[str, ...]) -> str:
    """The first of several programs that is there.

    Raises:
        LockstepError: None is.
    """
    for name in names:
        found = shutil.which(name, path=process.environment(None)["PATH"])
        if found:
            return found
    raise LockstepError(f"{' and '.join(names)} are missing on this server", hint="install the MariaDB client programs")


def parse_rows(printed: bytes) -> list[Row]:
    """The rows in what the client prints with ``--xml``, its only format that tells NULL from the text 'NULL'.

    The client writes NUL characters as spaces there: ask for ``HEX(…)`` where they can occur.
    """
    rows: list[Row] = []
    for found in _CELL.finditer(printed):
        if found.group(0) == b"<row>":
            rows.append([])
        elif found.group(1):
            rows[-1].append(None)
        else:
            value = found.group(2)
            if b"&" in value:
                for entity, character in ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&amp;", b"&")):
                    value = value.replace(entity, character)
            rows[-1].append(value.decode("utf-8", "surrogateescape"))
    return rows


def script(statements: t.Iterable[str]) -> bytes:
    """Statements as the client reads them."""
    lines = [f"DELIMITER {DELIMITER}\n"] + [f"{statement}\n{DELIMITER}\n" for statement in statements]
    return "".join(lines).encode("utf-8", "surrogateescape")


@dataclasses.dataclass(frozen=True)
class Database:
    """One database as one of its users sees it.

    Args:
        name: The schema; empty for none.
        user: MariaDB's user.
        password: Their password; empty where the server knows them by their socket.
        host: Name or address; None or ``localhost`` without a port means the server's own socket.
        port: TCP port.
        socket: Path of a unix socket; wins over host and port.
        run_as: Operating system user the client programs run as; None for ours.
    """

    name: str
    user: str
    password: str = dataclasses.field(repr=False)
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    run_as: str | None = None

    @property
    def where(self) -> str:
        """Where the server is, for messages."""
        if self.socket:
            return self.socket
        return f"{self.host or 'localhost'}:{self.port}" if self.port else self.host or "localhost"

    def schema(self, name: str) -> Database:
        """The same server and user, another schema."""
        return dataclasses.replace(self, name=name)

    def options(self) -> str:
        """The option file for the client programs; holds the password."""
        # pymysql, which the sites use, reaches `localhost` with a port by TCP; the client programs only when told so.
        tcp = self.socket is None and self.host is not None and (self.host != "localhost" or self.port is not None)
        return render(
            {
                "client": {
                    "user": self.user,
                    "password": self.password,
                    "host": self.host if tcp else None,
                    "port": str(self.port) if tcp and self.port else None,
                    "socket": self.socket,
                    "protocol": "tcp" if tcp else None,
                    "default-character-set": "utf8mb4",
                    "max-allowed-packet": "1G",
                },
                "mysql": {"init-command": INIT},
            }
        )

    def spawn(self, names: tuple[str, ...], arguments: t.Sequence[str], **streams: t.Any) -> subprocess.Popen[bytes]:
        """Start a client program for this server.

        Args:
            names: What the program may be called, see :func:`tool`.
            arguments: Its arguments; they are public, so no secrets.
            streams: ``stdin``, ``stdout`` and ``stderr`` as for ``Popen``.

        Raises:
            LockstepError: It can't be started.
        """
        program = tool(names)
        with option_file(self.options(), self.run_as) as descriptor:
            try:
                return subprocess.Popen(
                    [program, f"--defaults-file=/proc/self/fd/{descriptor}", *arguments],
                    env=process.environment(self.run_as),
                    pass_fds=[descriptor],
                    umask=0o077,
                    **process.identity(self.run_as),
                    **streams,
                )
            except OSError as error:
                raise LockstepError(f"{program} can't be started: {error.strerror or error}") from error

    def client_arguments(self, *more: str) -> list[str]:
        """Arguments of the client program: no interpretation of what it reads but statements, comments kept."""
        arguments = ["--batch", "--binary-mode", "--comments", "--skip-reconnect", "--skip-auto-rehash", *more]
        return [*arguments, "--", self.name] if self.name else arguments

    def query(self, sql: str, *, timeout: float | None = None) -> list[Row]:
        """Ask something.

        Args:
            sql: One statement.
            timeout: Seconds; None waits as long as it takes.

        Returns:
            Rows of texts; None is NULL. Bytes that aren't UTF-8 come as surrogate escapes.

        Raises:
            DatabaseError: The server can't be reached or refuses.
        """
        return parse_rows(self._run([sql], timeout))

    def value(self, sql: str, *, timeout: float | None = None) -> str | None:
        """The first column of the first row; None when there is none, or it is NULL."""
        rows = self.query(sql, timeout=timeout)
        return rows[0][0] if rows else None

    def execute(self, *statements: str, timeout: float | None = None) -> None:
        """Run statements one after the other over one connection, up to the first that fails; see :meth:`query`."""
        self._run(statements, timeout)

    def _run(self, statements: t.Iterable[str], timeout: float | None) -> bytes:
        client = self.spawn(
            CLIENT,
            self.client_arguments("--xml"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with client:
            try:
                printed, complaints = client.communicate(script(statements), timeout=timeout)
            except subprocess.TimeoutExpired:
                client.kill()
                raise DatabaseError(f"the database server at {self.where} gave no answer in {timeout:g} s") from None
            except BaseException:
                client.kill()
                raise
        if client.returncode != 0:
            raise self.error(complaints)
        return printed

    def error(self, complaints: bytes) -> DatabaseError:
        """What a client program of this database printed on standard error, as an error."""
        return explain(complaints.decode("utf-8", "replace"), where=self.where, user=self.user, name=self.name)

    def table(self, name: str) -> str:
        """A table's full name in SQL."""
        return f"{quote(self.name)}.{quote(name)}"
