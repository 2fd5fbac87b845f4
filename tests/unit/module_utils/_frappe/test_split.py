# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the visitors of two releases saw in all of the time that they shared them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.split import summarise
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Figures
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import Record

BEGAN = 1_800_000_000.0


class Requests:
    """A source that was told each request.

    Args:
        each: How many each side gets in a second.
        slower: How many times as long as the old release's those of the new one take.
        wrong: The seconds in which one of the new release's requests fails; those of the first minute by default.
    """

    def __init__(self, lasted: int, each: int = 1, slower: float = 1.0, wrong: range = range(60)) -> None:
        self._record = Record(BEGAN)
        for second in range(lasted):
            for number in range(each):
                at = BEGAN + second + 0.5
                self._record.add(BASELINE, at, False, 0.010 + number % 2 / 1000)
                failed = second in wrong and number == 0
                self._record.add(CANDIDATE, at, failed, None if failed else (0.010 + number % 2 / 1000) * slower)

    def figures(self, at: float, rules: Rules) -> Figures:
        return self._record.figures(at, rules)


def seen(lasted: int, rules: Rules = Rules(), **more: t.Any) -> dict[str, t.Any]:  # noqa: B008 - it can't be changed
    return summarise(Requests(lasted, **more), rules, BEGAN, BEGAN + lasted)


def test_all_requests_count_however_long_ago_they_were() -> None:
    found = seen(1000, each=2)
    assert found["sides"]["candidate"]["requests"] == found["sides"]["live"]["requests"] == 2000
    assert (found["sides"]["candidate"]["errors"], found["sides"]["live"]["errors"]) == (60, 0)
    assert found["sides"]["candidate"]["error_rate"] == pytest.approx(0.03)
    assert found["sides"]["live"]["p50"] == pytest.approx(0.010)
    assert found["sides"]["live"]["p99"] == pytest.approx(0.011)
    assert found["judgement"]["seconds"] == 1000


def test_errors_of_long_ago_are_no_reason_any_more_and_those_of_the_last_minutes_are() -> None:
    assert seen(600, each=4)["judgement"]["status"] == "pass"
    lately = seen(600, each=4, wrong=range(420, 600))["judgement"]
    assert lately["status"] == "fail"
    assert "25.0, 25.0, 25.0 % of the requests of 3 minutes failed" in lately["reasons"][0]


def test_too_little_is_said_to_be_too_little() -> None:
    found = seen(20)["judgement"]
    assert found["status"] == "inconclusive"
    assert "traffic for 20 s and not for 3 minutes" in found["reasons"][0]
    few = seen(300, Rules(min_requests=100))["judgement"]
    assert few["status"] == "inconclusive"
    assert "with fewer than 100 it says nothing" in few["reasons"][0]


def test_times_are_compared_over_all_of_the_share() -> None:
    # Fewer than 200 a side in the last 180 s, and enough in all of the time.
    slow = seen(600, Rules(min_requests=10), slower=2.0)["judgement"]
    assert slow["status"] == "fail"
    assert slow["reasons"][0].startswith("latency: a median of 0.020 s is 2.00 times")


def test_a_share_of_this_moment_has_no_figures_and_no_verdict() -> None:
    found = seen(0)
    assert found["sides"]["candidate"] == {
        "requests": 0, "errors": 0, "error_rate": None, "p50": None, "p95": None, "p99": None
    }  # fmt: skip
    assert found["judgement"]["status"] == "inconclusive"
