# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written into the ledger's tables, made from plans and events."""

from __future__ import annotations

import socket
import typing as t

import sqlalchemy as sa

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import account
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, messages, model
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.schema import units

_PLAN_OPTIONS = (
    "batch_size",
    "wait_time",
    "watch_for",
    "rollback_on_failure",
    "backup_before_deployment",
    "run_tests",
    "smoke_tests",
    "notify_users",
    "freeze",
    "thaw",
    "rollback_scope",
    "rollback_data",
    "skip_backup",
    "force",
    "ignore_dependencies",
    "timeout",
    "retries",
    "retry_delay",
)
_PLAN_STAGE = ("level", "apps", "sites")
_PLAN_APP = ("name", "version", "ref", "commit", "declared_version")


def of_plan(plan: t.Mapping[str, t.Any], window: int | None, by: str | None) -> dict[str, t.Any]:
    """The row of a planned deployment.

    Raises:
        LockstepError: The plan's id is none.
    """
    estimated = plan.get("estimated_duration")
    row = unplanned(plan.get("deployment_id")) | {"status": "planning", "window": window}
    row |= {name: fields.scrub(plan.get(name) or "") for name in ("project", "environment", "strategy")}
    row["estimated_seconds"] = float(estimated) if isinstance(estimated, (int, float)) else None
    row["deployed_by"] = fields.scrub(plan.get("deployed_by") or by or row["deployed_by"])
    row["apps"] = [{name: app[name] for name in _PLAN_APP if name in app} for app in plan.get("apps") or []]
    row["stages"] = [{name: stage.get(name) for name in _PLAN_STAGE} for stage in plan.get("stages") or []]
    row["options"] = _options(plan.get("options"))
    return row


def unplanned(deployment_id: object) -> dict[str, t.Any]:
    """The row of a deployment of which no more is known than its id.

    Raises:
        LockstepError: The id is none.
    """
    if not isinstance(deployment_id, str) or not fields.is_identifier(deployment_id):
        raise LockstepError("a deployment's id is made of letters, digits, dots, dashes and underscores")
    now = model.timestamp()
    row: dict[str, t.Any] = {"id": deployment_id, "status": "in_progress", "planned_at": now, "last_event_at": now}
    row |= {"deployed_by": account.name(), "controller": socket.gethostname()}
    return row | {"apps": [], "stages": [], "options": {}}


def _options(options: object) -> dict[str, t.Any]:
    given = options if isinstance(options, dict) else {}
    return {name: given[name] for name in _PLAN_OPTIONS if isinstance(given.get(name), (str, int, float, bool))}


def of_unit(deployment_id: str, position: int, unit: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The row of a planned unit; ``position`` is its place in the plan."""
    estimate, stage = unit.get("estimated_seconds"), unit.get("stage")
    row: dict[str, t.Any] = {"deployment_id": deployment_id, "name": str(unit["name"]), "position": position}
    row |= {name: str(unit[name]) if unit.get(name) else None for name in ("driver", "server", "bench", "site")}
    row["stage"] = stage if isinstance(stage, int) else None
    row["estimated_seconds"] = float(estimate) if isinstance(estimate, (int, float)) else None
    row["depends_on"] = [str(name) for name in unit.get("depends_on") or []]
    row["apps"] = [str(app) for app in unit.get("apps") or []]
    row |= {"state": "planned", "versions_before": {}, "versions_after": {}}
    return row


def unit_values(event: model.Event) -> dict[str, t.Any]:
    """What an event changes in its unit's row."""
    forward = event.direction == "forward"
    values: dict[str, t.Any] = {}
    if event.kind == "started":
        values = {"ended_at": None, "phase": None, "phase_at": None}
        if forward:
            values |= {"started_at": event.at, "seconds": None, "error": None, "error_phase": None}
            values |= {"left_how": None, "hint": None, "state": "running"}
    elif event.kind == "phase" and event.status == "started":
        values = {"phase": event.phase, "phase_at": event.at}
    elif event.kind == "state" and event.state is not None:
        values = {"state": event.state}
    elif event.kind in ("failed", "unreachable"):
        # A server that undid the change by itself has already said so.
        back = units.c.state.in_(sorted(model.BACK))
        values = {"state": sa.case((back, units.c.state), else_=event.kind), "ended_at": event.at}
        if event.message:
            # The first failure is the cause; what fails after it is a consequence.
            values["error"] = sa.func.coalesce(units.c.error, event.message)
            values["error_phase"] = sa.func.coalesce(units.c.error_phase, event.phase)
            values["left_how"] = sa.func.coalesce(units.c.left_how, event.left)
            values["hint"] = sa.func.coalesce(units.c.hint, event.hint)
    elif event.kind == "withheld":
        values = {"state": "withheld"}
    elif event.kind == "finished":
        values = {"ended_at": event.at}
        if event.status == "completed":
            values["phase"] = None
            if forward:  # whatever its driver calls that, it is where it should be
                values["state"] = sa.case((units.c.state == "retired", "retired"), else_="live")
    if event.changed:
        values["changed"] = True
    if event.freeze_seconds is not None and (forward or event.kind == "phase"):
        values["freeze_seconds"] = event.freeze_seconds
    if forward:
        values |= {f"versions_{side}": dict(apps) for side, apps in event.versions.items()}
    return values


def of_event(deployment_id: str, event: model.Event) -> dict[str, t.Any]:
    """An event as a row of the ledger's table."""
    return {
        "deployment_id": deployment_id,
        "at": event.at,
        "kind": event.kind,
        "level": messages.level(event),
        "unit": event.unit,
        "phase": event.phase,
        "status": event.state if event.kind == "state" else event.status,
        "seq": event.seq,
        "seconds": event.seconds,
        "message": messages.text(event),
        "detail": dict(event.detail),
    }
