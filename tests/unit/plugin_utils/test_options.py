# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extra variables, as the command line, AWX and runners give them."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options, spelling


def test_an_empty_text_counts_as_absent() -> None:
    names = (
        "deployment_config",
        "target_sites",
        "deployment_strategy",
        "strategy",
        "only",
        "only_closure",
        *options.defaults(),
    )
    assert options.read(dict.fromkeys(names, "")) == options.read({})


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("batch_size", "3", 3),
        ("batch_size", 3, 3),
        ("wait_time", "1.5", 1.5),
        ("rollback_on_failure", "No", False),
        ("rollback_on_failure", "true", True),
        ("run_tests", "yes", True),
        ("run_tests", "pytest -q", ["pytest -q"]),
        ("run_tests", ["a", ["b", "c"]], ["a", ["b", "c"]]),
        ("smoke_tests", "/shop", ["/shop"]),
        ("smoke_tests", '["/shop", ["/usr/bin/true"]]', ["/shop", ["/usr/bin/true"]]),
        (
            "smoke_tests",
            [{"path": "/shop", "contains": "cart"}, "./smoke"],
            [{"path": "/shop", "contains": "cart"}, "./smoke"],
        ),
        ("thaw", "together", "together"),
        ("health_check_timeout", "60", 60),
        ("steps", "5, 25 50", [5, 25, 50]),
        ("steps", "[5, 25]", [5, 25]),
        ("waves", "1,25%", [1, "25%"]),
        ("traffic_strategy", "A_B_TEST", "a_b_test"),
        ("traffic_strategy", "a-b-test", "a_b_test"),
    ],
)
def test_texts_become_the_type_an_option_has(name: str, given: t.Any, taken: t.Any) -> None:
    found = options.read({name: given})
    assert found.problems == []
    assert found.options == {name: taken}


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("batch_size", "two", 'extra variables: batch_size: found "two"; expected a whole number'),
        ("batch_size", "0", "extra variables: batch_size: found 0; expected at least 1"),
        ("thaw", "never", 'extra variables: thaw: found "never"; expected one of unit, together'),
        ("smoke_tests", "/with a blank", "expected a path beginning with '/', a mapping"),
        ("smoke_tests", [{"status": 200}], "extra variables: smoke_tests"),
        ("force", "maybe", 'extra variables: force: found "maybe"; expected true or false'),
        ("strategy", "quick", 'extra variables: strategy: found "quick"; expected one of rolling'),
        ("steps", "5,fifty", 'extra variables: steps: found "fifty"; expected a whole number'),
        ("steps", "[5, ", 'extra variables: steps: found "[5, "; expected a list'),
        ("rules", '{"error_rate": "much"}', "extra variables: rules"),
        ("rules", "error_rate=0.1", "extra variables: rules"),
        ("waves", "0", "extra variables: waves: "),
        ("only", {"a": 1}, "extra variables: only: expected a list of names"),
        ("only_closure", "perhaps", "extra variables: only_closure: found 'perhaps'; expected true or false"),
        ("deployment_config", "{x", "extra variables: deployment_config: is not valid JSON"),
        ("deployment_config", 3, "extra variables: deployment_config: expected a path or a mapping"),
    ],
)
def test_what_can_not_be_understood_is_told(name: str, given: t.Any, expected: str) -> None:
    found = options.read({name: given})
    [problem] = found.problems
    assert expected in str(problem)


def test_the_sources_own_name_of_the_strategy_wins() -> None:
    assert options.read({"strategy": "rolling", "deployment_strategy": "all_at_once"}).strategy == "all-at-once"


def test_a_deployment_given_as_json_text_is_a_mapping() -> None:
    assert options.read({"deployment_config": '{"apps": []}'}).deployment == {"apps": []}


def test_the_environment_gives_defaults_that_extra_variables_override() -> None:
    environ = {"LOCKSTEP_BENCH_PATH": "/a", "LOCKSTEP_SERVER": "web1"}
    found = options.read({"lockstep_bench_path": "/b"}, environ)
    assert (found.bench_path, found.server, found.bench_user) == ("/b", "web1", None)


@pytest.mark.parametrize(
    ("thaw", "back", "wrong"), [("together", False, True), ("together", True, False), ("unit", False, False)]
)
def test_what_is_frozen_together_has_to_go_back_by_itself(thaw: str, back: bool, wrong: bool) -> None:
    found = options.find_contradictions({**options.defaults(), "thaw": thaw, "rollback_on_failure": back})
    assert list(found) == (["rollback_on_failure"] if wrong else [])


@pytest.mark.parametrize(("strategy", "wrong"), [("canary", True), ("rolling", False), ("blue-green", False)])
def test_waves_are_not_let_in_together(strategy: str, wrong: bool) -> None:
    found = options.find_contradictions({**options.defaults(), "thaw": "together"}, strategy)
    assert list(found) == (["thaw"] if wrong else [])


def test_rules_are_a_mapping_or_the_json_of_one() -> None:
    for given in ('{"error_rate": 0.1, "gone": null}', {"error_rate": 0.1, "gone": None}):
        found = options.read({"rules": given})
        assert (found.options, found.problems) == ({"rules": {"error_rate": 0.1, "gone": None}}, [])


@pytest.mark.parametrize(
    ("freeze", "rehearsal", "wrong"),
    [("auto", "never", True), ("auto", "auto", False), ("auto", "always", False), ("reads", "never", False)],
)
def test_what_a_rehearsal_decides_needs_one(freeze: str, rehearsal: str, wrong: bool) -> None:
    found = options.find_contradictions({**options.defaults(), "freeze": freeze, "rehearsal": rehearsal})
    assert list(found) == (["rehearsal"] if wrong else [])


@pytest.mark.parametrize(
    ("strategy", "chosen", "said"),
    [
        ("blue-green", {}, ""),
        ("rolling", {}, "found clone with strategy: rolling; expected strategy: blue-green, or shared"),
        ("canary", {}, "found clone with strategy: canary"),
        ("blue-green", {"traffic_strategy": "gradual"}, "only one of two databases can take what they write"),
        ("blue-green", {"traffic_strategy": "a_b_test"}, "found clone with traffic_strategy: a_b_test"),
    ],
)
def test_a_cloned_database_is_greens_and_takes_all_visitors_at_once(
    strategy: str, chosen: dict[str, str], said: str
) -> None:
    given = {**options.defaults(), "green_database": "clone", **chosen}
    found = options.find_contradictions(given, strategy)
    assert list(found) == (["green_database"] if said else [])
    assert said in found.get("green_database", "")
    assert "green_database" not in options.find_contradictions({**given, "green_database": "shared"}, strategy)


def test_the_defaults_are_those_of_the_source_document() -> None:
    found = options.defaults()
    assert (found["batch_size"], found["wait_time"]) == (1, 30)
    assert found["rollback_on_failure"] is True
    assert found["backup_before_deployment"] is True
    assert found["timeout"] == 900


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [(None, "production", 3600), (None, "staging", 0), (0, "production", 0), (60, "staging", 60)],
)
def test_sites_are_watched_for_an_hour_in_production_unless_something_else_is_said(
    given: float | None, environment: str, expected: float
) -> None:
    assert options.watch_for(given, environment) == expected


@pytest.mark.parametrize("name", ["only", "target_sites", "steps", "waves"])
def test_a_list_that_was_cut_at_a_blank_is_refused(name: str) -> None:
    found = options.read({name: "5,"})
    assert (found.only, found.target_sites, found.options) == (None, None, {})
    [problem] = found.problems
    assert str(problem) == (
        f'extra variables: {name}: found "5,", which ends in a comma: after -e, a value ends at the first blank, and '
        "what came after that is lost; expected a list without blanks between its entries"
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("trafic_strategy", "traffic_strategy"),
        ("blue_retntion", "blue_retention"),
        ("alow", "allow"),
        ("target_site", "target_sites"),
        ("performance_path", "performance_paths"),
    ],
)
def test_a_name_that_is_nearly_ours_is_told_and_refused_by_nobody(given: str, meant: str) -> None:
    found = options.read({given: "x"})
    assert found.warnings == [
        f'-e {given}= is nothing of lockstep.deploy\'s, and decides nothing: did you mean "{meant}"?'
    ]
    assert found.problems == []


def test_names_that_are_ours_or_somebody_elses_are_not_told() -> None:
    ours = [*options.defaults(), *spelling.VARIABLES]
    theirs = ["send", "stage", "roles", "retry", "db_timeout", "app_version", "ansible_user", "region", "awx_user_name"]
    assert options.read(dict.fromkeys([*ours, *theirs], "")).warnings == []


def test_every_variable_that_playbooks_are_documented_to_take_is_known() -> None:
    playbooks = pathlib.Path(__file__).parents[3] / "playbooks"
    told = {name for file in playbooks.glob("*.yml") for name in re.findall(r"-e \"?(\w+)=", file.read_text("utf-8"))}
    assert told
    assert told <= {*options.defaults(), *spelling.VARIABLES}
