# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is connected to a database, and who holds what others wait for."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database, Row
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text, texts

METADATA_WAIT = "Waiting for table metadata lock"
LEVEL_WAIT = "Waiting for table level lock"
_DUMP = "SQL_NO_CACHE */"  # how the dump program reads tables
_NAMED = 3  # threads named in an error

Ask = t.Callable[[str], list[Row]]


@dataclasses.dataclass(frozen=True)
class Thread:
    """A connection as the process list shows it.

    Attributes:
        id: The server's number for it; never used twice while the server runs.
        user: Its user.
        host: Where it comes from, ``host:port`` for TCP.
        schema: The database it uses; empty for none.
        command: ``Sleep``, ``Query``, …
        seconds: For how long it has been doing that.
        state: What it waits for.
        info: The statement it runs; may hold users' data, so it belongs in no message.
    """

    id: int
    user: str
    host: str
    schema: str
    command: str
    seconds: float
    state: str
    info: str

    @property
    def waits(self) -> bool:
        """Whether it waits for somebody's lock on a table."""
        return self.state in (METADATA_WAIT, LEVEL_WAIT)

    def describe(self) -> str:
        """The thread in an error or a report, without its statement."""
        verb = self.info.split(None, 1)[0].upper() if self.info.strip() else ""
        doing = "idle" if self.command == "Sleep" else f"in {verb or self.command}"
        return f"thread {self.id} ({self.user} from {self.host}, {doing} for {self.seconds:.0f} s)"


def threads(ask: Ask, users: t.Iterable[str]) -> list[Thread]:
    """The connections of some users, whatever schema they use, but for the one that asks.

    Args:
        ask: ``query`` of a :class:`Database` or of a session.
        users: Their names; others than oneself are seen by those only who may.
    """
    rows = ask(
        "SELECT ID, USER, HOST, DB, COMMAND, TIME_MS, STATE, INFO FROM information_schema.PROCESSLIST"
        f" WHERE ID <> CONNECTION_ID() AND USER IN ({texts(users)}) ORDER BY ID"
    )
    return [
        Thread(
            id=int(number or 0),
            user=user or "",
            host=host or "",
            schema=schema or "",
            command=command or "",
            seconds=float(milliseconds or 0) / 1000,
            state=state or "",
            info=info or "",
        )
        for number, user, host, schema, command, milliseconds, state, info in rows
    ]


def lock_holders(ask: Ask, schema: str) -> dict[int, set[str]] | None:
    """Which connections hold metadata locks on which tables of a schema.

    Returns:
        Names of tables by connection; None where the server's plugin ``metadata_lock_info`` isn't installed.
    """
    try:
        rows = ask(
            "SELECT THREAD_ID, TABLE_NAME FROM information_schema.METADATA_LOCK_INFO"
            f" WHERE LOCK_TYPE = 'Table metadata lock' AND TABLE_SCHEMA = {text(schema)}"
        )
    except DatabaseError as error:
        if error.number is None or error.number >= 2000:
            raise
        return None
    found: dict[int, set[str]] = {}
    for number, table in rows:
        found.setdefault(int(number or 0), set()).add(table or "")
    return found


def reading(ask: Ask, database: Database) -> set[tuple[int, str]] | None:
    """The transactions of a database's own user in it: connection and beginning.

    Args:
        ask: ``query`` of somebody who may see all transactions (PROCESS).
        database: The database, as its own user.

    Returns:
        None to whoever may not see them.
    """
    try:
        rows = ask("SELECT trx_mysql_thread_id, trx_started FROM information_schema.INNODB_TRX")
    except DatabaseError as error:
        if error.number is None or error.number >= 2000:
            raise
        return None
    own = {thread.id for thread in threads(ask, [database.user]) if thread.schema == database.name}
    return {(int(number or 0), started or "") for number, started in rows if int(number or 0) in own}


def blockers(database: Database, ours: t.Collection[int]) -> str:
    """Name those who keep us from locking a database's tables.

    Without the plugin ``metadata_lock_info`` a user can't see who holds locks; then it is one of their other threads,
    most likely the one that has been idle for longest, which is an open transaction.

    Args:
        database: Whose tables.
        ours: Connections of our own.
    """
    others = [
        thread
        for thread in threads(database.query, [database.user])
        if thread.id not in ours and thread.schema == database.name and _DUMP not in thread.info
    ]
    holders = lock_holders(database.query, database.name)
    known = [thread for thread in others if holders and thread.id in holders]
    if known:
        return "held by " + _list(known)
    likely = sorted((thread for thread in others if not thread.waits), key=lambda thread: -thread.seconds)
    if not likely:
        return "held by a connection of another user"
    return ("held by " if len(likely) == 1 else "held by one of ") + _list(likely)


def _list(found: t.Sequence[Thread]) -> str:
    named = ", ".join(thread.describe() for thread in found[:_NAMED])
    more = len(found) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
