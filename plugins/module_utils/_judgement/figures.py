# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is judged: requests, errors and times of either side, wherever they come from."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field

from ansible_collections.lockstep.deploy.plugins.module_utils._judgement import statistics

MINUTE = 60
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Count(t.NamedTuple):
    """Requests of one minute, or of several.

    Attributes:
        requests: All of them, probes included; None where that isn't known.
        errors: Those answered with a status of 500 or above; None where that isn't known.
        probes: How many of the requests were ours.
        probe_errors: How many of the errors were.
    """

    requests: float | None = 0
    errors: float | None = 0
    probes: float = 0
    probe_errors: float = 0

    @property
    def rate(self) -> float | None:
        """The share of errors; None where there is no data."""
        if not self.requests or self.errors is None:
            return None
        return min(self.errors / self.requests, 1.0)

    @property
    def users(self) -> Count:
        """Without the probes."""
        return Count(_sum(self.requests, -self.probes), _sum(self.errors, -self.probe_errors))

    def __add__(self, other: t.Any) -> Count:
        return Count(
            _sum(self.requests, other.requests),
            _sum(self.errors, other.errors),
            self.probes + other.probes,
            self.probe_errors + other.probe_errors,
        )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def total(minutes: t.Iterable[Count]) -> Count:
    """Several minutes together."""
    found = Count()
    for minute in minutes:
        found += minute
    return found


class Times(t.Protocol):
    """How long requests took."""

    @property
    def count(self) -> float:
        """How many there were."""

    def percentile(self, share: float) -> float | None:
        """The seconds that ``share`` of them did not exceed; None where that isn't known."""

    def ranks(self) -> statistics.Weights | None:
        """What a rank test needs; None where that isn't known."""


@dataclass(frozen=True)
class Counted:
    """Times that are known exactly.

    Args:
        seconds: Each time, and how many requests took it.
    """

    seconds: statistics.Weights = field(default_factory=dict)

    @property
    def count(self) -> float:
        return sum(self.seconds.values())

    def percentile(self, share: float) -> float | None:
        return statistics.weighted_percentile(self.seconds, share) if self.seconds else None

    def ranks(self) -> statistics.Weights | None:
        return self.seconds


@dataclass(frozen=True)
class Histogram:
    """Times that are known by bucket.

    Percentiles are interpolated as Prometheus does, so they are off by up to the width of a bucket. A rank test takes
    all times of a bucket as equal, which makes it no less right, only less sharp.

    Args:
        buckets: Upper bound of each bucket, and how many requests are in it, not in those below.
    """

    buckets: statistics.Weights

    @classmethod
    def cumulative(cls, buckets: t.Mapping[float, float]) -> Histogram:
        """From Prometheus' form, in which each bucket counts those below it too."""
        found, below = {}, 0.0
        for bound in sorted(buckets):
            # Extrapolated counts are not always monotonic.
            found[bound] = max(buckets[bound] - below, 0.0)
            below = max(buckets[bound], below)
        return cls(found)

    @property
    def count(self) -> float:
        return math.fsum(self.buckets.values())

    def percentile(self, share: float) -> float | None:
        rank = share * self.count
        lower = below = 0.0
        for bound in sorted(self.buckets):
            inside = self.buckets[bound]
            if inside > 0 and below + inside >= rank:
                return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / inside
            below += inside
            lower = bound
        return None

    def ranks(self) -> statistics.Weights | None:
        return self.buckets


@dataclass(frozen=True)
class Quantiles:
    """Times of which only some percentiles are known, so that nothing tells noise from a difference.

    Args:
        seconds: Names of :data:`SHARES` and their seconds.
        count: How many requests they describe.
    """

    seconds: t.Mapping[str, float]
    count: float

    def percentile(self, share: float) -> float | None:
        return next((self.seconds.get(name) for name, of in SHARES.items() if of == share), None)

    def ranks(self) -> statistics.Weights | None:
        return None


class Side(t.NamedTuple):
    """What one side did.

    Attributes:
        minutes: The minutes that end now, the oldest first.
        times: How long its users' requests took lately, errors left out: failing is often quick.
        probe_times: The same of ours, which ask for something else and are compared among themselves only.
    """

    minutes: tuple[Count, ...] = ()
    times: Times = Counted()
    probe_times: Times = Counted()


class Figures(t.NamedTuple):
    """Both sides at one moment.

    Attributes:
        candidate: The release that is judged.
        age: How long it has had traffic, in seconds.
        baseline: The other one, in the same time.
        before: How long the other one's requests took in a time before.
        before_count: How many there were in that time, and how many failed.
    """

    candidate: Side
    age: float = math.inf
    baseline: Side = Side()
    before: Times = Counted()
    before_count: Count = Count()


class _Second:
    """What happened in one second."""

    __slots__ = ("errors", "probe_errors", "probes", "requests", "times")

    def __init__(self) -> None:
        self.requests = self.errors = self.probes = self.probe_errors = 0
        self.times: dict[float, int] = {}


class Tally:
    """Requests of one side, added up by the second: memory grows with time, not with traffic."""

    def __init__(self) -> None:
        self._seconds: dict[int, _Second] = {}

    def add(self, time: float, error: bool, seconds: float | None, probe: bool = False) -> None:
        """Count a request.

        Args:
            time: When it was answered, in seconds since 1970.
            error: Whether it failed.
            seconds: How long it took; None where that says nothing of the release.
            probe: Whether it was ours.
        """
        found = self._seconds.get(int(time))
        if found is None:
            found = self._seconds[int(time)] = _Second()
        found.requests += 1
        found.errors += error
        found.probes += probe
        found.probe_errors += probe and error
        if seconds is not None:
            found.times[seconds] = found.times.get(seconds, 0) + 1

    def count(self, begin: float, end: float) -> Count:
        """What happened after the second of ``begin``, up to and with that of ``end``."""
        chosen = self._between(begin, end)
        return Count(
            sum(one.requests for one in chosen),
            sum(one.errors for one in chosen),
            sum(one.probes for one in chosen),
            sum(one.probe_errors for one in chosen),
        )

    def minutes(self, end: float, minutes: int) -> tuple[Count, ...]:
        """The minutes up to a moment, the oldest first."""
        ends = [end - MINUTE * back for back in reversed(range(minutes))]
        return tuple(self.count(moment - MINUTE, moment) for moment in ends)

    def times(self, begin: float, end: float) -> Counted:
        """How long requests took that were answered in this time."""
        found: dict[float, int] = {}
        for second in self._between(begin, end):
            for seconds, count in second.times.items():
                found[seconds] = found.get(seconds, 0) + count
        return Counted(found)

    def forget(self, before: float) -> None:
        """Drop what happened before a moment."""
        for second in [one for one in self._seconds if one < int(before)]:
            del self._seconds[second]

    def _between(self, begin: float, end: float) -> list[_Second]:
        return [self._seconds[at] for at in range(int(begin) + 1, int(end) + 1) if at in self._seconds]
