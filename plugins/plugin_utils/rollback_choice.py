# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which deployment is taken back, and on which units: from what the servers said of themselves."""

from __future__ import annotations

import re
import typing as t

LAST = "last"

Known = t.Mapping[str, t.Mapping[str, t.Any]]


def choose(
    known: Known, depends_on: t.Mapping[str, t.Sequence[str]], deployment_id: str, only: t.Any, manual: bool
) -> dict[str, t.Any]:
    """Choose what a rollback acts on.

    Args:
        known: What each server knows of a unit: ``journal`` with ``deployment_id`` and ``status``, and ``site``.
        depends_on: Units by unit.
        deployment_id: The deployment, or ``last``; empty to be told which there are.
        only: Names of units, as a list or a text with spaces or commas; empty for all.
        manual: Whether a unit goes back although units that depend on it don't.

    Returns:
        ``deployment_id``, ``units`` (``name``, ``site``, ``depends_on``), ``lines`` for people, and ``problem``, a
        sentence where there is nothing to act on.
    """
    found = _by_deployment(known)
    wanted = max(found, default="") if deployment_id == LAST else deployment_id
    chosen = _names(only)
    units = [name for name in found.get(wanted, []) if not chosen or name in chosen]
    return {
        "deployment_id": wanted,
        "units": [
            {"name": name, "site": known[name].get("site"), "depends_on": list(depends_on.get(name, ()))}
            for name in units
        ],
        "lines": _lines(found, known, wanted, units),
        "problem": _problem(found, wanted, units, chosen, depends_on, manual),
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


def _names(only: t.Any) -> list[str]:
    return [name for name in re.split(r"[\s,]+", only) if name] if isinstance(only, str) else list(only)


def _lines(found: t.Mapping[str, list[str]], known: Known, wanted: str, units: t.Sequence[str]) -> list[str]:
    if wanted in found:
        return [f"Taking back deployment {wanted} on {', '.join(units) or 'no unit'}."]
    lines = ["Deployments that can be taken back, the newest first:"]
    for deployment in sorted(found, reverse=True):
        states = ", ".join(f"{name} ({_in_force(known[name]).get('status')})" for name in found[deployment])
        lines.append(f"  {deployment}: {states}")
    return lines if found else ["No server knows of a deployment."]


def _problem(
    found: t.Mapping[str, list[str]],
    wanted: str,
    units: t.Sequence[str],
    chosen: t.Sequence[str],
    depends_on: t.Mapping[str, t.Sequence[str]],
    manual: bool,
) -> str:
    if not wanted:
        return "Say which deployment to take back: -e deployment_id=ID, or deployment_id=last."
    if wanted not in found:
        return f"No unit's newest deployment is {wanted}."
    if not units:
        return f"Deployment {wanted} did nothing to {', '.join(chosen)}."
    left = {
        name: [one for one in found[wanted] if one not in units and name in depends_on.get(one, ())] for name in units
    }
    for name, dependents in left.items():
        if dependents and not manual:
            return (
                f"{name} can't go back alone: {', '.join(dependents)} depend on it and were deployed along. "
                "Take them back, too, or say manual=true."
            )
    return ""
