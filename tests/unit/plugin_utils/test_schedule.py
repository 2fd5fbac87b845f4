# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Estimates, the order of units and the end of all."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options, schedule
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import BENCH_DRIVER, SITE_DRIVER, Unit


def unit(name: str, *needs: str, server: str = "s", site: bool = True) -> Unit:
    return Unit(name, SITE_DRIVER if site else BENCH_DRIVER, server, {}, {} if site else None, list(needs), [])


BENCH = unit("bench", site=False)
SITES = [unit(f"site{number}", "bench") for number in range(4)]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("rolling", 3), ("sequential", 1), ("all-at-once", 0), ("parallel", 0), ("canary", 3), ("blue-green", 3)],
)
def test_the_window_of_each_strategy(strategy: str, expected: int) -> None:
    assert schedule.window(strategy, {**options.defaults(), "batch_size": 3}) == expected


def test_estimates_come_from_the_unit_then_from_its_driver_then_from_defaults() -> None:
    units = [BENCH, *SITES[:2]]
    found = schedule.estimates(units, {"site0": 7.0, "frappe_bench": 100}, "rolling", options.defaults())
    assert found == {"bench": 100.0, "site0": 7.0 + 30.0, "site1": 45.0 + 30.0}
    assert schedule.estimates(units, {}, "parallel", options.defaults())["site1"] == 45.0


def test_a_canary_and_shared_visitors_take_the_time_they_are_watched() -> None:
    given = {**options.defaults(), "step_wait": 60, "traffic_strategy": "gradual"}
    assert schedule.estimates([BENCH, SITES[0]], {}, "canary", given)["site0"] == 45.0 + 60 + 3 * 60
    assert schedule.estimates([BENCH, SITES[0]], {}, "rolling", given)["site0"] == 45.0 + 30 + 3 * 60


def test_what_a_site_took_before_says_nothing_of_how_long_it_is_watched_now() -> None:
    given = {**options.defaults(), "step_wait": 180, "traffic_strategy": "gradual", "steps": [25, 100]}
    known = {"site0": 12.0, "bench": 80.0}
    assert schedule.estimates([BENCH, SITES[0]], known, "rolling", given) == {"bench": 80.0, "site0": 12.0 + 30 + 180}


def test_the_estimate_of_all_follows_the_window() -> None:
    seconds = {"bench": 100.0, **{site.name: 10.0 for site in SITES}}
    found = {window: schedule.simulate([BENCH, *SITES], seconds, window, 8).seconds for window in (1, 2, 0)}
    assert found == {1: 140.0, 2: 120.0, 0: 110.0}
    assert schedule.simulate([BENCH, *SITES], seconds, 0, 1).seconds == 140.0


def test_the_unit_that_the_longest_chain_waits_for_goes_first() -> None:
    units = [BENCH, unit("short", "bench"), unit("long", "bench"), unit("after", "long")]
    seconds = dict.fromkeys(("bench", "short", "long", "after"), 10.0)
    assert schedule.simulate(units, seconds, 2, 8).order == ["bench", "long", "short", "after"]
    assert schedule.simulate(units, seconds, 1, 8).order == ["bench", "short", "long", "after"], "as in the file"


@hypothesis.given(st.lists(st.sets(st.integers(0, 9), max_size=3), max_size=10), st.integers(0, 4), st.integers(1, 3))
def test_every_unit_is_in_the_order_once_and_after_what_it_needs(
    needs: list[set[int]], window: int, per_server: int
) -> None:
    units = [
        unit(f"u{at}", *(f"u{other}" for other in needed if other < at), server=f"s{at % 2}")
        for at, needed in enumerate(needs)
    ]
    seconds = {one.name: float(at % 4) for at, one in enumerate(units)}
    found = schedule.simulate(units, seconds, window, per_server)
    assert sorted(found.order) == sorted(one.name for one in units)
    for one in units:
        assert all(found.order.index(other) < found.order.index(one.name) for other in one.depends_on)


def test_what_is_not_selected_is_not_waited_for() -> None:
    assert schedule.simulate([SITES[0]], {"site0": 5.0}, 1, 8) == schedule.Schedule(["site0"], 5.0)
