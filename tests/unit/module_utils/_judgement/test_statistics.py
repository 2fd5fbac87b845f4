# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our statistics are those of scipy."""

from __future__ import annotations

import collections
import typing as t

import hypothesis
import hypothesis.strategies as st
import pytest
import scipy.stats

from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Histogram
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.statistics import (
    mann_whitney,
    percentile,
    weighted_percentile,
    wilson,
)

# Few different values, so that many are tied, as times in milliseconds are.
TIMES = st.lists(st.integers(0, 30).map(lambda number: number / 1000), min_size=1, max_size=80)


def counted(values: t.Iterable[float]) -> dict[float, float]:
    return dict(collections.Counter(values))


@hypothesis.given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999)
)
def test_the_interval_of_a_rate_is_scipys(numbers: tuple[int, int], confidence: float) -> None:
    expected = scipy.stats.binomtest(*numbers).proportion_ci(confidence, method="wilson")
    assert wilson(*numbers, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_any_trial_every_rate_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@hypothesis.given(TIMES, TIMES)
def test_the_rank_test_is_scipys_with_its_corrections(first: list[float], second: list[float]) -> None:
    hypothesis.assume(len(set(first + second)) > 1)
    expected = scipy.stats.mannwhitneyu(first, second, alternative="two-sided", method="asymptotic")
    assert mann_whitney(counted(first), counted(second)) == pytest.approx(
        (expected.statistic, expected.pvalue), rel=1e-9
    )


@hypothesis.given(TIMES, TIMES)
def test_the_rank_test_says_the_same_of_both_sides(first: list[float], second: list[float]) -> None:
    there, back = mann_whitney(counted(first), counted(second)), mann_whitney(counted(second), counted(first))
    assert there.p == pytest.approx(back.p)
    assert there.u + back.u == pytest.approx(len(first) * len(second))


@pytest.mark.parametrize(
    ("first", "second"), [({}, {0.1: 5}), ({0.1: 5}, {}), ({}, {}), ({0.1: 3}, {0.1: 4}), ({0.1: 0.2}, {0.2: 0.3})]
)
def test_what_can_not_be_ranked_is_explained_by_chance(first: dict[float, float], second: dict[float, float]) -> None:
    assert mann_whitney(first, second).p == 1.0


def test_the_rank_test_stays_exact_for_millions() -> None:
    first, second = {0.1: 2_000_000.0, 0.3: 10.0}, {0.1: 2_000_000.0, 0.3: 60.0}
    expected = scipy.stats.chi2_contingency([[2_000_000, 10], [2_000_000, 60]], correction=False).pvalue
    assert mann_whitney(first, second).p == pytest.approx(expected, rel=1e-4)


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([5, 1, 4, 2, 3], 0.5) == 3
    assert percentile(list(range(1, 21)), 0.95) == 19
    assert percentile([7], 0.95) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@hypothesis.given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_not_exceeded_by_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


@hypothesis.given(TIMES, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_scipys(values: list[float], share: float) -> None:
    expected = scipy.stats.scoreatpercentile(values, 100 * share, interpolation_method="higher")
    found = weighted_percentile(counted(values), share)
    # Ours takes the nearest rank, which is the one scipy rounds up to, or the one before it.
    assert found <= expected
    assert sum(value < found for value in values) < share * len(values)


def test_a_histogram_has_prometheus_percentiles() -> None:
    # 60 requests up to 0.1 s, 30 up to 0.2 s, 10 above.
    found = Histogram.cumulative({0.1: 60, 0.2: 90, float("inf"): 100})
    assert found.count == 100
    assert found.percentile(0.5) == pytest.approx(0.1 * 50 / 60)
    assert found.percentile(0.75) == pytest.approx(0.15)
    assert found.percentile(0.99) == 0.2
    # What Prometheus extrapolates may fall from bucket to bucket.
    assert Histogram.cumulative({0.1: 10.0, 0.2: 9.5, 0.4: 20.0}).buckets == {0.1: 10.0, 0.2: 0.0, 0.4: 10.0}
    assert Histogram.cumulative({}).percentile(0.5) is None
    assert Histogram.cumulative({0.1: 0.0}).percentile(0.5) is None
