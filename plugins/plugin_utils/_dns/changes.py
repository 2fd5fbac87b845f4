# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which changes a state takes. Nothing here asks anybody: it is told what is wanted, served and recorded."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import (
    SWITCH,
    TTL,
    Change,
    Goal,
    Rrset,
    Rrsets,
    Seen,
    same_values,
    shown,
    with_ttl,
)

STATES = ("present", "lowered", "absent", "previous", "verified")
UNTOUCHED = "Nothing was changed"


class Refusal(LockstepError):
    """A change that would take something away that is not known to be ours."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, left=UNTOUCHED, hint=hint)


@dataclasses.dataclass
class Wanted:
    """A name as the deployment file has it, with what is recorded of it.

    Args:
        unit: Unit of the site.
        zone: The zone's name.
        name: The name.
        rrsets: Its records.
        low_ttl: What the TTL is lowered to before values change; None for no lowering.
        known: The entry of the name in the records of the site's server; empty if there is none.
        force: Whether what is not known to be ours may go.
    """

    unit: str
    zone: str
    name: str
    rrsets: Rrsets
    low_ttl: int | None = None
    known: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    force: bool = False


@dataclasses.dataclass
class Decision:
    """What follows for one name.

    Args:
        change: What has to change; None for nothing.
        goal: What has to be served in the end.
        warnings: What a user should know.
    """

    change: Change | None
    goal: Goal
    warnings: list[str] = dataclasses.field(default_factory=list)


def decide(state: str, wanted: Wanted, seen: Seen) -> Decision:
    """What a state takes for one name.

    Args:
        state: One of :data:`STATES`.
        wanted: The name, as it is to be.
        seen: What the primary name server has.

    Raises:
        Refusal: It would take away what may be somebody else's, or there is nothing to go back to.
    """
    decision = _DECIDE[state](wanted, seen)
    decision.goal.unit = wanted.unit
    return decision


def _verified(wanted: Wanted, _seen: Seen) -> Decision:
    return Decision(None, Goal(wanted.zone, wanted.name, {**wanted.rrsets}, any_lower_ttl=True))


def _present(wanted: Wanted, seen: Seen) -> Decision:
    removed, warnings = _displaced(wanted, seen)
    touched = {kind: seen.rrsets[kind] for kind in removed}
    touched |= {kind: found for kind, found in seen.rrsets.items() if wanted.rrsets.get(kind, found) != found}
    after = {kind: rrset for kind, rrset in wanted.rrsets.items() if seen.rrsets.get(kind) != rrset}
    goal = Goal(wanted.zone, wanted.name, {**dict.fromkeys(removed), **wanted.rrsets})
    change = _change(wanted, seen, touched, after)
    if change is not None:
        _slowly(wanted, change)
    return Decision(change, goal, warnings)


def _displaced(wanted: Wanted, seen: Seen) -> tuple[list[str], list[str]]:
    """Types that have to go for the wanted ones to come, and warnings of those that stay beside them.

    Raises:
        Refusal: What has to go is not known to be ours.
    """
    removed, warnings = [], []
    if "CNAME" in wanted.rrsets and seen.others:
        raise Refusal(
            f"{wanted.name} has {' and '.join(seen.others)} records, beside which no CNAME can be",
            "Give its addresses in the deployment file, or remove those records",
        )
    for kind, found in seen.rrsets.items():
        if kind in wanted.rrsets:
            continue
        if _is_ours(wanted, kind, found):
            removed.append(kind)
        elif "CNAME" in (kind, *wanted.rrsets):
            served = "; ".join(shown(wanted.name, {kind: found}))
            raise Refusal(
                f"{wanted.name} has {kind} records that this collection has not made ({served}), beside which no "
                f"{' or '.join(wanted.rrsets)} can be",
                "Remove it, or have it replaced with -e force=true",
            )
        else:
            warnings.append(
                f"{wanted.name} has {kind} {', '.join(found['values'])} too, which the deployment file does not name: "
                "visitors who come that way stay there"
            )
    return removed, warnings


def _is_ours(wanted: Wanted, kind: str, found: Rrset) -> bool:
    return wanted.force or same_values((wanted.known.get("made") or {}).get(kind), found)


def _lowered(wanted: Wanted, seen: Seen) -> Decision:
    before = {
        kind: found
        for kind, found in seen.rrsets.items()
        if kind in wanted.rrsets and wanted.low_ttl is not None and found["ttl"] > wanted.low_ttl
    }
    after: Rrsets = {kind: with_ttl(found, wanted.low_ttl or 0) for kind, found in before.items()}
    served: Rrsets = {kind: after.get(kind, found) for kind, found in seen.rrsets.items() if kind in wanted.rrsets}
    goal = Goal(wanted.zone, wanted.name, {**served}, any_lower_ttl=True)
    change = _change(wanted, seen, before, after)
    if change is not None:
        change.entry["lowered"] = {"rrsets": _original(wanted, before), "at": None}
    return Decision(change, goal)


def _absent(wanted: Wanted, seen: Seen) -> Decision:
    before: Rrsets = {}
    for kind, rrset in wanted.rrsets.items():
        found = seen.rrsets.get(kind)
        if found is None:
            continue
        if not same_values(found, rrset) and not _is_ours(wanted, kind, found):
            served = "; ".join(shown(wanted.name, {kind: found}))
            raise Refusal(
                f"{wanted.name} is something else than the deployment file says ({served}): not removed",
                "Remove it by hand, or with -e force=true",
            )
        before[kind] = found
    goal = Goal(wanted.zone, wanted.name, dict.fromkeys(wanted.rrsets))
    return Decision(_change(wanted, seen, before, {}), goal)


def _previous(wanted: Wanted, seen: Seen) -> Decision:
    before: Rrsets | None = wanted.known.get("before")
    if before is None:
        raise Refusal(
            f"nothing is recorded of what {wanted.name} was before",
            "Only what playbooks/dns.yml changed can be put back; write what it is to be into the deployment file",
        )
    made: Rrsets = wanted.known.get("after") or {}
    kinds = sorted({*before, *made})
    for kind in kinds:
        found = seen.rrsets.get(kind)
        if not (same_values(found, made.get(kind)) or same_values(found, before.get(kind)) or wanted.force):
            served = "; ".join(shown(wanted.name, {kind: found})) or f"no {kind}"
            raise Refusal(
                f"{wanted.name} was changed since by somebody else (now {served}): not put back",
                "Look who did it; -e force=true puts it back all the same",
            )
    touched = {kind: seen.rrsets[kind] for kind in kinds if kind in seen.rrsets}
    touched = {kind: found for kind, found in touched.items() if before.get(kind) != found}
    after = {kind: rrset for kind, rrset in before.items() if seen.rrsets.get(kind) != rrset}
    goal = Goal(wanted.zone, wanted.name, {kind: before.get(kind) for kind in kinds})
    change = _change(wanted, seen, touched, after)
    if change is not None:
        # What was there before may be somebody else's, and what is recorded stays what a second return goes to.
        still_made = {kind: one for kind, one in (wanted.known.get("made") or {}).items() if kind not in kinds}
        change.entry = {"zone": wanted.zone, "made": still_made, "before": before, "after": before, "lowered": None}
    return Decision(change, goal)


_DECIDE: dict[str, t.Callable[[Wanted, Seen], Decision]] = {
    "present": _present,
    "lowered": _lowered,
    "absent": _absent,
    "previous": _previous,
    "verified": _verified,
}


def _change(wanted: Wanted, seen: Seen, before: Rrsets, after: Rrsets) -> Change | None:
    if not before and not after:
        return None
    stays = all(same_values(before.get(kind), after.get(kind)) for kind in {*before, *after})
    change = Change(wanted.unit, wanted.zone, wanted.name, TTL if stays else SWITCH, before, after)
    change.stale = _stale(change, seen)
    change.entry = _entry(wanted, change)
    return change


def _slowly(wanted: Wanted, change: Change) -> None:
    """Have the TTL of what goes lowered and waited out before the values change."""
    low = wanted.low_ttl
    if change.kind != SWITCH or low is None or not change.before:
        return
    change.interim_ttl = low
    going = {kind: one for kind, one in change.before.items() if not same_values(one, change.after.get(kind))}
    change.lower = {kind: with_ttl(found, low) for kind, found in going.items() if found["ttl"] > low}
    change.stale = min(change.stale, max([found["ttl"] for found in {**going, **change.lower}.values()], default=0))
    waited = _original(wanted, going)
    if change.lower:
        change.entry["lowered"] = {"rrsets": waited, "at": None}
    elif waited != going:
        change.entry["lowered"] = wanted.known["lowered"]


def _stale(change: Change, seen: Seen) -> int:
    """How long others may go on with what is served now."""
    gone = [one["ttl"] for kind, one in change.before.items() if not same_values(one, change.after.get(kind))]
    come = [kind for kind in change.after if kind not in change.before]
    covered = [seen.covered[kind]["ttl"] if kind in seen.covered else seen.negative_ttl for kind in come]
    return max([*gone, *covered], default=0)


def _entry(wanted: Wanted, change: Change) -> dict[str, t.Any]:
    """What is recorded of a name before it changes; a change of the TTL alone is none to go back from."""
    made = {kind: one for kind, one in (wanted.known.get("made") or {}).items() if kind not in change.before}
    entry = {"zone": wanted.zone, "made": {**made, **change.after}, "lowered": None}
    if change.kind == TTL:
        return {"before": None, "after": None, **wanted.known, **entry}
    return {**entry, "before": _original(wanted, change.before), "after": change.after}


def _original(wanted: Wanted, before: Rrsets) -> Rrsets:
    """What was there, with the TTL it had before it was lowered by an earlier run."""
    lowered = (wanted.known.get("lowered") or {}).get("rrsets") or {}
    return {kind: lowered[kind] if same_values(lowered.get(kind), found) else found for kind, found in before.items()}


def still_kept(change: Change, now: float) -> float:
    """Seconds that others may still keep what was served before its TTL was lowered.

    Args:
        change: The change. All name servers serve the lower TTL by now.
        now: The time, in seconds since 1970.

    Returns:
        0 if nothing was lowered, or that is long enough ago.
    """
    lowered = change.entry.get("lowered") or {}
    ttls = [rrset["ttl"] for rrset in (lowered.get("rrsets") or {}).values()]
    if change.kind != SWITCH or not ttls:
        return 0.0
    # Without a time it is not known since when all name servers serve the lower one: then from now on.
    since = float(lowered.get("at") or now)
    return max(0.0, since + float(max(ttls)) - now)
