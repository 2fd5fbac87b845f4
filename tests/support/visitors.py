# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Made-up visitors of two releases, by the thousands and always the same for a seed."""

from __future__ import annotations

import dataclasses
import math
import typing as t

import numpy

from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Figures
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import Verdict
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE, SIDES
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import Record
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.watch import Watch

BEGIN = 1_000_000.0
MEDIAN = 0.2
"""Seconds that half of the baseline's requests do not exceed."""
_AT_ONCE = 512


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclasses.dataclass(frozen=True)
class Release:
    """How a release does.

    Args:
        per_minute: Its requests, as a Poisson process.
        error_rate: The share that fails.
        slower: How many times the baseline's median its own is.
        sigma: Of the log-normal distribution of its times.
    """

    per_minute: float
    error_rate: float = 0.0
    slower: float = 1.0
    sigma: float = 1.0


class Requests:
    """A release's requests one after the other: when each was answered, whether it failed, how long it took.

    Args:
        seed: Draws the same again.
        release: How it does.
    """

    def __init__(self, seed: t.Sequence[int], release: Release) -> None:
        self._dice = numpy.random.default_rng(seed)
        self._release = release
        self._now = BEGIN
        self._drawn = self._draw()
        self._next = next(self._drawn)

    def until(self, moment: float) -> t.Iterator[tuple[float, bool, float]]:
        """Those that were answered before a moment and not returned yet."""
        if self._next[0] >= moment:
            return
        yield self._next
        for request in self._drawn:
            self._next = request
            if request[0] >= moment:
                return
            yield request

    def _draw(self) -> t.Iterator[tuple[float, bool, float]]:
        release, dice = self._release, self._dice
        while True:
            times = self._now + dice.exponential(60 / release.per_minute, _AT_ONCE).cumsum()
            errors = dice.random(_AT_ONCE) < release.error_rate
            seconds = dice.lognormal(math.log(MEDIAN * release.slower), release.sigma, _AT_ONCE).round(3)
            self._now = float(times[-1])
            yield from zip(times.tolist(), errors.tolist(), seconds.tolist(), strict=True)


class Visitors:
    """A source whose requests are drawn when they are asked for.

    Args:
        seed: Draws the same again.
        releases: By side.
        before: How many requests of the baseline are known from the time before.
    """

    def __init__(self, seed: int, releases: t.Mapping[str, Release], before: int = 0) -> None:
        self._record = Record(BEGIN)
        self._requests = {side: Requests((seed, SIDES.index(side)), release) for side, release in releases.items()}
        earlier = numpy.random.default_rng((seed, len(SIDES)))
        for seconds in earlier.lognormal(math.log(MEDIAN), 1.0, before).round(3).tolist():
            self._record.add_before(False, seconds)

    def figures(self, at: float, rules: Rules) -> Figures:
        """See ``sources.Source``."""
        for side, requests in self._requests.items():
            for answered, error, seconds in requests.until(at):
                self._record.add(side, answered, error, None if error else seconds)
        return self._record.figures(at, rules)


def watched(source: Visitors, lasts: float, every: float, rules: Rules | None = None) -> Verdict:
    """The verdict at the end of a watch."""
    clock = Clock()
    watch = Watch(source, rules or Rules(), lasts=lasts, every=every, clock=clock, steady=clock, sleep=clock.sleep)
    return watch.run()


def failures(
    candidate: Release, baseline: Release | None, lasts: float, every: float, runs: int = 100, before: int = 0
) -> int:
    """How many of so many watches take the candidate back."""
    sides = {CANDIDATE: candidate} if baseline is None else {CANDIDATE: candidate, BASELINE: baseline}
    return sum(watched(Visitors(seed, sides, before), lasts, every).failed for seed in range(runs))
