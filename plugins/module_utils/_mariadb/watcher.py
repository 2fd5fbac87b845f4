# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that must not stand in the way: of a freeze, and of a migration."""

from __future__ import annotations

import re
import threading
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database, Row
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import UNKNOWN_THREAD, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.process_tree import ProcessTree, Sockets
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import (
    METADATA_WAIT,
    Ask,
    Thread,
    lock_holders,
    reading,
    threads,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session

_INTERVAL = 0.25  # seconds between two looks
_LOOK_AGAIN = 0.12  # seconds between two looks at transactions; the server makes their list anew after 0.1 s
_BLOCKED = 2.0  # seconds a migration's statement waits before somebody is ended for it
_BLOCKED_LONG = 10.0  # seconds after which also those are ended who don't seem to use the table

_ANSWER = 20.0  # seconds the server may take to say who is connected
_NEVER_SEEN = float("inf")  # later than any moment
_NAMED = 3  # connections named in an error

_CHANGES_TABLES = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*(?:ALTER|CREATE|DROP|RENAME|TRUNCATE|OPTIMIZE|REPAIR|ANALYZE|LOCK)\b",
    re.IGNORECASE | re.DOTALL,
)


def connection_ids(database: Database) -> set[int]:
    """The connections to a database, of its own user, that exist now."""
    return {thread.id for thread in _own_threads(database.query, database)}


def wait_for_old_connections(
    database: Database, existing: t.Collection[int], timeout: float, *, idle: float
) -> list[Thread]:
    """Wait until none of the connections that existed at some moment is left.

    Args:
        database: The database, as its own user.
        existing: :func:`connection_ids` of that moment.
        timeout: Seconds to wait at most.
        idle: Seconds of sleep on end after which a connection has no request behind it, and is ended.

    Returns:
        The connections that were ended.

    Raises:
        LockstepError: Some are still at work; the message names them.
    """
    ended: dict[int, Thread] = {}
    deadline = time.monotonic() + timeout
    with Session(database) as session:
        while True:
            left = [thread for thread in _own_threads(session.query, database) if thread.id in existing]
            if not left:
                return list(ended.values())
            for thread in left:
                if thread.command == "Sleep" and thread.seconds >= idle and _end(session, thread):
                    ended[thread.id] = thread
            if time.monotonic() >= deadline:
                more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
                named = ", ".join(thread.describe() for thread in left[:_NAMED])
                raise LockstepError(
                    f"{len(left)} connections to {database.name} did not end within {timeout:g} s: {named}{more}"
                )
            time.sleep(_INTERVAL)


def let_readers_end(admin: Database, database: Database, seconds: float) -> None:
    """Wait until those transactions have ended that are under way now.

    What they read is of before. A table that was made since then can't be read in them (error 1412), so where one takes
    the name of another, their requests fail.

    Args:
        admin: Who may see all transactions; where nobody may, nobody is waited for.
        database: The database, as its own user, whose transactions are meant.
        seconds: How long to wait at most.
    """
    deadline = time.monotonic() + seconds
    with Session(admin) as session:
        left = reading(session.query, database)
        while left and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN)
            left &= reading(session.query, database) or set()


def _own_threads(ask: Ask, database: Database) -> list[Thread]:
    return [thread for thread in threads(ask, [database.user]) if thread.schema == database.name]


def _end(session: Session, thread: Thread) -> bool:
    """End a connection; whether it was still there."""
    try:
        session.execute(f"KILL {thread.id}", timeout=_ANSWER)
    except DatabaseError as error:
        if error.number != UNKNOWN_THREAD:
            raise
        return False
    return True


class Watcher:
    """Ends connections that keep a migration from changing tables, while it is entered.

    One idle transaction blocks ``ALTER``, and every new reader of that table behind it, for up to a day. So when a
    statement of the migration that changes tables has waited for two seconds, those of the site's connections that hold
    the table are ended. Whoever might be the migration's own connection is left alone: better it waits than that it
    loses its connection. Somebody is known to be a stranger

    * who was connected before the migration began,
    * by TCP, from a port that no process of the migration has, if at the same time the waiting connection is seen to
      come from one that it has (else addresses are translated between here and the server, and ports mean nothing),
    * by a unix socket, whose other end the server does not tell, who connected while the migration opened no socket
      that may lead to the server, from as long before as the server lets a connection take (``connect_timeout``); if
      at the same time the migration is seen to have a connection (else we look at the wrong processes).

    Args:
        database: The database, as its own user, who may end their own connections.
        admin: The server's administrator, if the tables are changed as such.

    Attributes:
        ended: The connections that were ended.
        problem: Why it could not look, the last time it could not.
    """

    def __init__(self, database: Database, admin: Database | None = None) -> None:
        self.ended: list[Thread] = []
        self.problem: str | None = None
        self._database = database
        self._as = admin or database
        self._users = {database.user, self._as.user}
        self._stopped = threading.Event()
        self._loop = threading.Thread(target=self._run, name="lockstep-watcher", daemon=True)
        self._has_lock_info = True
        self._since: dict[tuple[int, str], float] = {}

    def __enter__(self) -> Watcher:
        self._session = Session(self._as)
        try:
            patience, self._listening = (value or "" for value in self._ask("SELECT @@connect_timeout, @@socket")[0])
            before = {thread.id for thread in threads(self._ask, self._users)}
        except BaseException:
            self._session.close()
            raise
        self._strangers = Strangers(before, float(patience))
        self._loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._loop.join()
        self._session.close()

    def of_process(self, pid: int) -> None:
        """Say which process the migration is; until then only those are ended who were there before."""
        self._strangers.tree = ProcessTree(pid, self._listening)

    def _ask(self, sql: str) -> list[Row]:
        return self._session.query(sql, timeout=_ANSWER)

    def _run(self) -> None:
        while not self._stopped.wait(_INTERVAL):
            try:
                self._look()
            except (LockstepError, OSError, ValueError) as error:
                self.problem = str(error)
                self._reconnect()

    def _reconnect(self) -> None:
        self._session.close()
        try:
            self._session = Session(self._as)
        except LockstepError as error:
            self.problem = str(error)

    def _look(self) -> None:
        began = time.monotonic()
        found = threads(self._ask, self._users)
        sockets = self._strangers.learn(found, began)
        for waiting, seconds in self._waiting(found, began):
            if seconds < _BLOCKED or self._strangers.is_one(waiting, waiting, sockets):
                continue
            others = [other for other in found if self._may_end(other, waiting, sockets)]
            for blocker in self._blockers(waiting, seconds, others):
                if _end(self._session, blocker):
                    self.ended.append(blocker)

    def _waiting(self, found: t.Sequence[Thread], now: float) -> list[tuple[Thread, float]]:
        """Statements that change tables and wait for one, with the seconds since they were first seen to wait.

        The server's own time counts from the statement's beginning, and most of that may have been work.
        """
        waiting = [one for one in found if one.state == METADATA_WAIT and _CHANGES_TABLES.match(one.info)]
        self._since = {(one.id, one.info): self._since.get((one.id, one.info), now) for one in waiting}
        return [(one, now - self._since[one.id, one.info]) for one in waiting]

    def _may_end(self, thread: Thread, waiting: Thread, sockets: Sockets | None) -> bool:
        of_the_site = thread.user == self._database.user and thread.schema == self._database.name
        return of_the_site and not thread.waits and self._strangers.is_one(thread, waiting, sockets)

    def _blockers(self, waiting: Thread, seconds: float, others: t.Sequence[Thread]) -> list[Thread]:
        """Whom to end next: all that are known to hold the table, else the most likely one."""
        holders = lock_holders(self._ask, self._database.name) if self._has_lock_info else None
        self._has_lock_info = holders is not None
        long = seconds >= _BLOCKED_LONG
        if holders is not None:
            holding = [other for other in others if other.id in holders]
            using = [other for other in holding if any(mentions(waiting.info, name) for name in holders[other.id])]
            return using or (holding if long else [])
        idle = sorted((other for other in others if other.command == "Sleep"), key=lambda other: -other.seconds)
        # Who holds the table has begun before the migration's statement had to wait for it.
        busy = [other for other in others if other.command != "Sleep" and other.seconds >= seconds]
        using = [other for other in busy if any(mentions(other.info, name) for name in changed_tables(waiting.info))]
        return (idle or using or (busy if long else []))[:1]


def changed_tables(statement: str) -> set[str]:
    """Names in a statement that changes tables, as far as they are quoted or follow ``TABLE``."""
    quoted = {name.replace("``", "`") for name in re.findall(r"`((?:[^`]|``)+)`", statement)}
    return quoted | set(re.findall(r"\bTABLE\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(\w+)", statement, re.IGNORECASE))


def mentions(statement: str, table: str) -> bool:
    """Whether a statement has a table's name in it as a word of its own."""
    name = re.escape(table.replace("`", "``"))
    return re.search(rf"`{name}`|(?<![\w$`]){name}(?![\w$`])", statement) is not None


class Strangers:
    """Tells whose connections are certainly not the migration's; see :class:`Watcher`.

    Args:
        before: Connections from before the migration.
        patience: Seconds that may pass between a socket's opening and the connection's appearance in the server's list.

    Attributes:
        tree: The migration's processes, once they are known.
    """

    def __init__(self, before: t.Collection[int], patience: float) -> None:
        self.tree: ProcessTree | None = None
        self._before = frozenset(before)
        self._patience = patience
        self._came_alone: dict[int, bool] = {}
        self._sockets: Sockets | None = None
        self._last_opened = _NEVER_SEEN
        self._last_look = time.monotonic()

    def learn(self, found: t.Sequence[Thread], began: float) -> Sockets | None:
        """Take a look at the migration's sockets, after the server's list was fetched.

        Args:
            found: The server's list.
            began: When it was asked for.

        Returns:
            The sockets, None when they can't be seen.
        """
        sockets = self.tree.sockets() if self.tree is not None else None
        known, self._sockets = self._sockets, sockets
        if sockets is None:
            self._last_opened = _NEVER_SEEN
        elif known is None or (sockets.server | sockets.unknown) - known.server - known.unknown:
            # What was open at the first look counts as opened now.
            self._last_opened = time.monotonic()
        for thread in found:
            if thread.id not in self._came_alone:
                self._came_alone[thread.id] = self._last_opened < self._last_look - self._patience
        self._last_look = began
        return sockets

    def is_one(self, thread: Thread, waiting: Thread, sockets: Sockets | None) -> bool:
        """Whether a connection is certainly not the migration's.

        Args:
            thread: The connection.
            waiting: The one that waits, as a proof that ports mean something.
            sockets: What :meth:`learn` returned for the same list.
        """
        if thread.id in self._before:
            return True
        if sockets is None:
            return False
        port = _port(thread)
        if port is not None:
            return port not in sockets.ports and _port(waiting) in sockets.ports
        return bool(sockets.server) and self._came_alone.get(thread.id, False)


def _port(thread: Thread) -> int | None:
    """The client's port, None for a unix socket."""
    _ignored, separator, port = thread.host.rpartition(":")
    return int(port) if separator and port.isdigit() else None
