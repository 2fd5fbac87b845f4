# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records taken to a state: looked at, lowered, waited for, changed, verified at every name server, TTL raised."""

from __future__ import annotations

import concurrent.futures
import copy
import dataclasses
import datetime
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns import changes as decisions
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import SWITCH, Change, Goal, Seen
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.zone import NotServed, Zone, verify

#: Seconds between two words about a wait.
_TELL_EVERY = 60.0
#: Names looked at at the same time.
_AT_ONCE = 16


def look(state: str, zones: t.Mapping[str, Zone], wanted: t.Sequence[decisions.Wanted]) -> list[decisions.Decision]:
    """What a state takes, for all names.

    Args:
        state: One of :data:`decisions.STATES`.
        zones: The zones by name.
        wanted: All names.

    Raises:
        LockstepError: A primary name server can't be asked, or something may not be changed; all that at once.
    """

    def decide(one: decisions.Wanted) -> decisions.Decision | LockstepError:
        try:
            return decisions.decide(state, one, _seen(state, zones[one.zone], one))
        except LockstepError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = list(pool.map(decide, wanted))
    refused = [one for one in found if isinstance(one, LockstepError)]
    if refused:
        raise LockstepError(
            refused[0].message,
            left=decisions.UNTOUCHED,
            hint=refused[0].hint,
            detail=[str(error) for error in refused] if len(refused) > 1 else None,
        )
    return [one for one in found if isinstance(one, decisions.Decision)]


def _seen(state: str, zone: Zone, wanted: decisions.Wanted) -> Seen:
    if state == "verified":
        return Seen()
    return zone.primary.look(zone.name, wanted.name, state == "present" and "CNAME" in wanted.rrsets)


class Run:
    """Takes records to what was decided.

    Args:
        zones: The zones by name.
        changes: What has to change.
        goals: What every name server has to serve at the end.
        say: Is told what goes on, for the user.

    Attributes:
        zones: The zones by name.
        updated: Whether a name server took an update.
        safe_after: When nobody goes on with what was served before, RFC 3339; None if nothing was switched.
        switch_after: When a switch need not wait any more, after TTLs were lowered; None if that was not asked for.
    """

    def __init__(
        self,
        zones: t.Mapping[str, Zone],
        changes: t.Sequence[Change],
        goals: t.Sequence[Goal],
        say: t.Callable[[str], None],
    ) -> None:
        self.zones = zones
        self._changes = [copy.deepcopy(change) for change in changes]
        self._goals = goals
        self._say = say
        self.updated = False
        self.safe_after: str | None = None
        self.switch_after: str | None = None

    def entries(self) -> dict[str, dict[str, dict[str, t.Any]]]:
        """What is to be recorded of each name by now, by unit and name; also after a failure."""
        found: dict[str, dict[str, dict[str, t.Any]]] = {}
        for change in self._changes:
            found.setdefault(change.unit, {})[change.name] = change.entry
        return found

    def apply(self) -> None:
        """Make the changes and verify what is to be served in the end.

        Raises:
            LockstepError: An update was refused, or is not served everywhere in time. What was changed before stays,
                and what was before it is recorded.
        """
        try:
            self._lower()
            self._wait()
            self._switch()
            verify(self.zones, self._truly(self._goals))
        except LockstepError as error:
            raise self._explained(error) from error
        self._conclude()

    def _switch(self) -> None:
        """Update the records; those with a short TTL at first get their own once every name server has them."""
        for change in self._changes:
            first = change.at_first()
            if first != change.before:
                self._update(change, change.before, first)
                change.before = first
        interim = [change for change in self._changes if change.before != change.after]
        if interim:
            self._say("Waiting until every name server has the records, before their TTL is raised")
            verify(self.zones, self._truly([_goal(change) for change in interim]))
        for change in interim:
            self._update(change, change.before, change.after)

    def _conclude(self) -> None:
        now = time.time()
        switched = [change for change in self._changes if change.kind == SWITCH]
        for change in switched:
            change.entry.update(changed_at=_time(now), lowered=None)
        if switched:
            self.safe_after = _time(now + max(change.stale for change in switched))
        lowered = [change.entry["lowered"] for change in self._changes if change.entry.get("lowered")]
        for entry in lowered:
            entry["at"] = now
        if lowered:
            ttls = [rrset["ttl"] for entry in lowered for rrset in entry["rrsets"].values()]
            self.switch_after = _time(now + max(ttls))

    def _lower(self) -> None:
        """Lower TTLs before values change, and see that everybody serves the lower ones."""
        lowered = [change for change in self._changes if change.lower]
        for change in lowered:
            self._update(change, {kind: change.before[kind] for kind in change.lower}, change.lower)
            change.before = {**change.before, **change.lower}
        waiting = [change for change in self._changes if change.kind == SWITCH and change.entry.get("lowered")]
        goals = [Goal(change.zone, change.name, {**change.before}, any_lower_ttl=True) for change in waiting]
        verify(self.zones, goals)
        now = time.time()
        for change in waiting:
            change.entry["lowered"]["at"] = change.entry["lowered"].get("at") or now

    def _wait(self) -> None:
        """Wait until nobody keeps a record with its old TTL.

        Raises:
            LockstepError: That takes longer than a run may wait.
        """
        now = time.time()
        seconds = max((decisions.still_kept(change, now) for change in self._changes), default=0.0)
        if not seconds:
            return
        until = _time(now + seconds)
        limit = min(self.zones[change.zone].max_wait for change in self._changes)
        if seconds > limit:
            raise LockstepError(
                f"old records may be kept until {until}, {seconds:.0f} s from now; a run waits {limit:g} s (max_wait)",
                left="TTLs are low everywhere, and no address was changed",
                hint="Run the same again then",
            )
        self._say(f"Waiting {seconds:.0f} s, until {until}: so long others may keep records with their TTL of before")
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _TELL_EVERY))
            if left > _TELL_EVERY:
                self._say(f"{left - _TELL_EVERY:.0f} s to wait")

    def _update(self, change: Change, before: dict[str, t.Any], after: dict[str, t.Any]) -> None:
        self.zones[change.zone].primary.update(change.zone, change.name, before, after)
        self.updated = True

    def _truly(self, goals: t.Sequence[Goal]) -> list[Goal]:
        """Goals with what is served of a name that is gone: a wildcard may answer for it from now on."""
        found = []
        for goal in goals:
            gone = [kind for kind, rrset in goal.rrsets.items() if rrset is None]
            if gone:
                served, _ttl = self.zones[goal.zone].primary.rrsets(goal.name, gone)
                goal = dataclasses.replace(goal, rrsets={**goal.rrsets, **{kind: served.get(kind) for kind in gone}})
            found.append(goal)
        return found

    def _explained(self, error: LockstepError) -> LockstepError:
        """The error with how things were left."""
        if not self.updated:
            error.left = error.left or decisions.UNTOUCHED
        elif isinstance(error, NotServed):
            error.left = "The primary name server has taken the update, and nothing was put back"
            error.hint = (
                "Look at the name servers that lag; then -e state=verified, or -e state=previous to go back. "
                "Whatever served before has to serve on"
            )
        else:
            error.hint = error.hint or "Some names were updated before: -e state=previous takes them back"
        return error


def _goal(change: Change) -> Goal:
    """What has to be served while a change has its short TTL."""
    kinds = {*change.before, *change.after}
    return Goal(change.zone, change.name, {kind: change.before.get(kind) for kind in kinds})


def _time(seconds: float) -> str:
    """A time as RFC 3339 in UTC, rounded up to a second."""
    moment = datetime.datetime.fromtimestamp(int(seconds) + 1, datetime.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
