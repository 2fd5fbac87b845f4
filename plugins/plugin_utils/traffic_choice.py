# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose traffic a run of ``playbooks/traffic.yml`` moves, and what came of it."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import account, site_choice
from ansible_collections.lockstep.deploy.plugins.plugin_utils.names import split_names
from ansible_collections.lockstep.deploy.plugins.plugin_utils.site_choice import ALL, Records

RENDERED = "rendered"
STATES = ("stopped", "maintenance", "live", RENDERED)
TRAFFIC = "ansible-playbook lockstep.deploy.traffic"


def choose(state: str, sites: t.Any, allow: t.Any, units: Records) -> dict[str, t.Any]:
    """Choose the units that a run acts on.

    Args:
        state: What the user asks for.
        sites: Names of sites or of their units; ``all`` for every one. See :func:`site_choice.choose`.
        allow: Addresses that get in, listed in the same way.
        units: By unit ``server``, ``bench`` (name) and ``site`` (name; None for the unit of a bench).

    Returns:
        ``units``; ``named``, whether each of them was named; ``allow``, ``by`` (who asks) and ``problem``, a sentence
        where there is nothing to act on.
    """
    known = {name: str(unit["site"]) for name, unit in units.items() if unit["site"]}
    choice = site_choice.choose(sites, known)
    chosen = choice.units
    if state == RENDERED:
        places = {_place(units[name]) for name in chosen}
        benches = {name: unit for name, unit in units.items() if not unit["site"]}
        chosen = [name for name, unit in benches.items() if not choice.given or _place(unit) in places]
    try:
        addresses, wrong = list(dict.fromkeys(split_names(allow))), ""
    except ValueError as error:
        addresses, wrong = [], f"allow: {error}. Nothing was changed."
    problem = _problem(state, choice, len(known)) or wrong
    return {
        "units": [] if problem else chosen,
        "named": choice.named,
        "allow": addresses,
        "by": account.name(),
        "problem": problem,
    }


def _place(unit: t.Mapping[str, t.Any]) -> tuple[str, str]:
    return unit["server"], unit["bench"]


def _problem(state: str, choice: site_choice.Choice, count: int) -> str:
    if state not in STATES:
        said = f"{state!r} is no state" if state else "no state is given"
        return f"{said}: -e state={'|'.join(STATES)}"
    if not choice.given and state != RENDERED:
        # Everything at once is too much to be what somebody gets who forgot to say what.
        return f"Say which sites: -e sites=SITE,SITE, or -e sites={ALL} for all {count:,} of this deployment file."
    return choice.problem


def tell(units: t.Sequence[str], records: Records, state: str, check: bool = False) -> dict[str, t.Any]:
    """Say what became of every unit.

    Args:
        units: The chosen units.
        records: By unit what the module returned (``traffic`` or ``drift``, ``changed``), or ``error``.
        state: What was asked for.
        check: Whether nothing was to be changed.

    Returns:
        ``lines`` for people, ``failed`` (units) and ``msg``, all failures in one text.
    """
    given = site_choice.reports(units, records)
    told = {unit: _told(unit, record, check) for unit, record in given.items()}
    failed = {unit: error for unit, (error, _line) in told.items() if error}
    changed = sum(bool(record.get("changed")) for unit, record in given.items() if unit not in failed)
    what = "would change" if check else "changed"
    counts = f"{len(units) - len(failed)} of {len(units)} are as asked for, {changed} {what}"
    lines = [f"Traffic {state}: {counts}{f', {len(failed)} failed' if failed else ''}"]
    lines += [f"  {'x' if error else '-'} {unit}: {error or line}" for unit, (error, line) in told.items()]
    return {"lines": lines, "failed": list(failed), "msg": site_choice.together(failed)}


def _told(unit: str, record: t.Mapping[str, t.Any], check: bool) -> tuple[str, str]:
    """Why a unit is not as asked for, and if it is, what it is."""
    error = site_choice.failure(unit, record)
    if error:
        return error, ""
    drift = record.get("drift")
    if drift is None:
        return "", describe(record["traffic"])
    if check and drift["by_hand"] and not record.get("force"):
        return f"{drift['message']}: it would be left as it is. With force=true it would be overwritten", ""
    done = "would be written anew" if check else "was written anew"
    return "", f"nginx's file {done}: {drift['message']}" if record["changed"] else "nginx serves what the records say"


def describe(traffic: t.Mapping[str, t.Any]) -> str:
    """What visitors of a site get, and who said so, in a few words."""
    parts = [str(traffic["state"])]
    if traffic.get("since"):
        parts.append(f"since {traffic['since'][:16].replace('T', ' ')} UTC")
    if traffic.get("by"):
        parts.append(f"by {traffic['by']}")
    if traffic.get("reason"):
        parts.append(f"({traffic['reason']})")
    if traffic.get("allowed"):
        parts.append(f"but for {', '.join(traffic['allowed'])}")
    text = " ".join(parts)
    if traffic.get("paused") is not None:
        text += f"; its share of {traffic['paused']} % is paused: nothing is judged until it is live again"
    return text
