# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose traffic a run of ``playbooks/traffic.yml`` moves, and what came of it."""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import account

RENDERED = "rendered"
STATES = ("stopped", "maintenance", "live", RENDERED)
ALL = "all"
TRAFFIC = "ansible-playbook lockstep.deploy.traffic"

Records = t.Mapping[str, t.Mapping[str, t.Any]]


def names(given: t.Any) -> list[str]:
    """What a user lists, as a list or as a text with spaces or commas, each once."""
    found = re.split(r"[\s,]+", given) if isinstance(given, str) else [str(name) for name in given or []]
    return list(dict.fromkeys(name for name in found if name))


def choose(state: str, sites: t.Any, allow: t.Any, units: Records) -> dict[str, t.Any]:
    """Choose the units that a run acts on.

    Args:
        state: What the user asks for.
        sites: Names of sites or of their units; ``all`` for every one. See :func:`names`.
        allow: Addresses that get in, listed in the same way.
        units: By unit ``server``, ``bench`` (name) and ``site`` (name; None for the unit of a bench).

    Returns:
        ``units``, ``allow``, ``by`` (who asks) and ``problem``, a sentence where there is nothing to act on.
    """
    wanted = names(sites)
    known = {name: unit for name, unit in units.items() if unit["site"]}
    chosen = [name for name, unit in known.items() if wanted == [ALL] or {name, unit["site"]} & set(wanted)]
    problem = _problem(state, wanted, known)
    if state == RENDERED:
        places = {_place(known[name]) for name in chosen}
        chosen = [name for name, unit in units.items() if not unit["site"] and (not wanted or _place(unit) in places)]
    found = [] if problem else chosen
    return {"units": found, "allow": names(allow), "by": account.name(), "problem": problem}


def _place(unit: t.Mapping[str, t.Any]) -> tuple[str, str]:
    return unit["server"], unit["bench"]


def _problem(state: str, wanted: t.Sequence[str], known: Records) -> str:
    if state not in STATES:
        said = f"{state!r} is no state" if state else "no state is given"
        return f"{said}: -e state={'|'.join(STATES)}"
    if not wanted and state != RENDERED:
        # Everything at once is too much to be what somebody gets who forgot to say what.
        return f"Say which sites: -e sites=SITE,SITE, or -e sites={ALL} for all {len(known):,} of this deployment file."
    there = {*known, *(unit["site"] for unit in known.values())}
    unknown = [name for name in wanted if name not in there and wanted != [ALL]]
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown[0], sorted(there), 1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return f"The deployment file has no site {', '.join(unknown)}.{meant} Nothing was changed."


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
    told = {unit: _told(unit, records.get(unit) or {}, check) for unit in units}
    failed = {unit: error for unit, (error, _line) in told.items() if error}
    changed = sum(bool((records.get(unit) or {}).get("changed")) for unit in units if unit not in failed)
    what = "would change" if check else "changed"
    counts = f"{len(units) - len(failed)} of {len(units)} are as asked for, {changed} {what}"
    lines = [f"Traffic {state}: {counts}{f', {len(failed)} failed' if failed else ''}"]
    lines += [f"  {'x' if error else '-'} {unit}: {error or line}" for unit, (error, line) in told.items()]
    causes: dict[str, list[str]] = {}
    for unit, error in failed.items():
        causes.setdefault(error, []).append(unit)
    msg = " | ".join(f"{', '.join(where)}: {error}" for error, where in causes.items())
    return {"lines": lines, "failed": list(failed), "msg": msg}


def _told(unit: str, record: t.Mapping[str, t.Any], check: bool) -> tuple[str, str]:
    """Why a unit is not as asked for, and if it is, what it is."""
    if record.get("error") or not record:
        error = str(record.get("error") or "nothing is known of it: its server was not asked")
        return error.removeprefix(f"{unit}: "), ""
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
    return " ".join(parts)
