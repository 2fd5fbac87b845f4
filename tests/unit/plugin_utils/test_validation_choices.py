# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What validate.yml is asked for."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import validation_choices as choices_of


def read(**variables: t.Any) -> choices_of.Choices:
    return choices_of.read(variables, "staging")


@pytest.mark.parametrize("nothing", ["", "  ", None, []])
def test_without_types_nothing_is_done_that_anybody_could_feel(nothing: t.Any) -> None:
    found = read(types=nothing, duration="", performance_paths="", deployment_id="", environment="")
    assert found == choices_of.Choices()
    assert found.types == ("health", "configuration", "security")


@pytest.mark.parametrize(
    "given",
    [
        "health,performance",
        "performance health",
        ["performance", "health"],
        '["health", "performance"]',
        "Performance, health",
    ],
)
def test_types_are_a_list_or_a_text_and_load_comes_last(given: t.Any) -> None:
    assert read(types=given).types == ("health", "performance")


def test_all_types_can_be_asked_for_in_a_word() -> None:
    assert read(types="all").types == choices_of.TYPES


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("types", "health,speed", "types: found speed; expected some of health, configuration"),
        ("types", {"health": True}, "types: expected a list of names"),
        ("types", "health,", 'types: found "health,", which ends in a comma'),
        ("performance_paths", "/login,", 'performance_paths: found "/login,", which ends in a comma'),
        ("duration", "a while", "duration: found 'a while'; expected a whole number from 1 to 3600 (seconds)"),
        ("duration", "0", "duration: found '0'"),
        ("duration", 1.5, "duration: found 1.5"),
        ("duration", "nan", "duration: found 'nan'"),
        ("performance_duration", "3601", "performance_duration: found '3601'"),
        ("performance_connections", "-1", "expected a whole number from 1 to 1000 (connections)"),
        ("performance_max_error_rate", 101, "expected a number from 0 to 100 (percent)"),
        ("performance_max_p95", "0", "performance_max_p95: found '0'"),
        ("performance_paths", "login", "performance_paths: "),
        ("environment", "moon", 'environment: found "moon"; expected one of development, staging, production'),
        ("environment", "production", 'found "production", and the deployment file is for staging'),
    ],
)
def test_what_can_not_be_understood_is_named(name: str, given: t.Any, said: str) -> None:
    problems = read(**{name: given}).problems
    assert len(problems) == 1
    assert said in problems[0]


def test_both_names_of_the_duration_mean_the_same() -> None:
    assert read(types="performance", performance_duration="120").duration == 120
    assert read(types="performance", performance_duration="9", duration=9).problems == []
    assert read(duration=9, performance_duration=10).problems == [
        "duration and performance_duration mean the same, and are given with two values"
    ]


def test_the_environment_of_the_file_may_be_named() -> None:
    assert read(environment="staging").problems == []


def test_what_concerns_load_is_noted_where_none_is_made() -> None:
    assert read(duration=5).notes == ["duration: no load is made, since performance is not among the types"]
    assert read(duration=5, types="performance").notes == []


def test_bounds_and_paths_are_taken() -> None:
    found = read(
        types="performance", performance_paths="/login,/shop", performance_max_p95="250.5", performance_connections="8"
    )
    assert (found.paths, found.max_p95, found.connections) == (("/login", "/shop"), 250.5, 8)
