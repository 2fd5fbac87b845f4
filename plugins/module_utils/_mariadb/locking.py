# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read locks over all tables of a database, held while it is copied."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database, lock_wait
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import LOCK_TIMEOUT, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import blockers
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import Table, listing

_ATTEMPTS = 5
_ANSWER = 60.0  # seconds


class ReadLock:
    """Read locks that are held.

    Attributes:
        tables: What the database has, as of the lock.
        connection_id: Of the connection that holds them.
    """

    def __init__(self, session: Session, tables: dict[str, Table]) -> None:
        self._session = session
        self.tables = tables
        self.connection_id = session.connection_id

    def confirm(self) -> None:
        """Make sure that the locks have been held all the time.

        Raises:
            LockstepError: The connection was lost meanwhile.
        """
        try:
            self._session.execute("DO 1", timeout=_ANSWER)
        except DatabaseError as error:
            raise LockstepError(
                "the connection that locked the tables was lost, so the copy may not be of one point in time",
                hint="try again; somebody may have killed it",
            ) from error


@contextlib.contextmanager
def read_locked(database: Database, timeout: float) -> t.Iterator[ReadLock]:
    """Keep everybody from writing to the tables of a database, while reads go on.

    Only InnoDB tables are locked: a writer that waits for any other table keeps readers out, too, and with them the
    copy that it waits for. Those tables are to be locked by whoever copies them.

    A transaction that has written to one table and wants another one, which is locked by then, is rolled back by the
    server as a deadlock. In a freeze there is none.

    Args:
        database: As its own user, who may lock its tables.
        timeout: Seconds to wait for transactions that are under way.

    Raises:
        LockstepError: Somebody holds a table for longer (who, is in the message); nothing is left locked.
    """
    with Session(database) as session:
        session.execute(f"SET SESSION {lock_wait(timeout)}")
        for _ignored in range(_ATTEMPTS):
            before = listing(session.query, database.name)
            _lock(session, database, [table.name for table in before.values() if table.transactional], timeout)
            tables = listing(session.query, database.name)
            if before.keys() == tables.keys():
                break
            session.execute("UNLOCK TABLES")
        else:
            raise LockstepError(f"tables come and go in {database.name} all the time, so it can't be locked")
        lock = ReadLock(session, tables)
        yield lock
        session.execute("UNLOCK TABLES")


def _lock(session: Session, database: Database, names: t.Sequence[str], timeout: float) -> None:
    if not names:
        return
    try:
        session.execute(
            "LOCK TABLES " + ", ".join(f"{quote(name)} READ" for name in names),
            timeout=3 * timeout + 10,  # the server's time-out is for each table
        )
    except DatabaseError as error:
        if error.number != LOCK_TIMEOUT:
            raise
        raise DatabaseError(
            f"the tables of {database.name} can't be locked within {timeout:g} s: one is"
            f" {blockers(database, {session.connection_id})}",
            number=LOCK_TIMEOUT,
        ) from error
