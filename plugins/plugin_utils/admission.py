# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides which units may start next: dependencies, window, servers, stop on failure, forward and back.

Nothing of Ansible in here. The strategy plugin tells what was observed and starts what is admitted.
"""

from __future__ import annotations

import dataclasses
import heapq
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ranking

Direction = t.Literal["forward", "reverse"]

_Ready = tuple[float, int, str]
"""A unit that waits for nothing but a slot: its rank, the least first, then its place in the plan."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """What admission has to know about a unit.

    Args:
        name: The unit's name.
        depends_on: Names of the units that must be done before this one starts.
        server: The server that does the work; empty where there is none, then no bound per server applies.
        seconds: How long the unit is expected to take; only the proportions matter.
    """

    name: str
    depends_on: tuple[str, ...] = ()
    server: str = ""
    seconds: float = 1.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How far the units got, each list in the order of the plan.

    Args:
        done: Ended well.
        failed: Failed, or could not be reached.
        withheld: Never started.
        blocked: Those of the withheld whose own dependencies failed or were withheld because of a failure.
        running: Still in flight.
    """

    done: list[str]
    failed: list[str]
    withheld: list[str]
    blocked: list[str]
    running: list[str]


class Waves:
    """Holds units back until all of the waves before theirs are done.

    Args:
        names: All units of the run.
        waves: The units of each wave; names of others are left out.
    """

    def __init__(self, names: t.Collection[str], waves: t.Sequence[t.Collection[str]]) -> None:
        self._of = {name: at for at, wave in enumerate(waves) for name in wave if name in names}
        self._left = [sum(number == at for number in self._of.values()) for at in range(len(waves))]
        self._held: dict[int, list[str]] = {}
        self._now = 0
        self._go_on()

    def admits(self, name: str) -> bool:
        """Whether a unit that waits for nothing else may start; if not, :meth:`done` tells when."""
        at = self._of.get(name, 0)
        if at <= self._now:
            return True
        self._held.setdefault(at, []).append(name)
        return False

    def done(self, name: str) -> list[str]:
        """The units that may start because this one is done."""
        if name in self._of:
            self._left[self._of[name]] -= 1
        before = self._now
        self._go_on()
        return [held for at in range(before + 1, self._now + 1) for held in self._held.pop(at, [])]

    def _go_on(self) -> None:
        while self._now < len(self._left) and not self._left[self._now]:
            self._now += 1


class Admission:
    """Admits units one by one as slots and dependencies allow.

    Going forward, a failure ends all admission. Going back (``reverse``) dependents come before what they depend on,
    and a failure withholds only the units whose undo depends on the failed one: a bench can't go back while a site
    on it has not, but every other unit still can.

    Args:
        units: The units of this run, in the order of the plan, which breaks ties.
        window: How many units may be in flight; 0 for any number.
        per_server: How many units may be in flight on one server; 0 for any number.
        direction: ``forward`` or ``reverse``.
        live: Units outside this run that are proven to be live already, so that others may depend on them.
        ignore_dependencies: Whether dependencies on units outside this run are dropped. Those on units of
            this run always hold.
        waves: Units that are admitted together, wave by wave: those of a wave start when all of the waves before it
            are done. Units that no wave names start with the first one.

    Raises:
        LockstepError: A unit is given twice, a dependency is neither in this run nor live, or units depend on
            each other in a circle.
    """

    def __init__(
        self,
        units: t.Iterable[Unit],
        *,
        window: int = 0,
        per_server: int = 0,
        direction: Direction = "forward",
        live: t.Collection[str] = (),
        ignore_dependencies: bool = False,
        waves: t.Sequence[t.Collection[str]] = (),
    ) -> None:
        if window < 0 or per_server < 0:
            raise LockstepError(f"a window can't be negative (window {window}, per server {per_server})")
        self._units = _by_name(units)
        self._window = window
        self._per_server = per_server
        self._stops_on_failure = direction == "forward"
        needs = _dependencies_inside(self._units, direction, frozenset(live), ignore_dependencies)
        if direction == "reverse":
            needs = ranking.inverted(needs)
        self._followers = ranking.inverted(needs)
        self._open_needs = {name: len(needed) for name, needed in needs.items()}
        self._order = {name: position for position, name in enumerate(self._units)}
        self._rank = ranking.ranks({name: unit.seconds for name, unit in self._units.items()}, needs, window)
        self._ready: list[_Ready] = []
        self._parked: dict[str, list[_Ready]] = {}
        self._on_server: dict[str, int] = {}
        self._in_flight: dict[str, None] = {}
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._blocked: set[str] = set()
        self._waves = Waves(self._units, waves)
        for name, count in self._open_needs.items():
            if not count:
                self._make_ready(name)

    @property
    def in_flight(self) -> t.Collection[str]:
        """The units that were admitted and have not ended, longest in flight first."""
        return self._in_flight.keys()

    @property
    def stops_on_failure(self) -> bool:
        """Whether the first failure ends all admission."""
        return self._stops_on_failure

    @property
    def finished(self) -> bool:
        """Whether nothing is in flight and nothing more will be admitted."""
        return not self._in_flight and (self._stopped or self._undecided() == 0)

    def admit(self) -> list[str]:
        """Takes every unit that may start now, in the order that promises the earliest end of all.

        Returns:
            Names of the units admitted; they are in flight from now on.

        Raises:
            LockstepError: Nothing is in flight and nothing can start, though units wait that no failure withholds.
        """
        admitted: list[str] = []
        while self._ready and not self._stopped and self._has_room():
            ready = heapq.heappop(self._ready)
            server = self._units[ready[2]].server
            if ready[2] in self._failed:
                self._unpark(server)
                continue
            if self._is_saturated(server):
                heapq.heappush(self._parked.setdefault(server, []), ready)
                continue
            self._on_server[server] = self._on_server.get(server, 0) + 1
            self._in_flight[ready[2]] = None
            admitted.append(ready[2])
        if not self._in_flight and not self.finished:
            waiting = [name for name in self._units if self._is_waiting(name) and name not in self._blocked]
            raise LockstepError(
                f"{len(waiting)} units wait though nothing is in flight: {_listed(waiting)}",
                hint="this is a defect of the admission, please report it with the plan",
            )
        return admitted

    def done(self, name: str) -> None:
        """Records that a unit in flight ended well, which may let its followers start.

        Args:
            name: A unit in flight.
        """
        self._land(name)
        self._done.add(name)
        for follower in self._followers[name]:
            self._open_needs[follower] -= 1
            if not self._open_needs[follower]:
                self._make_ready(follower)
        for held in self._waves.done(name):
            self._push(held)

    def failed(self, name: str) -> None:
        """Records that a unit failed, which withholds its followers, and all others too when going forward.

        Args:
            name: A unit in flight, or one that failed before it was admitted.
        """
        if name in self._in_flight:
            self._land(name)
        self._failed.add(name)
        reached = [name]
        while reached:
            for follower in self._followers[reached.pop()]:
                if follower not in self._blocked:
                    self._blocked.add(follower)
                    reached.append(follower)

    def outcome(self) -> Outcome:
        """How far every unit got up to now."""
        withheld = [name for name in self._units if self._is_waiting(name)]
        return Outcome(
            done=self._planned(self._done),
            failed=self._planned(self._failed),
            withheld=withheld,
            blocked=[name for name in withheld if name in self._blocked],
            running=self._planned(self._in_flight),
        )

    @property
    def _stopped(self) -> bool:
        return self._stops_on_failure and bool(self._failed)

    def _has_room(self) -> bool:
        return not self._window or len(self._in_flight) < self._window

    def _is_saturated(self, server: str) -> bool:
        return bool(server and self._per_server) and self._on_server.get(server, 0) >= self._per_server

    def _is_waiting(self, name: str) -> bool:
        return name not in self._in_flight and name not in self._done and name not in self._failed

    def _undecided(self) -> int:
        """How many units wait that no failure withholds."""
        failed_or_blocked = len(self._failed | self._blocked)
        return len(self._units) - len(self._in_flight) - len(self._done) - failed_or_blocked

    def _planned(self, names: t.Iterable[str]) -> list[str]:
        return sorted(names, key=self._order.__getitem__)

    def _make_ready(self, name: str) -> None:
        if self._waves.admits(name):
            self._push(name)

    def _push(self, name: str) -> None:
        heapq.heappush(self._ready, (self._rank[name], self._order[name], name))

    def _land(self, name: str) -> None:
        del self._in_flight[name]
        server = self._units[name].server
        self._on_server[server] -= 1
        self._unpark(server)

    def _unpark(self, server: str) -> None:
        """Lets the best parked unit of a server compete for the slot that became free there.

        Should a better one have become ready meanwhile, that one takes the slot and the other is parked again.
        """
        if self._parked.get(server):
            heapq.heappush(self._ready, heapq.heappop(self._parked[server]))


def _by_name(units: t.Iterable[Unit]) -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for unit in units:
        if unit.name in found:
            raise LockstepError(f"the unit {unit.name} is given twice")
        found[unit.name] = unit
    return found


def _dependencies_inside(
    units: t.Mapping[str, Unit], direction: Direction, live: frozenset[str], ignore_dependencies: bool
) -> dict[str, list[str]]:
    """The dependencies that hold in this run, by unit.

    Going back, a unit outside the run was not changed by it, so nothing has to wait for it.
    """
    needs: dict[str, list[str]] = {}
    missing: list[str] = []
    for unit in units.values():
        wanted = dict.fromkeys(unit.depends_on)
        needs[unit.name] = [name for name in wanted if name in units]
        missing.extend(f"{unit.name} depends on {name}" for name in wanted if name not in units and name not in live)
    if missing and direction == "forward" and not ignore_dependencies:
        raise LockstepError(
            f"dependencies are outside this run and not proven to be live: {_listed(missing)}",
            left="nothing was changed",
            hint="take them into --limit or only, or set ignore_dependencies=true",
            detail=missing,
        )
    return needs


def _listed(names: t.Sequence[str], at_most: int = 10) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
