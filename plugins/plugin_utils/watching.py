# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sites are watched after a deployment, who waits for which of them, and what came of it, for people."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import rollback_choice
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.plan_render import duration

WATCH = "ansible-playbook lockstep.deploy.watch"

#: How a watch may end that says nothing against the release (``_frappe.watch_record``), and what that means.
_STAYS = {
    "passed": "every rule was satisfied at the end",
    "inconclusive": "too little to call it a pass, so it stays deployed without one",
    "ended": "its watch was ended",
    "superseded": "its watch ended",
}

Record = t.Mapping[str, t.Any]
Records = t.Mapping[str, Record]


def of_deployment(plan: Record, forward: Records, places: Records) -> dict[str, t.Any]:
    """What is watched after a deployment that has just completed.

    Args:
        plan: Its plan.
        forward: What each unit reported, as the fact ``lockstep_forward``.
        places: By unit ``server`` and ``bench``, the name of its bench.

    Returns:
        As :func:`of_records`.
    """
    deployment_id = plan["deployment_id"]
    units = [
        {name: unit[name] for name in ("name", "site", "depends_on")}
        for unit in plan["units"]
        if _was_moved(forward.get(unit["name"], {}), deployment_id)
    ]
    return _chosen(deployment_id, units, [unit["name"] for unit in units if unit["site"]], places)


def of_records(
    statuses: Records, depends_on: rollback_choice.DependsOn, places: Records, deployment_id: str
) -> dict[str, t.Any]:
    """What is watched of a deployment that servers know of.

    Args:
        statuses: The fact ``lockstep_status`` of every unit whose server was asked.
        depends_on: Units by unit.
        places: By unit ``server`` and ``bench``, the name of its bench.
        deployment_id: The deployment, or ``last``.

    Returns:
        ``deployment_id``; ``units``, all that it moved (``name``, ``site``, ``depends_on``); ``benches``, by one unit
        of each bench the sites of it that are watched (``unit``, ``site``); ``problem``, a sentence where there is
        nothing to watch.
    """
    found = rollback_choice.choose(statuses, depends_on, deployment_id, "", manual=True)
    newest = {name: (status.get("info") or {}).get("journal") or {} for name, status in statuses.items()}
    units = [unit for unit in found["units"] if newest[unit["name"]].get("deployment_id") == found["deployment_id"]]
    sites = [unit["name"] for unit in units if unit["site"] and newest[unit["name"]].get("status") in model.DONE]
    problem = found["problem"]
    if not problem and not sites:
        states = ", ".join(f"{unit['name']} {newest[unit['name']].get('status')}" for unit in units) or "none"
        problem = f"Deployment {found['deployment_id']} has completed no site that could be watched: {states}."
    return _chosen(found["deployment_id"], units, sites, places, problem)


def announced(choice: Record, lasts: float, forks: int) -> list[str]:
    """What people should know before a watch begins."""
    sites = [one["unit"] for group in choice["benches"].values() for one in group]
    under = f"under the rules of deployment {choice['deployment_id']}"
    after = "It is completed; this run ends after the watch, and takes it back if a rule says so."
    lines = [f"Watching {', '.join(sites)} for {duration(lasts)} {under}. {after}"]
    benches = len(choice["benches"])
    if benches > forks:
        late = "what happens on the others is heard of when the first ones have ended"
        lines.append(f"! {benches} benches are watched, and forks is {forks}: {late}. Raise forks.")
    return lines


def tell(choice: Record, heard: Records) -> dict[str, t.Any]:
    """Say what came of a watch.

    Args:
        choice: What was chosen, as :func:`of_records` returns it.
        heard: By the unit that waited for a bench ``watches``, what is on record by unit, and ``error`` why that is
            not known.

    Returns:
        ``failed``, reasons by unit; ``reason``, all of them in a sentence; ``unsure``, units of which nobody knows
        whether they do well; ``records``, by unit what a verdict has to know; ``lines`` for people.
    """
    failed: dict[str, str] = {}
    unsure: list[str] = []
    lines = []
    for speaker, sites in choice["benches"].items():
        for unit in (one["unit"] for one in sites):
            record = _record(heard.get(speaker) or {}, unit, choice["deployment_id"])
            if record["status"] == "failed":
                failed[unit] = _reasons(record)
            elif record["status"] not in _STAYS:
                unsure.append(unit)
            lines.append(_line(unit, record))
    return {
        "failed": failed,
        "reason": "; ".join(f"the watch of {unit}: {reason}" for unit, reason in failed.items()),
        "unsure": unsure,
        "records": {unit["name"]: _forward(unit["name"], choice, failed) for unit in choice["units"]},
        "lines": lines,
    }


def describe(record: Record) -> str:
    """A watch in a few words, for a status."""
    if record["status"] == "watching":
        return f"until {model.minute(record['until'])}"
    if record["status"] == "abandoned":
        return f"was to last until {model.minute(record['until'])}, but the process that watched is gone"
    ended = f"ended {model.minute(record['ended'])}, " if record.get("ended") else ""
    return f"{ended}{record['status']}: {_reasons(record)}"


def _chosen(
    deployment_id: str, units: list[dict[str, t.Any]], sites: t.Sequence[str], places: Records, problem: str = ""
) -> dict[str, t.Any]:
    by_name = {unit["name"]: unit for unit in units}
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for name in sites:
        place = places[name]
        key = (str(place["server"]), str(place["bench"]))
        groups.setdefault(key, []).append({"unit": name, "site": by_name[name]["site"]})
    benches = {group[0]["unit"]: group for group in groups.values()}
    return {"deployment_id": deployment_id, "units": units, "benches": benches, "problem": problem}


def _was_moved(record: Record, deployment_id: str) -> bool:
    return bool(record.get("changed")) and record.get("deployment_id") == deployment_id


def _record(heard: Record, unit: str, deployment_id: str) -> Record:
    """What is known of a unit's watch; that of another deployment says nothing."""
    found = (heard.get("watches") or {}).get(unit)
    if found and found.get("deployment_id") == deployment_id:
        return t.cast("Record", found)
    why = heard.get("error") or "nothing is on record"
    return {"status": "unknown", "reasons": [" ".join(str(why).split())]}


def _line(unit: str, record: Record) -> str:
    lasted = model.seconds_between(record.get("began"), record.get("ended"))
    watched = "" if lasted is None else f"watched for {duration(lasted)}, "
    if record["status"] == "failed":
        return f"{unit}: {watched}and its release has to be taken back: {_reasons(record)}"
    if record["status"] in _STAYS:
        return f"{unit}: {watched}{_STAYS[record['status']]}: {_reasons(record)}"
    said = describe(record) if record["status"] in ("watching", "abandoned") else _reasons(record)
    return f"{unit}: whether it does well is not known: {said}"


def _forward(unit: str, choice: Record, failed: t.Mapping[str, str]) -> dict[str, t.Any]:
    """A unit's record for a verdict: it is live, and may have failed since."""
    found: dict[str, t.Any] = {"state": "live", "deployment_id": choice["deployment_id"]}
    return {**found, "failed": True, "phase": "watch", "msg": failed[unit]} if unit in failed else found


def _reasons(record: Record) -> str:
    return "; ".join(str(one) for one in record.get("reasons") or ()) or "no reason is known"
