# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's database on a server of the tests' own, and what can be done to it."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import threading
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.objects import read
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import Thread, threads
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing
from tests.support.daemons import wait_until
from tests.support.services import MariaDB

PASSWORD = "p#a\"s's\\w; \u00fc%"

NASTY = pathlib.Path(__file__).with_name("nasty.sql").read_text().split("\n//\n")


class Site:
    """One site's database and its user.

    Args:
        server: Where it is.
        name: The schema and the user.
    """

    def __init__(self, server: MariaDB, name: str) -> None:
        self.server = server
        self.root = Database("", "root", server.root_password, socket=server.socket)
        self.database = Database(name, name, PASSWORD, socket=server.socket)
        self.root.execute(
            f"CREATE DATABASE {quote(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
            f"CREATE USER {text(name)}@localhost IDENTIFIED BY {text(PASSWORD)}",
            f"GRANT ALL ON {quote(name)}.* TO {text(name)}@localhost",
        )

    @property
    def tcp(self) -> Database:
        """The same, reached by TCP."""
        return Database(self.database.name, self.database.user, PASSWORD, host="127.0.0.1", port=self.server.port)

    def drop(self) -> None:
        name = self.database.name
        self.root.execute(f"DROP DATABASE {quote(name)}", f"DROP USER {text(name)}@localhost")

    def fill(self, *statements: str) -> None:
        # Zero dates are what old sites are full of.
        self.database.execute("SET SESSION sql_mode = ''", *statements)

    def content(self) -> dict[str, t.Any]:
        """All that a restore must bring back, found without any code that dumps or restores."""
        found: dict[str, t.Any] = {}
        there = listing(self.database.query, self.database.name)
        for name, table in there.items():
            if table.has_rows:
                shown = self.database.query(f"SHOW CREATE TABLE {quote(name)}")[0][1]
                checksum = self.database.query(f"CHECKSUM TABLE {quote(name)} EXTENDED")[0][1]
                found[name] = (shown, checksum, self.database.value(f"SELECT COUNT(*) FROM {quote(name)}"))
        others = read(self.root.schema(self.database.name), there)
        found["other objects"] = [(one.kind, one.name, one.statement, one.table, one.sql_mode) for one in others]
        found["next values"] = {one.name: int(one.next_value) for one in others if one.kind == "sequence"}
        return found

    def threads(self) -> list[Thread]:
        """Its user's connections."""
        return threads(self.root.query, [self.database.user])

    def scratch_schemas(self) -> list[str]:
        rows = self.root.query(
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '\\_lockstep%'"
        )
        return [row[0] or "" for row in rows]

    def wait_for(self, condition: t.Callable[[Thread], bool], what: str) -> Thread:
        """The first connection of its user that is as wanted."""
        return t.cast(Thread, wait_until(lambda: next(filter(condition, self.threads()), None), 20, what))


@contextlib.contextmanager
def idle_transaction(database: Database, statement: str) -> t.Iterator[int]:
    """A connection that ran a statement in a transaction and sleeps; its id."""
    session = Session(database)
    try:
        session.execute("BEGIN")
        session.execute(statement)
        yield session.connection_id
    finally:
        session.close()


class Repeat:
    """Runs something over and over in a thread, with a connection of its own, until it is left.

    Attributes:
        done: How many times it ran.
        errors: What went wrong.
    """

    def __init__(self, database: Database, step: t.Callable[[Session], None]) -> None:
        self._database = database
        self._step = step
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.done = 0
        self.errors: list[str] = []

    def _run(self) -> None:
        with Session(self._database) as session:
            while not self._stop.is_set():
                try:
                    self._step(session)
                except DatabaseError as error:
                    self.errors.append(str(error))
                self.done += 1

    def wait_for_more(self, count: int = 3) -> None:
        """Wait until it ran some more times."""
        goal = self.done + count
        wait_until(lambda: self.done >= goal, 20, "a thread goes on")

    def __enter__(self) -> Repeat:
        self._thread.start()
        self.wait_for_more(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def python(code: str, *arguments: str, **streams: t.Any) -> subprocess.Popen[str]:
    """Another Python process that can import the collection."""
    clone = pathlib.Path(__file__).parents[3]
    preamble = f"import sys; sys.path.insert(0, {str(clone / '.collections')!r})\n"
    return subprocess.Popen([sys.executable, "-c", preamble + code, *arguments], text=True, **streams)
