# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger is asked."""

from __future__ import annotations

import collections
import datetime
import statistics as numbers
import typing as t

import sqlalchemy as sa

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model, results, textlog
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.schema import deployments, events, phases, units
from ansible_collections.lockstep.deploy.plugins.plugin_utils.progress import Progress

RECENT_LOGS = 50
"""Lines in ``recent_logs`` (SPEC.md, J3)."""

_ROLLED_BACK = ("rolled_back", "partially_rolled_back", "rollback_failed")
_RUNNING = ("planning", "in_progress")


def history(
    connection: sa.Connection, project: str | None, environment: str | None, limit: int
) -> list[dict[str, t.Any]]:
    """The latest deployments, newest first."""
    rows = connection.execute(
        sa.select(deployments)
        .where(*_place(project, environment))
        .order_by(sa.func.coalesce(deployments.c.started_at, deployments.c.planned_at).desc(), deployments.c.id.desc())
        .limit(limit)
    ).all()
    counts: dict[str, dict[str, int]] = collections.defaultdict(dict)
    counted = (
        sa.select(units.c.deployment_id, units.c.state, sa.func.count())
        .where(units.c.deployment_id.in_([row.id for row in rows]))
        .group_by(units.c.deployment_id, units.c.state)
    )
    for deployment_id, state, count in connection.execute(counted):
        counts[deployment_id][state] = count
    return [_deployment(row) | {"units": counts[row.id]} for row in rows]


def deployment(connection: sa.Connection, deployment_id: str) -> dict[str, t.Any] | None:
    """One deployment with its units and their phases, and what became of each stage on each site.

    One by blue-green has what :func:`results.of_blue_green` returns as well.
    """
    row = connection.execute(sa.select(deployments).where(deployments.c.id == deployment_id)).first()
    if row is None:
        return None
    walked: dict[str, list[dict[str, t.Any]]] = collections.defaultdict(list)
    for phase in connection.execute(
        sa.select(phases)
        .where(phases.c.deployment_id == deployment_id)
        .order_by(phases.c.started_at, phases.c.ended_at)
    ):
        found = dict(phase._mapping)
        found.pop("deployment_id")
        walked[found.pop("unit")].append(found)
    found_units = [
        {name: value for name, value in unit._mapping.items() if name not in ("deployment_id", "position")}
        | {"phases": walked[unit.name]}
        for unit in _units(connection, deployment_id)
    ]
    stages = results.of_stages(row.stages, found_units, _failed_checks(connection, deployment_id))
    found = _deployment(row) | {"stages": stages, "units": found_units}
    return found | results.of_blue_green(found_units) if row.strategy == model.BLUE_GREEN else found


def _failed_checks(connection: sa.Connection, deployment_id: str) -> dict[str, list[str]]:
    """What stood in the way of each unit before anything changed."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    wanted = (events.c.deployment_id == deployment_id) & (events.c.kind == "check")
    for unit, message in connection.execute(sa.select(events.c.unit, events.c.message).where(wanted)):
        # Before the colon it says whether that was overridden.
        found[unit].append(message.partition(": ")[2])
    return found


def statistics(connection: sa.Connection, project: str | None, environment: str | None) -> dict[str, t.Any]:
    """Figures over all deployments that ended, with the names of SPEC.md (J3)."""
    counted = (
        sa.select(deployments.c.status, sa.func.count(), sa.func.avg(deployments.c.duration_seconds))
        .where(*_place(project, environment), deployments.c.status.not_in(_RUNNING))
        .group_by(deployments.c.status)
    )
    found = {status: (count, average) for status, count, average in connection.execute(counted)}
    total = sum(count for count, _average in found.values())
    successful, seconds = found.get("completed", (0, None))
    rolled_back = sum(found[status][0] for status in _ROLLED_BACK if status in found)
    return {
        "totalDeployments": total,
        "successfulDeployments": successful,
        "failedDeployments": total - successful,
        "averageDeploymentTime": round(float(seconds), 1) if seconds is not None else None,
        "rollbackRate": round(rolled_back / total * 100, 1) if total else 0.0,
    }


def durations(connection: sa.Connection, project: str | None, environment: str | None, runs: int) -> dict[str, float]:
    """Median seconds of work per unit in its last runs that succeeded and changed something.

    What a unit was only watched for (:data:`model.WATCHED`) is left out: how long that is, each run says itself.
    """
    watched = (
        sa.select(phases.c.deployment_id, phases.c.unit, sa.func.sum(phases.c.seconds).label("seconds"))
        .where(phases.c.phase.in_(model.WATCHED), phases.c.direction == "forward")
        .group_by(phases.c.deployment_id, phases.c.unit)
        .subquery()
    )
    same = sa.and_(watched.c.deployment_id == units.c.deployment_id, watched.c.unit == units.c.name)
    ranked = (
        sa.select(
            units.c.name,
            (units.c.seconds - sa.func.coalesce(watched.c.seconds, 0.0)).label("seconds"),
            sa.func.row_number()
            .over(partition_by=units.c.name, order_by=[units.c.started_at.desc(), units.c.deployment_id.desc()])
            .label("age"),
        )
        .join(deployments, deployments.c.id == units.c.deployment_id)
        .outerjoin(watched, same)
        .where(
            *_place(project, environment),
            units.c.state.in_(sorted(model.DONE)),
            units.c.changed,
            units.c.seconds.is_not(None),
        )
        .subquery()
    )
    taken: dict[str, list[float]] = collections.defaultdict(list)
    for name, seconds in connection.execute(sa.select(ranked.c.name, ranked.c.seconds).where(ranked.c.age <= runs)):
        taken[name].append(max(0.0, seconds))
    return {name: numbers.median(values) for name, values in taken.items()}


def progress(connection: sa.Connection, deployment_id: str, now: str) -> dict[str, t.Any] | None:
    """How far a deployment is, with the names of SPEC.md (J3)."""
    row = connection.execute(sa.select(deployments).where(deployments.c.id == deployment_id)).first()
    if row is None:
        return None
    planned = _units(connection, deployment_id)
    found = Progress({"units": [dict(unit._mapping) for unit in planned], "stages": row.stages}, row.window or 0)
    seconds = _epoch(now) or 0.0
    for happened in (_went_forward, _went_back):
        for unit in planned:
            for event in happened(unit):
                found.apply(event, _epoch(event.at) or seconds)
    if row.status not in _RUNNING:
        found.end()
    left = found.seconds_left(seconds) if row.status in _RUNNING else None
    sites = {unit.name: unit.site for unit in planned if unit.site}
    return {
        "deployment_id": row.id,
        "status": row.status,
        "current_stage": _stage(row, found),
        "progress_percentage": found.percentage(),
        "sites_completed": [sites[name] for name in found.named("done") if name in sites],
        "sites_pending": [sites[name] for name in found.named("pending", "running", "withheld") if name in sites],
        "sites_failed": [
            sites[name] for name in found.named("failed", "unreachable", "restored", "kept") if name in sites
        ],
        "estimated_completion": _later(now, left),
        "active_tasks": [
            {"unit": task.unit, "phase": task.phase, "seconds": round(task.seconds, 1)}
            for task in found.running(seconds)
        ],
        "recent_logs": _recent(connection, deployment_id),
    }


def _place(project: str | None, environment: str | None) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if project is not None:
        found.append(deployments.c.project == project)
    if environment is not None:
        found.append(deployments.c.environment == environment)
    return found


def _deployment(row: sa.Row[t.Any]) -> dict[str, t.Any]:
    found = dict(row._mapping)
    return {"deployment_id": found.pop("id")} | found


def _units(connection: sa.Connection, deployment_id: str) -> t.Sequence[sa.Row[t.Any]]:
    return connection.execute(
        sa.select(units).where(units.c.deployment_id == deployment_id).order_by(units.c.position, units.c.name)
    ).all()


def _went_forward(unit: sa.Row[t.Any]) -> list[model.Event]:
    """The few events that bring a unit where its row says it came."""
    if unit.started_at is None:
        return [model.Event("withheld", "", unit.name)] if unit.state == "withheld" else []
    found = [model.Event("started", unit.started_at, unit.name)]
    if unit.phase:
        at = unit.phase_at or unit.started_at
        found.append(model.Event("phase", at, unit.name, phase=unit.phase, status="started"))
    if unit.ended_at and unit.state in ("failed", "unreachable"):
        found.append(model.Event(unit.state, unit.ended_at, unit.name))
    elif unit.ended_at:
        well = unit.state in model.DONE or not unit.error
        found.append(model.Event("finished", unit.ended_at, unit.name, status="completed" if well else "failed"))
    return found


def _went_back(unit: sa.Row[t.Any]) -> list[model.Event]:
    """The same for the way back."""
    if unit.state not in model.BACK:
        return []
    at = unit.ended_at or unit.started_at or ""
    return [
        model.Event("started", at, unit.name, direction="reverse"),
        model.Event("state", at, unit.name, state=unit.state, direction="reverse"),
        model.Event("finished", at, unit.name, status="completed", direction="reverse"),
    ]


def _stage(row: sa.Row[t.Any], found: Progress) -> str:
    if row.status == "planning":
        return "planning"
    if row.status != "in_progress":
        return "done"
    return "rollback" if row.rollback_started_at and not row.rollback_ended_at else found.stage()


def _recent(connection: sa.Connection, deployment_id: str) -> list[str]:
    """The latest events as lines, for a ledger whose text log lies on another controller."""
    latest = (
        sa.select(events)
        .where(events.c.deployment_id == deployment_id, events.c.message != "")
        .order_by(events.c.id.desc())
        .limit(RECENT_LOGS)
    )
    rows = list(connection.execute(latest))
    return [textlog.line(row.at, row.level, row.message, row.unit, row.phase) for row in reversed(rows)]


def _epoch(text: str) -> float | None:
    found = model.moment(text)
    return found.timestamp() if found else None


def _later(now: str, seconds: float | None) -> str | None:
    start = model.moment(now)
    if seconds is None or start is None:
        return None
    return model.timestamp(start + datetime.timedelta(seconds=seconds))
