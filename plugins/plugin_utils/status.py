# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the servers' records say, put together for people: what is live, what is half-done, what to do next.

Pure: the records of units go in as the module ``unit_info`` returns them, a report comes out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import status_issues
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.journaled import Part, status_of
from ansible_collections.lockstep.deploy.plugins.plugin_utils.status_issues import again

Record = t.Mapping[str, t.Any]

_HISTORY = 10
_BACKUPS = 5
_PROGRESS = (
    "current_stage",
    "progress_percentage",
    "sites_completed",
    "sites_pending",
    "sites_failed",
    "estimated_completion",
    "active_tasks",
    "recent_logs",
)


def report(
    records: t.Iterable[Record],
    *,
    now: str,
    progress: Record | None = None,
    statistics: Record | None = None,
    history: bool = False,
    rollback_options: bool = False,
) -> dict[str, t.Any]:
    """Everything there is to say.

    Args:
        records: One per unit: ``unit``, ``server`` and ``info`` as the module returned it, or ``error`` why there is
            none, with ``unreachable`` where the server did not answer.
        now: The time, RFC 3339 in UTC.
        progress: What the ledger of this controller says of its newest deployment, if it has one.
        statistics: What it says of all.
        history: Whether to list the last deployments.
        rollback_options: Whether to list what each unit can go back to.

    Returns:
        A mapping for JSON, with the names of SPEC.md (J3).
    """
    given = list(records)
    known = [{"server": record.get("server"), **record["info"]} for record in given if record.get("info")]
    units = [_unit(record, now) for record in given]
    newest = newest_deployment(known)
    issues = status_issues.find(given, units, now)
    found = {
        "timestamp": now,
        "units": units,
        "deployment_id": newest,
        "deployment_status": _status(known, newest),
        **_progress(known, newest, progress, now),
        "retained": _retained(known, now),
        "issues": [issue.text for issue in issues],
        "recommended_actions": list(dict.fromkeys(issue.action for issue in issues)),
        "unreachable": sorted({str(record["server"]) for record in given if record.get("unreachable")}),
        "statistics": dict(statistics) if statistics else None,
    }
    if history:
        found["history"] = deployments(known)
    if rollback_options:
        found["rollback_options"] = [option for record in known for option in ways_back(record)]
    return found


def _retained(known: t.Iterable[Record], now: str) -> list[dict[str, t.Any]]:
    """Releases that no site needs and that are kept running for a way back; ``over`` if their time is."""
    return [
        {
            "unit": record["unit"],
            "server": record["server"],
            "release": release,
            "until": until,
            "over": not model.seconds_between(now, until),
        }
        for record in known
        for release, until in (record.get("retained") or {}).items()
    ]


def newest_deployment(known: t.Iterable[Record]) -> str | None:
    """The deployment that began last on any unit."""
    begun = [
        (journal["opened"], journal["deployment_id"]) for record in known for journal in record.get("journals") or []
    ]
    return max(begun)[1] if begun else None


def deployments(known: t.Iterable[Record]) -> list[dict[str, t.Any]]:
    """The last ten deployments that any server remembers, the newest first."""
    found: dict[str, dict[str, t.Any]] = {}
    parts: dict[str, list[Part]] = {}
    for record in known:
        for journal in record.get("journals") or []:
            entry = found.setdefault(journal["deployment_id"], _entry(journal["deployment_id"]))
            entry["started_at"] = min(at for at in (entry["started_at"], journal["opened"]) if at)
            entry["units"][record["unit"]] = journal["status"]
            part = Part(record.get("site"), str(journal["status"]))
            parts.setdefault(journal["deployment_id"], []).append(part)
        for past in (record.get("manifest") or {}).get("deployment_history") or []:
            entry = found.setdefault(past["deployment_id"], _entry(past["deployment_id"]))
            entry.update({name: past.get(name) for name in ("version", "deployed_at", "deployed_by", "git_sha")})
            entry["units"].setdefault(record["unit"], "live")
    for deployment_id, entry in found.items():
        # Journals are kept for a shorter time than the manifest's entries, which are written when a unit went live.
        entry["status"] = status_of(parts.get(deployment_id) or [Part(None, "live")])
    return sorted(found.values(), key=lambda entry: str(entry["deployment_id"]), reverse=True)[:_HISTORY]


def ways_back(record: Record) -> list[dict[str, t.Any]]:
    """What a unit can go back to: the release before its last deployment, and its backups, the newest first.

    ``since`` is when users' writes were let in again, or when the backup was taken: later writes are at stake.
    """
    way = record.get("way_back")
    found = []
    if way:
        found.append(
            {
                "unit": record["unit"],
                "deployment_id": way["deployment_id"],
                "backup": None,
                "release": way["release"],
                "versions": way["versions"] or {},
                "since": way["thawed_at"],
                "possible": bool(way["on_disk"]),
                "meaning": _meaning(record, way),
                "command": again(way["deployment_id"], record["unit"]),
            }
        )
    backups = list(reversed(record.get("backups") or []))
    return [*found, *(_backup(record, backup) for backup in backups[:_BACKUPS])]


def _meaning(record: Record, way: Record) -> str:
    if not way["on_disk"]:
        return f"release {way['release']} is no longer on the server, so there is nothing to go back to"
    if not way["thawed_at"]:
        return "its users have written nothing since: it goes back fully"
    journal = record.get("journal") or {}
    kept = f" (kept when that was tried: {journal.get('reason')})" if journal.get("status") == "kept" else ""
    if not way["backup"]:
        return f"in code and traffic alone, if the migration only added things: no backup was taken{kept}"
    return (
        "fully, if no table that the migration touched was written since; in code alone, if the migration only added "
        f"things; else only with -e rollback_data=true, which loses what was written{kept}"
    )


def _backup(record: Record, backup: Record) -> dict[str, t.Any]:
    """A backup is taken by a deployment, and gone back to by undoing that one with its data."""
    way = record.get("way_back") or {}
    newest = way.get("deployment_id") == backup["deployment_id"]
    if not newest:
        meaning = f"no deployment that can be taken back began with it; what it holds is in {backup['folder']}"
    elif not backup["on_disk"]:
        meaning = f"its release {backup['release']} is no longer on the server; what it holds is in {backup['folder']}"
    else:
        meaning = "database and files as they were then; what was written since is lost"
    return {
        "unit": record["unit"],
        "deployment_id": None,
        "backup": backup["deployment_id"],
        "release": backup["release"],
        "versions": {},
        "since": backup["taken_at"],
        "possible": newest and bool(backup["on_disk"]),
        "meaning": meaning,
        "command": again(None, record["unit"], "-e", f"backup={backup['deployment_id']}"),
    }


def _unit(record: Record, now: str) -> dict[str, t.Any]:
    info = record.get("info")
    base = {"unit": record["unit"], "server": record.get("server")}
    if not info:
        state = "unreachable" if record.get("unreachable") else "unknown"
        return {**base, "state": state, "error": record.get("error") or "nothing was found out"}
    journal = info.get("journal") or {}
    return {
        **base,
        "driver": info["driver"],
        "bench": info.get("bench"),
        "site": info.get("site"),
        "release": info.get("release"),
        "apps": info.get("apps") or {},
        "since": info.get("since"),
        "deployment_id": info.get("deployment_id"),
        "state": state_of(info),
        "split": info.get("split"),
        "watch": info.get("watch"),
        "last_deployment": {name: journal.get(name) for name in ("deployment_id", "status", "phase", "reason")},
    }


def state_of(info: Record) -> str:
    """What a unit is, in a word or two."""
    journal = info.get("journal")
    if journal and journal["open"]:
        return _open_state(info, journal)
    if not info.get("adopted"):
        return "not adopted"
    traffic = info.get("traffic") or {}
    if traffic.get("state") == "stopped":
        return "stopped"
    if info.get("closed") or info.get("maintenance"):
        return "in maintenance"
    return str(journal["status"]) if journal else "adopted"


def _open_state(info: Record, journal: Record) -> str:
    if journal["at_work"]:
        return f"at work: {journal['phase'] or 'beginning'}"
    if journal["status"] == "failed":
        return "rollback failed"
    lock = info.get("lock") or {}
    ours = lock.get("owner") == journal["deployment_id"] and not lock.get("expired")
    # A step that began and that nobody works on died with its process; between two steps there is no process to see.
    if ours and journal["phase_status"] == "completed":
        return f"between steps: {journal['phase']} is done"
    return f"half-done: {journal['phase'] or 'nothing'} {journal['phase_status'] or 'began'}"


def _progress(known: t.Sequence[Record], newest: str | None, progress: Record | None, now: str) -> dict[str, t.Any]:
    """How far the newest deployment is: by the ledger if it knows it, and in any case by the records of its units."""
    part = [record for record in known if newest and (record.get("journal") or {}).get("deployment_id") == newest]
    running = [record for record in part if record["journal"]["open"]]
    if progress and newest and progress.get("deployment_id") == newest:
        found = {name: progress.get(name) for name in _PROGRESS}
    else:
        # Without the ledger nobody knows how many units were planned: only an end is certain.
        found = dict.fromkeys(_PROGRESS)
        found.update(current_stage=_stage(newest, running), recent_logs=[])
        found.update(progress_percentage=100 if newest and not running else None)
    tasks = [
        {"unit": record["unit"], "phase": journal["phase"], "seconds": model.seconds_between(journal["phase_at"], now)}
        for record in running
        for journal in [record["journal"]]
        if journal["at_work"]
    ]
    return {**found, **_sites(part, found), "active_tasks": tasks}


def _sites(part: t.Sequence[Record], told: Record) -> dict[str, list[str]]:
    """The sites of a deployment by what became of them; their own records win over what was told."""
    found: dict[str, list[str]] = {"sites_completed": [], "sites_pending": [], "sites_failed": []}
    for record in part:
        if record.get("site"):
            status = record["journal"]["status"]
            gone = "sites_failed" if status in ("restored", "kept", "failed") else "sites_pending"
            found["sites_completed" if status in model.DONE else gone].append(record["site"])
    seen = {site for sites in found.values() for site in sites}
    for name, sites in found.items():
        sites += [site for site in told[name] or [] if site not in seen]
    return found


def _stage(newest: str | None, running: t.Sequence[Record]) -> str | None:
    if newest is None:
        return None
    return ", ".join(f"{record['journal']['phase']} of {record['unit']}" for record in running) or "done"


def _status(known: t.Sequence[Record], newest: str | None) -> str | None:
    return next((entry["status"] for entry in deployments(known) if entry["deployment_id"] == newest), None)


def _entry(deployment_id: str) -> dict[str, t.Any]:
    names = ("version", "started_at", "deployed_at", "deployed_by", "git_sha", "status")
    return {"deployment_id": deployment_id, **dict.fromkeys(names), "units": {}}
