# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ledger's rows from what the servers' own records say.

A record is a mapping per unit with ``unit``, ``driver``, ``server``, ``bench``, ``site``, ``project``,
``environment``, ``journals`` and, where it is known, ``manifest``: the manifest of its server, whose
``deployment_history`` says who deployed. ``journals`` are the unit's journals, the one of now and those of its history,
as they are on the server (``deployment_id``, ``status``, ``opened``, ``closed``, ``data``, ``steps``) or as modules
report them (``events``, ``versions``).
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, model, observe
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.journaled import Part, status_of
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.rows import of_event

_Record = t.Mapping[str, t.Any]


@dataclasses.dataclass
class Rows:
    """Rows to add, by table."""

    deployments: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    units: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    phases: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    events: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)


def rows(records: t.Iterable[_Record]) -> Rows:
    """The rows that records stand for; what isn't a usable record is left out."""
    found = Rows()
    parts: dict[str, list[tuple[_Record, _Record]]] = collections.defaultdict(list)
    known_by: dict[str, _Record] = {}
    for record in records:
        known_by |= _from_manifest(record.get("manifest"))
        for journal in record.get("journals") or []:
            if isinstance(journal, dict) and fields.is_identifier(journal.get("deployment_id")) and record.get("unit"):
                parts[journal["deployment_id"]].append((record, journal))
    for deployment_id, units in sorted(parts.items()):
        found.deployments.append(_deployment(deployment_id, units, known_by.get(deployment_id, {})))
        for position, (record, journal) in enumerate(units):
            _add_unit(found, deployment_id, position, record, journal)
    return found


def _from_manifest(manifest: object) -> dict[str, _Record]:
    history = manifest.get("deployment_history") if isinstance(manifest, dict) else None
    return {
        entry["deployment_id"]: entry
        for entry in history or []
        if isinstance(entry, dict) and isinstance(entry.get("deployment_id"), str)
    }


def _deployment(deployment_id: str, units: t.Sequence[tuple[_Record, _Record]], entry: _Record) -> dict[str, t.Any]:
    started = [at for _record, journal in units if (at := _time(journal.get("opened")))]
    ended = [at for _record, journal in units if (at := _time(journal.get("closed")))]
    status = status_of([Part(record.get("site"), str(journal.get("status"))) for record, journal in units])
    first, last = min(started, default=None), max(ended, default=None)
    over = last if status != "in_progress" else None
    return {
        "id": deployment_id,
        "project": _first(units, "project"),
        "environment": _first(units, "environment"),
        "status": status,
        "planned_at": first,
        "started_at": first,
        "ended_at": over,
        "duration_seconds": model.seconds_between(first, over),
        "deployed_by": fields.scrub(entry["deployed_by"]) if entry.get("deployed_by") else None,
        "apps": [],
        "stages": [],
        "options": {},
        "last_event_at": last or first,
    }


def _add_unit(found: Rows, deployment_id: str, position: int, record: _Record, journal: _Record) -> None:
    observer = observe.Observer()
    name = str(record["unit"])
    observer.play("forward", [name])
    reported = {"unit": name, "deployment_id": deployment_id, "events": _steps(journal)}
    happened = [event for event in observer.result(name, {"lockstep": reported}) if event.kind == "phase"]
    opened, closed = _time(journal.get("opened")), _time(journal.get("closed"))
    versions = _data(journal, "versions")
    versions = versions if isinstance(versions, dict) else {}
    state = str(journal.get("status"))
    row: dict[str, t.Any] = {"deployment_id": deployment_id, "name": name, "position": position}
    row |= {key: str(record[key]) if record.get(key) else None for key in ("driver", "server", "bench", "site")}
    row |= {
        "depends_on": [],
        "apps": [],
        "state": state if state in model.STATES else "running",
        "changed": True,
        "started_at": opened,
        "ended_at": closed,
        "seconds": model.seconds_between(opened, closed) if state in model.DONE else None,
        "freeze_seconds": next((event.freeze_seconds for event in happened if event.freeze_seconds is not None), None),
        "versions_before": fields.allowed_versions(versions.get("before")),
        "versions_after": fields.allowed_versions(versions.get("after")),
    }
    found.units.append(row)
    for event in happened:
        found.phases.append(_phase(deployment_id, event))
        found.events.append(of_event(deployment_id, event))


def _phase(deployment_id: str, event: model.Event) -> dict[str, t.Any]:
    ended = event.status != "started"
    return {
        "deployment_id": deployment_id,
        "unit": event.unit,
        "direction": event.direction,
        "phase": event.phase,
        "status": event.status,
        "started_at": event.began if ended else event.at,
        "ended_at": event.at if ended else None,
        "seconds": event.seconds,
        "detail": dict(event.detail),
    }


def _first(units: t.Sequence[tuple[_Record, _Record]], name: str) -> str:
    """What the first record or journal that knows it says."""
    found = (record.get(name) or _data(journal, name) for record, journal in units)
    return fields.scrub(next((value for value in found if value), ""))


def _data(journal: _Record, name: str) -> t.Any:
    """What belongs to a whole journal, wherever it stands in it."""
    data = journal.get("data")
    return journal.get(name) or (data.get(name) if isinstance(data, dict) else None)


def _steps(journal: _Record) -> list[t.Any]:
    """The steps of a journal as modules report them."""
    events, steps = journal.get("events"), journal.get("steps")
    if isinstance(events, list):
        return events
    raw = steps if isinstance(steps, list) else []
    return [{**step, "detail": step.get("result")} for step in raw if isinstance(step, dict)]


def _time(value: object) -> str | None:
    found = model.moment(value)
    return model.timestamp(found) if found else None
