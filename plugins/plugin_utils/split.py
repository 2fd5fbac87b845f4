# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Visitors that two releases share: who is asked to end that, and both sides' figures for people."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import account, site_choice
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.model import minute
from ansible_collections.lockstep.deploy.plugins.plugin_utils.plan_render import duration, table
from ansible_collections.lockstep.deploy.plugins.plugin_utils.site_choice import ALL, Record, Records

ENDS = ("promote", "back")
SPLIT = "ansible-playbook lockstep.deploy.split"

_NONE = {
    "promote": "No share of any site's visitors is held",
    "back": "No share of any site's visitors rises or is held",
}
_SIDES = ("candidate", "live")
_NAMES = {"candidate": "new", "live": "old"}
_HEADER = ("Site", "Share", "Since", "Side", "Release", "Requests", "Errors", "p50", "p95", "p99")


def choose(end: str, sites: t.Any, reason: str, known: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Choose what a run does.

    Args:
        end: What becomes of the visitors, ``promote`` or ``back``; empty to look only.
        sites: Names of sites or of their units, ``all`` for every one; see :func:`site_choice.choose`. To look, none
            means all.
        reason: Why it is ended.
        known: Name of the site, by unit.

    Returns:
        ``units`` that are looked at; ``named``, whether each of them was named, so that it has to be held; ``by`` (who
        asks) and ``problem``, a sentence where nothing can be done.
    """
    choice = site_choice.choose(sites, known)
    problem = _problem(end, choice, reason)
    return {"units": [] if problem else choice.units, "named": choice.named, "by": account.name(), "problem": problem}


def _problem(end: str, choice: site_choice.Choice, reason: str) -> str:
    if end and end not in ENDS:
        return f"{end!r} is no end: -e end={'|'.join(ENDS)}"
    if end and not choice.given:
        # What is right for one site need not be for the next.
        return f"Say which sites: -e sites=SITE,SITE, or -e sites={ALL} for every one whose share can be ended so."
    if end and not reason.strip():
        return "Say why: -e \"reason='…'\""
    return choice.problem


def tell(units: t.Sequence[str], records: Records, end: str = "", check: bool = False) -> dict[str, t.Any]:
    """Say how visitors are shared out, and what became of that.

    Args:
        units: The units that were looked at.
        records: By unit ``split`` as the module ``site_split`` returned it; ``after``, the same when it had ended;
            ``asked``, whether it was asked to end; ``changed``; or ``error`` why nothing was found out or done.
        end: What was asked for; empty if nothing was.
        check: Whether nothing was to be changed.

    Returns:
        ``lines`` for people, ``failed`` (units) and ``msg``, all failures in one text.
    """
    given = site_choice.reports(units, records)
    failed = {unit: _error(unit, record, end, check) for unit, record in given.items()}
    failed = {unit: error for unit, error in failed.items() if error}
    shared = {unit: record["split"] for unit, record in given.items() if _is_shared(record)}
    asked = [unit for unit, record in given.items() if record.get("asked")]
    lines = _table(shared) if shared else [_nobody(len(given) - len(failed))]
    lines += [f"  ! {unit}: {text}" for unit, split in shared.items() for text in _remarks(split)]
    lines += [f"  - {unit}: {_became(given[unit], check)}" for unit in asked if unit not in failed]
    lines += [f"  x {unit}: {error}" for unit, error in failed.items()]
    lines += [] if end else list(_ways_out(shared))
    if end and not asked and not failed:
        return {"lines": lines, "failed": list(units), "msg": f"{_NONE[end]}; none was ended"}
    return {"lines": lines, "failed": list(failed), "msg": site_choice.together(failed)}


def _ways_out(shared: Records) -> t.Iterator[str]:
    """The commands that end shares, where somebody would hear of it."""
    for state, what, ends in (("held", "To end it", "promote|back"), ("rising", "To take all visitors back", "back")):
        units = [unit for unit, split in shared.items() if split["state"] == state]
        if units:
            yield f"{what}: {SPLIT} -e sites={','.join(units)} -e end={ends} -e reason=WHY"


def describe(split: Record) -> str:
    """A share in a few words: ``25 % on 1a2b3c since …, held until it is ended``."""
    release = (split.get("candidate") or {}).get("release")
    since = f" since {minute(split['since'])}" if split.get("since") else ""
    how = {
        "beginning": ", for testers only as yet",
        "rising": ", rising",
        "held": f", held until somebody ends it: {SPLIT}",
        "ending": ", and that is being ended",
        "abandoned": ", and nobody watches them",
    }
    return f"{split['percent']} % of its visitors are on release {release}{since}{how.get(split['state'], '')}"


def sides(judgement: t.Any) -> list[str]:
    """What visitors of both sides saw, a line for each, and what that means.

    Args:
        judgement: As the module ``frappe_site`` returns it.
    """
    if not isinstance(judgement, dict) or "percent" not in judgement:
        return []
    lasted = f" for {duration(judgement['seconds'])}" if "seconds" in judgement else ""
    lines = [f"{judgement['percent']} % of the visitors were on the new release{lasted}; both sides:"]
    for side in _SIDES:
        release = judgement.get(side) or {}
        seen = (judgement.get("sides") or {}).get(side)
        lines.append(f"  {_NAMES[side]} {release.get('release')}{_versions(release)}: {_seen(seen)}")
    return [*lines, f"  {_verdict(judgement)}"] if judgement.get("status") else lines


def _seen(side: Record | None) -> str:
    if side is None:
        return "not known"
    requests, errors, *times = _cells(side)
    count, _blank, rate = errors.partition(" ")
    told = f"{requests} requests, {count} errors{f' {rate}' if rate else ''}"
    return told if side["p50"] is None else f"{told}, p50 {times[0]}, p95 {times[1]}, p99 {times[2]}"


def _cells(side: Record | None) -> tuple[str, str, str, str, str]:
    """Requests, errors and times of a side."""
    if side is None:
        return ("-", "-", "-", "-", "-")
    rate = "" if side["error_rate"] is None else f" ({100 * side['error_rate']:.3g} %)"
    p50, p95, p99 = (_milliseconds(side[name]) for name in ("p50", "p95", "p99"))
    return (f"{side['requests'] or 0:.0f}", f"{side['errors'] or 0:.0f}{rate}", p50, p95, p99)


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def _versions(release: Record) -> str:
    found = ", ".join(f"{name} {version or '?'}" for name, version in (release.get("versions") or {}).items())
    return f" ({found})" if found else ""


def _verdict(judgement: Record) -> str:
    said = {
        "pass": "no worse than before",
        "fail": "worse than before",
        "inconclusive": "too little to tell them apart",
    }
    return f"{said.get(judgement['status'], judgement['status'])}: {'; '.join(judgement.get('reasons') or ())}"


def _is_shared(record: Record) -> bool:
    return bool(record.get("split")) and record["split"]["state"] != "none"


def _nobody(known: int) -> str:
    return f"Sites whose visitors are shared: none of {known}." if known else "Nothing is known of any site."


def _table(shared: Records) -> list[str]:
    rows = []
    for unit, split in shared.items():
        for side in _SIDES:
            share = split["percent"] if side == "candidate" else 100 - split["percent"]
            seen = (split.get("sides") or {}).get(side)
            release = (split.get(side) or {}).get("release") or "-"
            rows.append((unit, f"{share} %", minute(split["since"]), _NAMES[side], release, *_cells(seen)))
    return table(_HEADER, rows)


def _remarks(split: Record) -> list[str]:
    found = [describe(split)]
    if split.get("judgement"):
        found.append(_verdict(split["judgement"]))
    return found


def _became(record: Record, check: bool) -> str:
    if check:
        return "its share would be ended" if record.get("changed") else "its share was ended already"
    live = ((record.get("after") or {}).get("live") or {}).get("release")
    return f"all of its visitors are on release {live}"


def _error(unit: str, record: Record, end: str, check: bool) -> str:
    """Why a unit is not as it was asked for; empty if it is, or nothing was asked."""
    error = site_choice.failure(unit, record)
    if error:
        return error
    if not record.get("asked") or check:
        return ""
    after = record.get("after")
    if after is None:
        return "it was to be ended, and whether it was is not known"
    if after["state"] != "none":
        return f"it was told so, but {describe(after)}"
    wanted = record["split"]["candidate" if end == "promote" else "live"]
    if wanted and after["live"] and after["live"]["release"] != wanted["release"]:
        return f"all of its visitors are on release {after['live']['release']}, and should be on {wanted['release']}"
    return ""
