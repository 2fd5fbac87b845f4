# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tells a difference from noise: an interval for rates, a rank test for times, percentiles."""

from __future__ import annotations

import collections
import math
import statistics
import typing as t

Weights = t.Mapping[float, float]
"""Values, and how often each was seen."""

CONFIDENCE = 0.95


class Interval(t.NamedTuple):
    """Two bounds."""

    lower: float
    upper: float


class Ranks(t.NamedTuple):
    """What a rank test came to.

    Attributes:
        u: Mann-Whitney's U of the first sample: pairs in which it has the larger value, ties as a half.
        p: How likely a difference at least as large is, in either direction, where there is none.
    """

    u: float
    p: float


def wilson(events: float, trials: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval, without continuity correction, for the rate behind ``events`` of ``trials``.

    Args:
        events: How many were seen; not more than ``trials``.
        trials: Among how many. Without any, nothing is known: from 0 to 1.
        confidence: How often the interval holds the rate, half of the misses on either side.
    """
    if trials <= 0:
        return Interval(0.0, 1.0)
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    rate = events / trials
    scale = 1 + z * z / trials
    middle = (rate + z * z / (2 * trials)) / scale
    reach = z / scale * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # Where all or none were seen a bound is exact, and arithmetic would miss it by a hair.
    return Interval(0.0 if events <= 0 else middle - reach, 1.0 if events >= trials else middle + reach)


def mann_whitney(first: Weights, second: Weights) -> Ranks:
    """Mann-Whitney's U, two-sided, by the normal approximation with corrections for ties and continuity.

    The approximation is good from about 20 values a side; nothing here is judged by so few. Values are weighted
    instead of listed, since times in milliseconds repeat, and since the buckets of a histogram are nothing but ties.
    """
    n1, n2 = math.fsum(first.values()), math.fsum(second.values())
    total = n1 + n2
    below = rank_sum = ties = 0.0
    for value in sorted({*first, *second}):
        mine = first.get(value, 0)
        tied = mine + second.get(value, 0)
        rank_sum += mine * (below + (tied + 1) / 2)
        # Counts that Prometheus extrapolated can be less than one.
        ties += max(tied**3 - tied, 0)
        below += tied
    u = rank_sum - n1 * (n1 + 1) / 2
    if n1 <= 0 or n2 <= 0 or total <= 1:
        return Ranks(max(u, 0.0), 1.0)
    variance = n1 * n2 / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return Ranks(u, 1.0)
    z = max(abs(u - n1 * n2 / 2) - 0.5, 0) / math.sqrt(variance)
    return Ranks(u, math.erfc(z / math.sqrt(2)))


def percentile(values: t.Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all values do not exceed (nearest rank), so always one that was seen.

    Raises:
        ValueError: There are no values.
    """
    return weighted_percentile(collections.Counter(values), share)


def weighted_percentile(values: Weights, share: float) -> float:
    """The same for values that were counted.

    Raises:
        ValueError: There are no values.
    """
    rank = max(math.ceil(share * sum(values.values())), 1)
    seen = 0.0
    for value in sorted(values):
        seen += values[value]
        if seen >= rank:
            return value
    raise ValueError("there are no values")
