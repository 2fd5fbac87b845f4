# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays deployments through on a clock of its own: the real admission, units that only take time."""

from __future__ import annotations

import dataclasses
import heapq
import random
import statistics
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.admission import Admission, Direction, Unit


@dataclasses.dataclass
class Run:
    """What happened in a simulated deployment.

    Args:
        begun: Seconds at which each unit started, in the order of admission.
        ended: Seconds at which each unit ended.
        busiest: The most units in flight at any moment.
        busiest_server: The most units in flight at any moment on any one server.
        first_failure: How many units had begun at the first failure, None if there was none.
        admission: The admission as it was left.
    """

    begun: dict[str, float]
    ended: dict[str, float]
    busiest: int
    busiest_server: int
    first_failure: int | None
    admission: Admission

    @property
    def makespan(self) -> float:
        """Seconds from the start of the first unit to the end of the last."""
        return max(self.ended.values(), default=0.0)


def simulate(
    units: t.Sequence[Unit],
    *,
    window: int = 0,
    per_server: int = 0,
    direction: Direction = "forward",
    failing: t.Collection[str] = (),
    seconds: t.Mapping[str, float] | None = None,
) -> Run:
    """Runs units to their end, or to where failures stop them.

    Args:
        units: The units in the order of the plan.
        window: How many may be in flight, 0 for any number.
        per_server: How many may be in flight on one server, 0 for any number.
        direction: Forward, or back.
        failing: Units that fail when their time is over.
        seconds: How long the units really take, where that is not what the plan expects.

    Returns:
        When each unit ran.
    """
    admission = Admission(units, window=window, per_server=per_server, direction=direction)
    known = {unit.name: unit for unit in units}
    takes = seconds or {unit.name: unit.seconds for unit in units}
    run = Run({}, {}, 0, 0, None, admission)
    clock: list[tuple[float, int, str]] = []
    now = 0.0
    while True:
        for name in admission.admit():
            run.begun[name] = now
            heapq.heappush(clock, (now + takes[name], len(run.begun), name))
        if not clock:
            return run
        _note_busy(run, known)
        now, _ignored, name = heapq.heappop(clock)
        run.ended[name] = now
        if name in failing:
            admission.failed(name)
            run.first_failure = len(run.begun) if run.first_failure is None else run.first_failure
        else:
            admission.done(name)


def _note_busy(run: Run, known: t.Mapping[str, Unit]) -> None:
    servers = [known[name].server for name in run.admission.in_flight if known[name].server]
    run.busiest = max(run.busiest, len(run.admission.in_flight))
    run.busiest_server = max([run.busiest_server, *(servers.count(server) for server in set(servers))])


def lower_bound(units: t.Sequence[Unit], window: int) -> float:
    """No schedule is shorter than the longest path, nor than the work shared by as many units as may be in flight."""
    ends: dict[str, float] = {}
    known = {unit.name: unit for unit in units}

    def end_of(name: str) -> float:
        if name not in ends:
            ends[name] = known[name].seconds + max((end_of(other) for other in known[name].depends_on), default=0.0)
        return ends[name]

    longest = max((end_of(unit.name) for unit in units), default=0.0)
    work = sum(unit.seconds for unit in units)
    return max(longest, work / window) if window else longest


def layered(seed: int, *, count: int = 60, levels: int = 5, spread: float = 1.0) -> list[Unit]:
    """A deployment of several levels, each unit depending on one to three units of the level before.

    Args:
        seed: Makes the same deployment again.
        count: How many units.
        levels: How many levels they are spread over.
        spread: How unequal the units are: the standard deviation of the logarithm of their seconds, whose median is
            one second. With 1.0 many units are small and a few are large, as sites are.

    Returns:
        The units, level by level.
    """
    chance = random.Random(seed)
    per_level = count // levels
    units: list[Unit] = []
    for position in range(count):
        level = position // per_level
        before = [unit.name for unit in units[(level - 1) * per_level : level * per_level]] if level else []
        needed = chance.sample(before, min(len(before), chance.randint(1, 3)))
        units.append(Unit(f"unit{position}", tuple(needed), seconds=chance.lognormvariate(0, spread)))
    return units


def measure() -> dict[str, float]:
    """How far above the lower bound the admission stays: 60 units in 5 levels, window 5, 100 seeds.

    The units of the first are about equal, which are the hardest to share out evenly, those of the last very unequal.
    """
    window = 5
    ratios = []
    for seed in range(100):
        units = layered(seed, spread=0.2 + seed / 100)
        ratios.append(simulate(units, window=window).makespan / lower_bound(units, window))
    return {
        "makespan_ratio_median": statistics.median(ratios),
        "makespan_ratio_p95": statistics.quantiles(ratios, n=20)[-1],
    }


if __name__ == "__main__":
    print(measure())
