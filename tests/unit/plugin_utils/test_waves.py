# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sites a canary begins with."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options, waves
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import BENCH_DRIVER, SITE_DRIVER, Unit


def unit(name: str, *needs: str, driver: str = SITE_DRIVER) -> Unit:
    return Unit(name, driver, "s", {}, None, list(needs), [])


BENCH = unit("bench", driver=BENCH_DRIVER)
SITES = [unit(f"site{number}", "bench") for number in range(1, 9)]


def planned(units: t.Sequence[Unit], *sizes: int | str) -> list[list[str]]:
    return waves.plan(units, "canary", {**options.defaults(), "waves": list(sizes)})


def test_by_default_one_site_goes_first_with_its_bench() -> None:
    found = waves.plan([BENCH, *SITES], "canary", options.defaults())
    assert found == [["bench", "site1"], [f"site{number}" for number in range(2, 9)]]


def test_other_strategies_have_no_waves() -> None:
    assert waves.plan([BENCH, *SITES], "rolling", options.defaults()) == []


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ((1, "25%", "100%"), [1, 1, 6]),
        (("1%",), [1, 7]),
        ((3, 2), [2, 1, 5]),
        ((20,), [8]),
        ((8,), [8]),
    ],
)
def test_waves_reach_as_many_sites_as_they_say_and_the_last_one_all(
    sizes: tuple[int | str, ...], counts: list[int]
) -> None:
    assert [sum(name != "bench" for name in names) for names in planned([BENCH, *SITES], *sizes)] == counts


def test_what_a_site_depends_on_comes_with_it() -> None:
    hub, other = unit("hub", "bench"), unit("other-bench", driver=BENCH_DRIVER)
    first, last = unit("first", "bench", "hub"), unit("last", "other-bench")
    assert planned([BENCH, other, first, last, hub], 1) == [["bench", "first", "hub"], ["other-bench", "last"]]


def test_a_run_without_sites_has_one_wave() -> None:
    assert planned([BENCH], 1) == [["bench"]]
