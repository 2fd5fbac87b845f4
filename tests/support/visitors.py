# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Made-up visitors of two releases, by the thousands and always the same for a seed."""

from __future__ import annotations

import dataclasses
import math
import random
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Figures
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import Verdict
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import Record
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.watch import Watch

BEGIN = 1_000_000.0
MEDIAN = 0.2
"""Seconds that half of the baseline's requests do not exceed."""


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


class Visitors:
    """A source whose requests are drawn when they are asked for.

    Args:
        seed: Draws the same again.
        releases: By side.
        before: How many requests of the baseline are known from the time before.
    """

    def __init__(self, seed: int, releases: t.Mapping[str, Release], before: int = 0) -> None:
        self._dice = random.Random(seed)
        self._releases = releases
        self._record = Record(BEGIN)
        self._next = {side: BEGIN + self._pause(release) for side, release in releases.items()}
        for _number in range(before):
            self._record.add_before(self._seconds(Release(0)))

    def figures(self, at: float, rules: Rules) -> Figures:
        for side, release in self._releases.items():
            while self._next[side] < at:
                error = self._dice.random() < release.error_rate
                self._record.add(side, self._next[side], error, None if error else self._seconds(release))
                self._next[side] += self._pause(release)
        return self._record.figures(at, rules)

    def _pause(self, release: Release) -> float:
        return self._dice.expovariate(release.per_minute / 60)

    def _seconds(self, release: Release) -> float:
        return round(self._dice.lognormvariate(math.log(MEDIAN * release.slower), release.sigma), 3)


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
