# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which deployment is taken back, and on which units: from what the servers said of themselves.

A server that says nothing may be on any deployment, so its units are never silently left out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.names import split_names

LAST = "last"

_LISTED = 10

Status = t.Mapping[str, t.Any]
Known = t.Mapping[str, t.Mapping[str, t.Any]]
DependsOn = t.Mapping[str, t.Sequence[str]]


def choose(
    statuses: t.Mapping[str, Status], depends_on: DependsOn, deployment_id: str, only: t.Any, manual: bool
) -> dict[str, t.Any]:
    """Choose what a rollback acts on.

    Args:
        statuses: The fact ``lockstep_status`` of every unit whose server was asked: ``info`` with ``journal``,
            ``journals`` and ``site``, empty where nothing is known; then ``server``, ``unreachable``, ``error``.
        depends_on: Units by unit.
        deployment_id: The deployment, or ``last``; empty to be told which there are.
        only: Names of units, as a list or a text with spaces or commas; empty for all.
        manual: Whether a unit goes back although units that depend on it don't.

    Returns:
        ``deployment_id``, ``units`` to take back (``name``, ``site``, ``depends_on``), ``unknown``, by unit a record
        for the verdict of those that nothing is known of, ``lines`` for people, and ``problem``, a sentence where
        there is nothing to act on.
    """
    known = {name: status["info"] for name, status in statuses.items() if status.get("info")}
    try:
        chosen = split_names(only)
    except ValueError as error:
        return {"deployment_id": "", "units": [], "unknown": {}, "lines": [], "problem": f"only: {error}."}
    unknown = {
        name: _why(status) for name, status in statuses.items() if name not in known and (not chosen or name in chosen)
    }
    found = _by_deployment(known)
    wanted = _newest(found, chosen, unknown) if deployment_id == LAST else deployment_id
    units = [name for name in found.get(wanted, []) if not chosen or name in chosen]
    problem = (
        _unclear(deployment_id, wanted, unknown)
        or _nothing_to_do(found, wanted, units, chosen, unknown)
        or _left_behind(units, found.get(wanted, ()), unknown, depends_on, manual)
    )
    return {
        "deployment_id": wanted,
        "units": [
            {"name": name, "site": known[name].get("site"), "depends_on": list(depends_on.get(name, ()))}
            for name in units
        ],
        "unknown": {name: {"state": "unreachable", "reason": reason} for name, reason in unknown.items()},
        "lines": _lines(found, known, wanted, units, unknown),
        "problem": problem,
    }


def _by_deployment(known: Known) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, record in known.items():
        journal = _in_force(record)
        if journal.get("deployment_id"):
            found.setdefault(str(journal["deployment_id"]), []).append(name)
    return found


def _in_force(record: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """The deployment a unit is on: the newest that was not taken back, else the newest."""
    journals: list[t.Mapping[str, t.Any]] = [*(record.get("journals") or []), record.get("journal") or {}]
    standing = [journal for journal in journals if journal.get("deployment_id") and journal.get("status") != "restored"]
    return standing[-1] if standing else journals[-1]


def _why(status: Status) -> str:
    """Why nothing is known of a unit."""
    if status.get("unreachable"):
        return f"server {status.get('server')} can't be reached"
    said = " ".join(str(status.get("error") or "nothing").split()).rstrip(".")
    return f"server {status.get('server')} says: {said}"


def _newest(found: t.Mapping[str, list[str]], chosen: t.Sequence[str], unknown: t.Collection[str]) -> str:
    """The newest deployment of the units that were asked for; empty while any of them may be on a newer one."""
    asked = [deployment for deployment, names in found.items() if not chosen or not set(chosen).isdisjoint(names)]
    return "" if unknown else max(asked, default="")


def _lines(
    found: t.Mapping[str, list[str]],
    known: Known,
    wanted: str,
    units: t.Sequence[str],
    unknown: t.Mapping[str, str],
) -> list[str]:
    if wanted in found:
        left_out = [f"{line}. They are not taken back now; the verdict says how." for line in _of_unknown(unknown)]
        return [f"Taking back deployment {wanted} on {', '.join(units) or 'no unit'}.", *left_out]
    lines = ["Deployments that can be taken back, the newest first:"] if found else ["No server knows of a deployment."]
    for deployment in sorted(found, reverse=True):
        states = ", ".join(f"{name} ({_in_force(known[name]).get('status')})" for name in found[deployment])
        lines.append(f"  {deployment}: {states}")
    return lines + [f"{line}." for line in _of_unknown(unknown)]


def _of_unknown(unknown: t.Mapping[str, str]) -> list[str]:
    """One phrase for each reason, since a server that is down takes all its units along."""
    return [
        f"Nothing is known of {_some([name for name in unknown if unknown[name] == reason])}: {reason}"
        for reason in dict.fromkeys(unknown.values())
    ]


def _some(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _unclear(deployment_id: str, wanted: str, unknown: t.Mapping[str, str]) -> str:
    """Why it can't be said which deployment is meant."""
    if not deployment_id:
        return "Say which deployment to take back: -e deployment_id=ID, or deployment_id=last."
    if wanted:
        return ""
    if not unknown:
        return "No deployment of these units is known."
    return (
        f"Which deployment was the last can't be told. {'. '.join(_of_unknown(unknown))}. "
        "An explicit -e deployment_id=ID goes on with the other units, and ends as partially rolled back; "
        "-e only=UNITS and --limit leave units out."
    )


def _nothing_to_do(
    found: t.Mapping[str, list[str]],
    wanted: str,
    units: t.Sequence[str],
    chosen: t.Sequence[str],
    unknown: t.Mapping[str, str],
) -> str:
    if units:
        return ""
    if unknown:
        return f"No unit that is known of can be taken back from {wanted}. {'. '.join(_of_unknown(unknown))}."
    if wanted not in found:
        return f"No unit's newest deployment is {wanted}."
    return f"Deployment {wanted} did nothing to {', '.join(chosen)}."


def _left_behind(
    units: t.Sequence[str],
    deployed: t.Sequence[str],
    unknown: t.Collection[str],
    depends_on: DependsOn,
    manual: bool,
) -> str:
    """Why units can't go back: others that depend on them would stay, or may be on the deployment as well."""
    if manual:
        return ""
    for name in units:
        staying = [one for one in deployed if one not in units and name in depends_on.get(one, ())]
        if staying:
            return (
                f"{name} can't go back alone: {', '.join(staying)} depend on it and were deployed along. "
                "Take them back, too, or say manual=true."
            )
        unsure = [one for one in unknown if name in depends_on.get(one, ())]
        if unsure:
            return (
                f"{name} can't go back alone: {_some(unsure)} depend on it, and nothing is known of them. "
                "Take them back, too, when their servers answer again, or say manual=true."
            )
    return ""
