# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment ends well, or goes back and says so: whichever units fail, are unreachable or left out."""

from __future__ import annotations

import pathlib

import pytest

from tests.integration.strategy.scene import HERE, Result, Scene

FOUR_PLAYS = HERE / "four_plays.yml"

UNITS: dict[str, list[str]] = {
    "bench1": [],
    "site1": ["bench1"],
    "site2": ["bench1"],
    "site3": ["site1", "site2"],
    "bench2": [],
    "site4": ["bench2"],
}


def assert_begun_in_order(result: Result) -> None:
    for unit in result.units("begin"):
        for need in UNITS[unit]:
            assert result.events.index(f"{need} done") < result.events.index(f"{unit} begin")


def assert_undone_in_reverse(result: Result) -> None:
    undone = result.units("undo")
    for unit in undone:
        for need in UNITS[unit]:
            assert need not in undone or undone.index(unit) < undone.index(need)


def test_all_units_are_deployed_in_order_and_nothing_is_undone(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS)
    assert result.rc == 0, result.output
    assert set(result.units("done")) == set(UNITS)
    assert_begun_in_order(result)
    assert result.units("undo") == []
    assert result.outcome["forward"]["withheld"] == []


def test_one_unit_fails(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, failing=["site1"])
    assert result.rc == 2
    assert_begun_in_order(result)
    assert_undone_in_reverse(result)
    assert "site3" not in result.units("begin")
    after_failure = result.events[result.events.index("site1 rescued") :]
    assert not [event for event in after_failure if event.endswith("begin")]
    assert sorted(result.units("undo")) == sorted(result.units("begin"))
    assert result.outcome["forward"]["failed"] == ["site1"]
    assert result.outcome["forward"]["blocked"] == ["site3"]
    assert set(result.outcome["forward"]["withheld"]) == set(UNITS) - set(result.units("begin"))


def test_every_unit_fails_and_rollback_and_verdict_run_nevertheless(tmp_path: pathlib.Path) -> None:
    units: dict[str, list[str]] = {"site1": [], "site2": []}
    result = Scene(tmp_path, units).run(FOUR_PLAYS, failing=list(units))
    assert result.rc == 2
    assert sorted(result.units("undo")) == ["site1", "site2"]
    assert result.outcome["forward"]["failed"] == ["site1", "site2"]
    assert sorted(result.outcome["reverse"]["done"]) == ["site1", "site2"]


def test_every_unit_is_unreachable_and_the_verdict_is_told_nevertheless(tmp_path: pathlib.Path) -> None:
    units: dict[str, list[str]] = {"site1": [], "site2": []}
    result = Scene(tmp_path, units, unreachable=units).run(FOUR_PLAYS)
    assert result.rc != 0
    assert result.events == []
    assert result.outcome["forward"]["unreachable"] == ["site1", "site2"]


def test_an_unreachable_unit_has_failed_and_what_it_needs_is_not_undone(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS, unreachable=["site1"]).run(FOUR_PLAYS)
    assert result.rc != 0
    assert result.outcome["forward"]["unreachable"] == ["site1"]
    assert "site3" in result.outcome["forward"]["withheld"]
    assert result.outcome["reverse"]["unreachable"] == ["site1"]
    assert result.outcome["reverse"]["withheld"] == ["bench1"]
    assert sorted(result.units("undo")) == sorted(set(result.units("done")) - {"bench1"})


def test_a_unit_that_is_reachable_again_is_undone_like_the_others(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path, UNITS, unreachable=["site1"])
    result = scene.run(FOUR_PLAYS, gate=str(scene.gate))
    assert result.rc != 0
    assert "site1" in result.units("undo")
    assert result.units("undo")[-1] in ("bench1", "bench2")
    assert_undone_in_reverse(result)
    assert result.outcome["reverse"]["failed"] == []


def test_a_failed_undo_keeps_what_it_stands_on_and_nothing_else(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, failing=["site3"], failing_undo=["site2"], window=6)
    assert result.rc == 2
    assert result.outcome["reverse"]["failed"] == ["site2"]
    assert result.outcome["reverse"]["withheld"] == ["bench1"] == result.outcome["reverse"]["blocked"]
    assert set(result.outcome["reverse"]["done"]) == set(UNITS) - {"site2", "bench1"}


@pytest.mark.parametrize("limit", ["bench1:site1", "bench1:site1:lockstep_controller", "!bench2:!site2:!site3:!site4"])
def test_a_limit_with_its_dependencies_deploys_these_units_alone(tmp_path: pathlib.Path, limit: str) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, "--limit", limit)
    assert result.rc == 0, result.output
    assert result.events == ["bench1 begin", "bench1 done", "site1 begin", "site1 done"]


def test_a_limit_in_which_every_unit_fails_is_undone_and_told(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, "--limit", "bench1", failing=["bench1"])
    assert result.rc == 2
    assert result.events == ["bench1 begin", "bench1 rescued", "bench1 undo"]


def test_a_limit_without_a_dependency_is_refused_and_names_it(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, "--limit", "site1:site4:bench2")
    assert result.rc != 0
    assert result.events == []
    assert "site1 depends on bench1" in result.output
    assert "site4 depends on" not in result.output


def test_a_limit_without_any_unit_is_refused(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, "--limit", "server1")
    assert result.rc != 0
    assert result.events == []


@pytest.mark.parametrize("proof", [{"lockstep_live_units": ["bench1"]}, {"lockstep_ignore_dependencies": "true"}])
def test_a_missing_dependency_may_be_proven_live_or_ignored(tmp_path: pathlib.Path, proof: dict[str, object]) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, "--limit", "site1", **proof)
    assert result.rc == 0, result.output
    assert result.events == ["site1 begin", "site1 done"]


def test_units_that_the_plan_leaves_out_never_start(tmp_path: pathlib.Path) -> None:
    chosen = {"units": [{"name": "bench1"}, {"name": "site1", "depends_on": ["bench1"]}]}
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, plan=chosen)
    assert result.rc == 0, result.output
    assert result.units("done") == ["bench1", "site1"]


def test_a_plan_that_leaves_a_dependency_out_is_refused(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, plan={"units": [{"name": "site1", "depends_on": ["bench1"]}]})
    assert result.rc != 0
    assert result.events == []
    assert "site1 depends on bench1" in result.output


def test_check_mode_walks_through_all_units_and_changes_nothing(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, UNITS).run(FOUR_PLAYS, "--check")
    assert result.rc == 0, result.output
    assert result.events == []
    assert set(result.outcome["forward"]["done"]) == set(UNITS)


def test_the_playbook_passes_a_syntax_check(tmp_path: pathlib.Path) -> None:
    assert Scene(tmp_path, UNITS).run(FOUR_PLAYS, "--syntax-check").rc == 0
