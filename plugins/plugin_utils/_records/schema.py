# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger's tables, and how a database gets them.

Times are RFC 3339 text in UTC with milliseconds, so that they sort as text in every database.
"""

from __future__ import annotations

import os
import sqlite3
import time
import typing as t

import sqlalchemy as sa

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

BUSY_SECONDS = 5.0
"""How long a writer waits for another one; a unit may be frozen meanwhile, so it is short."""

_AGAIN = 0.02
"""Seconds between two looks at a lock that SQLite does not wait for."""

_MIGRATION_LOCK = 0x6C6F636B73746570
"""The number of the advisory lock, "lockstep" in ASCII."""

metadata = sa.MetaData()

version_table = sa.Table(
    "lockstep_schema",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", sa.String(32), nullable=False),
)

deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("project", sa.Text, nullable=False, server_default=""),
    sa.Column("environment", sa.Text, nullable=False, server_default=""),
    sa.Column("strategy", sa.Text),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("planned_at", sa.String(32)),
    sa.Column("started_at", sa.String(32)),
    sa.Column("ended_at", sa.String(32)),
    sa.Column("duration_seconds", sa.Float),
    sa.Column("estimated_seconds", sa.Float),
    sa.Column("window", sa.Integer),
    sa.Column("deployed_by", sa.Text),
    sa.Column("controller", sa.Text),
    sa.Column("rollback_id", sa.Text),
    sa.Column("rollback_started_at", sa.String(32)),
    sa.Column("rollback_ended_at", sa.String(32)),
    sa.Column("reason", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("apps", sa.JSON, nullable=False),
    sa.Column("stages", sa.JSON, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("last_event_at", sa.String(32)),
    sa.Index("deployments_by_place", "project", "environment", "started_at"),
)

units = sa.Table(
    "units",
    metadata,
    sa.Column("deployment_id", sa.String(80), sa.ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("driver", sa.Text),
    sa.Column("server", sa.Text),
    sa.Column("bench", sa.Text),
    sa.Column("site", sa.Text),
    sa.Column("stage", sa.Integer),
    sa.Column("depends_on", sa.JSON, nullable=False),
    sa.Column("apps", sa.JSON, nullable=False),
    sa.Column("estimated_seconds", sa.Float),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("phase", sa.Text),
    sa.Column("phase_at", sa.String(32)),
    sa.Column("changed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("started_at", sa.String(32)),
    sa.Column("ended_at", sa.String(32)),
    sa.Column("seconds", sa.Float),
    sa.Column("freeze_seconds", sa.Float),
    sa.Column("versions_before", sa.JSON, nullable=False),
    sa.Column("versions_after", sa.JSON, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("error_phase", sa.Text),
    sa.Column("left_how", sa.Text),
    sa.Column("hint", sa.Text),
)

phases = sa.Table(
    "phases",
    metadata,
    sa.Column("deployment_id", sa.String(80), primary_key=True),
    sa.Column("unit", sa.Text, primary_key=True),
    sa.Column("direction", sa.String(8), primary_key=True),
    sa.Column("phase", sa.String(32), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("started_at", sa.String(32)),
    sa.Column("ended_at", sa.String(32)),
    sa.Column("seconds", sa.Float),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.ForeignKeyConstraint(["deployment_id", "unit"], ["units.deployment_id", "units.name"], ondelete="CASCADE"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("deployment_id", sa.String(80), sa.ForeignKey("deployments.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("level", sa.String(8), nullable=False),
    sa.Column("unit", sa.Text),
    sa.Column("phase", sa.String(32)),
    sa.Column("status", sa.String(32)),
    sa.Column("seq", sa.Integer),
    sa.Column("seconds", sa.Float),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("events_by_deployment", "deployment_id", "id"),
    # A journal has one entry per step, whose status goes on: started, completed, undone.
    sa.UniqueConstraint("deployment_id", "unit", "seq", "status", name="events_of_journals"),
)


def _first_tables(connection: sa.Connection) -> None:
    metadata.create_all(connection, tables=[deployments, units, phases, events])


MIGRATIONS: list[t.Callable[[sa.Connection], None]] = [_first_tables]
"""Step n takes a ledger from version n to version n + 1; a released step is never changed, only followed."""


def connect(url: str) -> sa.Engine:
    """An engine for a ledger's address; nothing is opened yet.

    Args:
        url: An SQLAlchemy URL, ``sqlite:///…`` or ``postgresql+driver://…``.

    Raises:
        LockstepError: The URL can't be read, names another kind of database, or its driver isn't installed.
    """
    try:
        address = sa.make_url(url)
        kind = address.get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise LockstepError(f"a ledger lies in SQLite or PostgreSQL, not in {kind}", hint="set lockstep_ledger_url")
        engine = sa.create_engine(address, **_arguments(kind))
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise LockstepError(f"the ledger's address can't be used: {error}", hint="check lockstep_ledger_url") from error
    if kind == "sqlite":
        _as_sqlite(engine)
    return engine


def migrate(engine: sa.Engine, now: str) -> None:
    """Create the tables, or bring those of an older version forward; each step as a whole or not at all.

    Args:
        engine: The ledger's database.
        now: The time to write down, RFC 3339.

    Raises:
        LockstepError: The ledger was written by a newer version of the collection.
    """
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            # Its transactions don't keep two from creating the same table; SQLite's write lock does.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        version_table.create(connection, checkfirst=True)
        found = connection.execute(sa.select(sa.func.max(version_table.c.version))).scalar() or 0
        if found > len(MIGRATIONS):
            raise LockstepError(
                f"the ledger has version {found}, and this version of the collection knows up to {len(MIGRATIONS)}",
                hint="install the newer collection, or set lockstep_ledger_url to another ledger",
            )
        for version, step in enumerate(MIGRATIONS[found:], start=found + 1):
            step(connection)
            connection.execute(version_table.insert().values(version=version, applied_at=now))


def writing(engine: sa.Engine) -> t.ContextManager[sa.Connection]:
    """A transaction that writes: SQLite takes its write lock at the beginning, so that waiting for it works."""
    return engine.execution_options(lockstep_begin="BEGIN IMMEDIATE").begin()


def sqlite_file(url: str) -> str | None:
    """The file of an SQLite ledger; None for another database or one in memory."""
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError:
        return None
    if address.get_backend_name() != "sqlite" or address.database in (None, "", ":memory:"):
        return None
    return os.path.abspath(str(address.database))


def _arguments(kind: str) -> dict[str, t.Any]:
    if kind == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    # A network that hangs must not hold up a deployment either.
    limits = f"-c statement_timeout={int(BUSY_SECONDS * 1000)} -c lock_timeout={int(BUSY_SECONDS * 1000)}"
    return {"connect_args": {"connect_timeout": int(BUSY_SECONDS), "options": limits}, "pool_pre_ping": True}


def _as_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: t.Any, record: object) -> None:
        # The driver's own transactions begin late and then can't wait for another writer.
        connection.isolation_level = None
        cursor = connection.cursor()
        _use_wal(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("lockstep_begin", "BEGIN"))


def _use_wal(cursor: t.Any) -> None:
    """Let readers and a writer go on side by side.

    While another process changes a new ledger to this mode, SQLite refuses at once: the timeout that everything else
    waits for is not asked, as it could wait for ever (sqlite.org/c3ref/busy_handler.html).
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN)
