# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: all deployments, their units, phases and events, on the controller or in one place for a team.

It is derived: what the servers' journals and manifests say is the truth, and :meth:`Ledger.rebuild` fills it from them.
Everything is written when it happens, each call in one short transaction, so that other controllers can write too.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, messages, model, textlog

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql, sqlite

    from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import queries, rebuild, rows, schema
except ImportError as error:
    _MISSING: ImportError | None = error
else:
    _MISSING = None

RUNNING = frozenset({"planning", "in_progress"})
"""Statuses of a deployment that has not ended."""

STATUSES = RUNNING | {
    "completed",
    "failed",
    "rolled_back",
    "partially_rolled_back",
    "rollback_failed",
    "error",
}
"""All statuses of a deployment (SPEC.md, J2)."""


def default_folder(environ: t.Mapping[str, str] = os.environ) -> str:
    """Where a ledger lies by default: ``lockstep`` in the user's data folder (XDG)."""
    base = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(base):  # the XDG specification: anything else than an absolute path is to be ignored
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "share")
    return os.path.join(base, "lockstep")


def ledger_url(given: str | None = None, environ: t.Mapping[str, str] = os.environ) -> str:
    """The ledger's address: the one given, else ``LOCKSTEP_LEDGER_URL``, else SQLite in the default folder."""
    found = given or environ.get("LOCKSTEP_LEDGER_URL")
    return found or "sqlite:///" + os.path.join(default_folder(environ), "ledger.db")


class Ledger:
    """An open ledger.

    Args:
        url: An SQLAlchemy URL; see :func:`ledger_url` for what an empty one means.
        environ: The environment; to be replaced in tests.

    Raises:
        LockstepError: SQLAlchemy is missing, or the ledger can't be opened.
    """

    def __init__(self, url: str | None = None, environ: t.Mapping[str, str] = os.environ) -> None:
        if _MISSING is not None:
            raise LockstepError("the ledger needs SQLAlchemy 2, which isn't installed", hint="pip install SQLAlchemy")
        self.url = ledger_url(url, environ)
        self._engine = schema.connect(self.url)
        self._seen: dict[str, set[str]] = {}
        path = schema.sqlite_file(self.url)
        folder = os.path.dirname(path) if path else default_folder(environ)
        self.log = textlog.TextLog(os.path.join(folder, "deployments"))
        with self._told("opened"):
            if path:
                _make_private(path, tighten=folder == default_folder(environ))
            schema.migrate(self._engine, model.timestamp())

    @classmethod
    def existing(cls, url: str | None = None, environ: t.Mapping[str, str] = os.environ) -> Ledger | None:
        """The ledger if there is one; nothing is created for a question.

        Raises:
            LockstepError: As for a new one.
        """
        if _MISSING is None:
            path = schema.sqlite_file(ledger_url(url, environ))
            if path and not os.path.exists(path):
                return None
        return cls(url, environ)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # What is written while a deployment goes on.

    def plan(self, plan: t.Mapping[str, t.Any], window: int | None = None, by: str | None = None) -> None:
        """A deployment was planned: status ``planning``. What is known of it already stays as it is.

        Args:
            plan: The plan, as the plan play makes it.
            window: How many units may be in flight.
            by: Who deploys; the user who runs this when not given.
        """
        row = rows.of_plan(plan, window, by)
        deployment = row["id"]
        units = [rows.of_unit(deployment, position, unit) for position, unit in enumerate(plan.get("units") or [])]
        with self._write() as connection:
            new = self._insert_new(connection, schema.deployments, [row])
            self._insert_new(connection, schema.units, units)
        if new:
            self._say(
                deployment, textlog.line(row["planned_at"], "info", messages.planned(len(units), row["strategy"]))
            )

    def begin(
        self, deployment_id: str, direction: str = "forward", window: int | None = None, by: str | None = None
    ) -> None:
        """Units begin to move (``forward``), or to go back (``reverse``): status ``in_progress``.

        Args:
            deployment_id: The deployment.
            direction: ``forward`` or ``reverse``.
            window: How many units may be in flight, where that is known.
            by: Who deploys, where that is known better than when it was planned.
        """
        now = model.timestamp()
        table = schema.deployments
        values: dict[str, t.Any] = {"status": "in_progress", "last_event_at": now}
        if direction == "reverse":
            values |= {"rollback_started_at": now, "rollback_ended_at": None}
        else:
            values |= {"started_at": sa.func.coalesce(table.c.started_at, now), "ended_at": None, "error": None}
            values |= {"deployed_by": fields.scrub(by)} if by else {}
        values |= {} if window is None else {"window": window}
        with self._write() as connection:
            self._known(connection, deployment_id)
            connection.execute(table.update().where(table.c.id == deployment_id).values(**values))
        self._say(deployment_id, textlog.line(now, "info", messages.begun(direction)))

    def record(self, deployment_id: str, events: t.Sequence[model.Event]) -> None:
        """Write down what happened, in one transaction.

        Args:
            deployment_id: The deployment; it and its units are added when this ledger doesn't know them yet.
            events: What happened, in order.
        """
        if not events:
            return
        said = []
        with self._write() as connection:
            self._known(connection, deployment_id)
            for event in events:
                if self._record(connection, deployment_id, event):
                    said.append(messages.line(event))
            table = schema.deployments
            last = table.update().where(table.c.id == deployment_id).values(last_event_at=model.timestamp())
            connection.execute(last)
        self._say(deployment_id, *(text for text in said if text))

    def finish(self, deployment_id: str, status: str, **told: str | None) -> None:
        """A deployment, or its rollback, ended.

        Args:
            deployment_id: The deployment.
            status: One of :data:`STATUSES`.
            told: ``error``, ``reason`` and ``rollback_id``, where there are such.
        """
        if status not in STATUSES:
            raise LockstepError(f"a deployment doesn't end {status!r}")
        now = model.timestamp()
        table = schema.deployments
        with self._write() as connection:
            self._known(connection, deployment_id)
            row = connection.execute(sa.select(table).where(table.c.id == deployment_id)).one()
            if status == "rolled_back" and self._any_live(connection, deployment_id):
                status = "partially_rolled_back"  # only some of its units were asked to go back
            values: dict[str, t.Any] = {"status": status, "last_event_at": now}
            values |= {name: fields.scrub(text) for name, text in told.items() if text}
            if row.rollback_started_at and not row.rollback_ended_at:
                values["rollback_ended_at"] = now
            if not row.ended_at:
                values |= {"ended_at": now, "duration_seconds": model.seconds_between(row.started_at, now)}
            connection.execute(table.update().where(table.c.id == deployment_id).values(**values))
        level = "info" if status == "completed" else "error"
        self._say(deployment_id, textlog.line(now, level, f"ended: {status}"))

    def rebuild(self, records: t.Iterable[t.Mapping[str, t.Any]]) -> int:
        """Add what the servers know and this ledger doesn't; what is here stays.

        Args:
            records: What ``status`` found, one mapping per unit; ``_records/rebuild.py`` names the keys.

        Returns:
            How many deployments were added.
        """
        found = rebuild.rows(records)
        with self._write() as connection:
            added = sum(self._insert_new(connection, schema.deployments, [row]) for row in found.deployments)
            self._insert_new(connection, schema.units, found.units)
            self._insert_new(connection, schema.phases, found.phases)
            self._insert_new(connection, schema.events, found.events)
        return added

    # What is asked.

    def history(
        self, project: str | None = None, environment: str | None = None, limit: int = 10
    ) -> list[dict[str, t.Any]]:
        """The latest deployments, newest first, each with how many of its units are in which state."""
        with self._read() as connection:
            return queries.history(connection, project, environment, limit)

    def deployment(self, deployment_id: str) -> dict[str, t.Any] | None:
        """One deployment with its ``units``, each with its ``phases``; None when it isn't known."""
        with self._read() as connection:
            return queries.deployment(connection, deployment_id)

    def statistics(self, project: str | None = None, environment: str | None = None) -> dict[str, t.Any]:
        """``totalDeployments``, ``successfulDeployments``, ``failedDeployments``, ``averageDeploymentTime`` in seconds,
        ``rollbackRate`` in percent."""
        with self._read() as connection:
            return queries.statistics(connection, project, environment)

    def durations(self, project: str | None = None, environment: str | None = None, runs: int = 5) -> dict[str, float]:
        """Median seconds of work per unit in its last successful runs that changed something."""
        with self._read() as connection:
            return queries.durations(connection, project, environment, runs)

    def progress(self, deployment_id: str, now: str | None = None) -> dict[str, t.Any] | None:
        """How far a deployment is, with the names of SPEC.md (J3); None when it isn't known."""
        with self._read() as connection:
            found = queries.progress(connection, deployment_id, now or model.timestamp())
        if found is not None:
            found["recent_logs"] = self.log.read(deployment_id)[-queries.RECENT_LOGS :] or found["recent_logs"]
        return found

    # How it is written.

    def _record(self, connection: sa.Connection, deployment_id: str, event: model.Event) -> bool:
        if event.unit is not None:
            self._known_unit(connection, deployment_id, event.unit)
        told = event.kind != "state" or event.state is not None
        if told and not self._insert_new(connection, schema.events, [rows.of_event(deployment_id, event)]):
            return False  # an entry of a journal that was already read, by this or another controller
        if event.unit is None:
            table = schema.deployments
            connection.execute(table.update().where(table.c.id == deployment_id).values(error=event.message))
            return True
        if event.kind == "phase":
            self._record_phase(connection, deployment_id, event)
        unit = schema.units
        here = (unit.c.deployment_id == deployment_id) & (unit.c.name == event.unit)
        values = rows.unit_values(event)
        if event.kind == "finished" and event.direction == "forward":
            started = connection.execute(sa.select(unit.c.started_at).where(here)).scalar()
            values["seconds"] = model.seconds_between(started, event.at)
        if values:
            connection.execute(unit.update().where(here).values(**values))
        return True

    def _record_phase(self, connection: sa.Connection, deployment_id: str, event: model.Event) -> None:
        key = {"deployment_id": deployment_id, "unit": event.unit, "direction": event.direction, "phase": event.phase}
        values: dict[str, t.Any] = {"status": event.status}
        if event.status == "started":
            values |= {"started_at": event.at, "ended_at": None, "seconds": None}
        else:
            values |= {"ended_at": event.at, "seconds": event.seconds}
            values |= {"started_at": event.began} if event.began else {}
        if event.detail:
            values["detail"] = dict(event.detail)
        fresh = self._insert_into(connection, schema.phases).values({"detail": {}, **key, **values})
        connection.execute(fresh.on_conflict_do_update(index_elements=list(key), set_=values))

    def _any_live(self, connection: sa.Connection, deployment_id: str) -> bool:
        """Whether a unit is still where this deployment took it; one that was there before is none of its doing."""
        unit = schema.units
        live = (unit.c.deployment_id == deployment_id) & unit.c.state.in_(sorted(model.DONE)) & unit.c.changed
        return connection.execute(sa.select(sa.literal(1)).where(live)).first() is not None

    def _known(self, connection: sa.Connection, deployment_id: str) -> None:
        if deployment_id not in self._seen:
            self._insert_new(connection, schema.deployments, [rows.unplanned(deployment_id)])
            unit = schema.units
            names = sa.select(unit.c.name).where(unit.c.deployment_id == deployment_id)
            self._seen[deployment_id] = set(connection.execute(names).scalars())

    def _known_unit(self, connection: sa.Connection, deployment_id: str, name: str) -> None:
        seen = self._seen[deployment_id]
        if name not in seen:
            self._insert_new(connection, schema.units, [rows.of_unit(deployment_id, len(seen), {"name": name})])
            seen.add(name)

    def _insert_new(self, connection: sa.Connection, table: sa.Table, rows: t.Sequence[dict[str, t.Any]]) -> int:
        """Insert the rows that aren't there yet; for a single row, how many those were."""
        if not rows:
            return 0
        statement = self._insert_into(connection, table).on_conflict_do_nothing()
        statement = statement.execution_options(preserve_rowcount=True)  # without it, PostgreSQL's is forgotten
        return max(0, connection.execute(statement, rows if len(rows) > 1 else rows[0]).rowcount)

    def _insert_into(self, connection: sa.Connection, table: sa.Table) -> t.Any:
        """An insert of the database's own dialect: only those know what to do about rows that are there."""
        return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)

    def _say(self, deployment_id: str, *lines: str) -> None:
        if lines:
            with self._told("written"):
                self.log.append(deployment_id, lines)

    @contextlib.contextmanager
    def _write(self) -> t.Iterator[sa.Connection]:
        try:
            with self._told("written"), schema.writing(self._engine) as connection:
                yield connection
        except BaseException:
            self._seen.clear()  # what was added is not there
            raise

    @contextlib.contextmanager
    def _read(self) -> t.Iterator[sa.Connection]:
        with self._told("read"), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _told(self, what: str) -> t.Iterator[None]:
        shown = fields.scrub(self.url)
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise LockstepError(f"the ledger {shown} can't be {what}: {fields.scrub(cause)}") from error
        except OSError as error:
            raise LockstepError(f"the ledger {shown} can't be {what}: {error.strerror or error}") from error


def _make_private(path: str, tighten: bool) -> None:
    """Make the file before SQLite would with the user's umask; its companions take over the mode.

    Args:
        path: The database.
        tighten: Whether to take away what others may do with folder and file when they are there already.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if tighten:
        os.chmod(folder, 0o700)
        os.chmod(path, 0o600)
