# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan warns of before visitors are shared out."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options, plan_parts
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import SITE_DRIVER

SITE: t.Any = types.SimpleNamespace(
    name="site1.local",
    driver=SITE_DRIVER,
    server="s",
    depends_on=[],
    bench={"name": "b", "database": {"admin": {}}},
)


def warned(
    selected: t.Sequence[t.Any] = (SITE,),
    strategy: str = "rolling",
    chosen: str | None = None,
    in_file: t.Mapping[str, t.Any] | None = None,
    seconds: float = 1.0,
    **given: t.Any,
) -> str:
    deployment: t.Any = types.SimpleNamespace(
        options={**options.defaults(), **(in_file or {}), **given},
        sites=[SITE],
        strategy=strategy,
        choices=options.Choices(strategy=chosen, options=given),
    )
    return "\n".join(plan_parts.warnings(deployment, selected, [], {"site1.local": seconds}, 1))


@pytest.mark.parametrize("strategy", ["gradual", "canary", "a_b_test"])
def test_of_releases_that_share_visitors_it_is_said_what_does_not_get_across(strategy: str) -> None:
    assert "realtime messages of one release don't get to visitors of the other" in warned(traffic_strategy=strategy)
    assert ("the run lasts until somebody ends the share" in warned(traffic_strategy=strategy)) == (
        strategy == "a_b_test"
    )


def test_a_share_that_nothing_can_be_concluded_from_is_said_to_pass_for_one() -> None:
    short = {"traffic_strategy": "gradual", "step_wait": 30, "on_inconclusive": "go_on"}
    assert "step_wait: 30: nothing can be concluded from visitors' requests in less than 180 s" in warned(**short)
    assert "step_wait" not in warned(**{**short, "step_wait": 180})


def test_nothing_of_that_is_said_where_no_visitors_are_shared() -> None:
    assert "caches" not in warned()
    assert "caches" not in warned(selected=(), traffic_strategy="a_b_test")
    assert "caches" not in warned(traffic_strategy="gradual", steps=[100])


@pytest.mark.parametrize(
    ("given", "useless"),
    [
        ({"steps": [5, 50], "sticky": "address"}, ["steps", "sticky"]),
        ({"steps": [5, 50], "strategy": "canary"}, ["steps"]),
        ({"steps": [5, 50], "step_wait": 300, "traffic_strategy": "gradual"}, []),
        ({"step_wait": 300, "on_inconclusive": "go_on"}, ["step_wait", "on_inconclusive"]),
        ({"step_wait": 300, "waves": [1], "strategy": "canary"}, []),
        ({"waves": [1], "blue_retention": 60}, ["waves", "blue_retention"]),
        ({"blue_retention": 60, "strategy": "blue-green"}, []),
        ({"batch_size": 2, "wait_time": 5}, []),
        ({"batch_size": 2, "wait_time": 5, "strategy": "sequential"}, ["batch_size"]),
        ({"batch_size": 2, "wait_time": 5, "strategy": "parallel"}, ["batch_size", "wait_time"]),
        ({"batch_size": 2, "wait_time": 5, "strategy": "canary"}, ["wait_time"]),
    ],
)
def test_what_is_given_for_a_run_and_has_no_effect_is_told(given: dict[str, t.Any], useless: list[str]) -> None:
    told = [line.split()[0] for line in warned(**given).splitlines() if "has no effect with" in line]
    assert told == useless


def test_it_is_told_with_what_an_option_has_no_effect_and_with_what_it_has() -> None:
    assert "blue_retention has no effect with strategy rolling, only with strategy blue-green" in warned(
        blue_retention=600
    )


def test_an_option_of_the_file_is_told_unless_the_run_chose_for_itself() -> None:
    of_file = {"blue_retention": 600, "waves": [2, "100%"]}
    told = warned(in_file=of_file)
    assert "blue_retention has no effect with strategy rolling" in told
    assert "waves has no effect with strategy rolling" in told
    assert "has no effect" not in warned(in_file=of_file, chosen="rolling")


def test_a_long_freeze_is_told_in_minutes() -> None:
    assert "until the last one is verified, about 5 min 15 s" in warned(thaw="together", seconds=315.0)


@pytest.mark.parametrize("shared", ["gradual", "canary", "a_b_test"])
def test_sites_that_are_let_in_together_share_no_visitors(shared: str) -> None:
    given = {**options.defaults(), "thaw": "together", "traffic_strategy": shared}
    assert f"together with traffic_strategy: {shared}" in options.find_contradictions(given)["thaw"]
    assert options.find_contradictions({**given, "traffic_strategy": "instant"}) == {}
