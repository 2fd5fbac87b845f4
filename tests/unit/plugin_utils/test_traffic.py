# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With which shares visitors get to a new release."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options, traffic


def given(**more: t.Any) -> dict[str, t.Any]:
    return {**options.defaults(), **more}


@pytest.mark.parametrize(
    ("strategy", "steps", "hold"),
    [("instant", [], False), ("gradual", [5, 25, 50], False), ("canary", [5], False), ("a_b_test", [5, 25, 50], True)],
)
def test_the_shares_of_each_strategy(strategy: str, steps: list[int], hold: bool) -> None:
    found = traffic.shares(given(traffic_strategy=strategy))
    assert (found["steps"], found["hold"]) == (steps, hold)


def test_a_share_is_given_up_for_dead_long_after_it_should_have_ended() -> None:
    found = traffic.shares(given(traffic_strategy="gradual", step_wait=100))
    assert found["longest"] > 3 * 100 + 900
    assert traffic.seconds(given(traffic_strategy="gradual", step_wait=100)) == 300
    assert traffic.shares(given(traffic_strategy="a_b_test"))["longest"] > 30 * 24 * 3600


@pytest.mark.parametrize("steps", [[50, 25], [5, 5]])
def test_shares_that_do_not_rise_are_refused(steps: list[int]) -> None:
    assert "shares that rise" in traffic.find_contradictions(given(steps=steps))["steps"]


def test_a_share_of_everybody_is_none_to_compare_with() -> None:
    assert traffic.find_contradictions(given(steps=[100], traffic_strategy="gradual")) == {}
    assert "one below 100" in traffic.find_contradictions(given(steps=[100], traffic_strategy="canary"))["steps"]
    assert options.find_contradictions(given(steps=[100], traffic_strategy="a_b_test")).keys() == {"steps"}


@pytest.mark.parametrize(
    ("more", "least"),
    [
        ({}, 180),
        ({"rules": {"minutes": 1}}, 180),
        ({"rules": {"minutes": 5}}, 300),
        ({"rules": {"minutes": 1, "latency_window": 30}}, 60),
        ({"rules": {"error_rate": None, "latency_window": 30}}, 30),
        ({"rules": {"error_rate": None, "latency_ratio": None}}, 0),
    ],
)
def test_a_share_too_short_to_say_anything_is_refused_where_it_would_always_go_back(
    more: dict[str, t.Any], least: int
) -> None:
    for strategy in ("gradual", "canary", "a_b_test"):
        assert traffic.find_contradictions(given(traffic_strategy=strategy, step_wait=least, **more)) == {}
    short = given(traffic_strategy="a_b_test", step_wait=least - 1, **more)
    if least:
        wrong = options.find_contradictions(short)["step_wait"]
        assert f"in less than {least} s; expected at least that, or on_inconclusive: go_on" in wrong
    assert traffic.find_contradictions({**short, "on_inconclusive": "go_on"}) == {}
    assert traffic.find_contradictions({**short, "traffic_strategy": "instant"}) == {}
    assert traffic.find_contradictions({**short, "traffic_strategy": "gradual", "steps": [100]}) == {}
