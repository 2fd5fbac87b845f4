# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the strategy runs the tasks of a play, whatever they are made of."""

from __future__ import annotations

import pathlib

import pytest

from tests.integration.strategy.scene import Play, Result, Scene, Task, record

CHAIN: dict[str, list[str]] = {"first": [], "second": ["first"]}
FAIL: Task = {"ansible.builtin.fail": None}
DEBUG: Task = {"ansible.builtin.debug": None}


def apart(count: int) -> dict[str, list[str]]:
    return {f"unit{number}": [] for number in range(count)}


def most_in_flight(result: Result) -> int:
    most = in_flight = 0
    for event in result.events:
        in_flight += 1 if event.endswith("begin") else -1
        most = max(most, in_flight)
    return most


def test_nothing_starts_while_a_unit_is_being_rescued_and_a_rescued_unit_counts_as_done(tmp_path: pathlib.Path) -> None:
    units: dict[str, list[str]] = {"rescued": [], "other": [], "waiting": []}
    until_other_ended = {
        "ansible.builtin.wait_for": {"path": "{{ events }}", "search_regex": '"other", "event": "end"', "timeout": 60},
        "delegate_to": "{{ lockstep_server }}",
    }
    tasks = [
        {
            "block": [record("begin"), {**FAIL, "when": "inventory_hostname == 'rescued'"}],
            "rescue": [until_other_ended, record("rescue", seconds=1), record("recovered")],
        },
        record("end"),
    ]
    result = Scene(tmp_path, units).run(Play(tasks), lockstep_window=2)
    assert result.rc == 0, result.output
    assert result.events.index("other end") < result.events.index("rescued recovered")
    assert result.events.index("rescued recovered") < result.events.index("waiting begin")


def test_a_unit_that_fails_and_runs_always_lets_no_dependent_start(tmp_path: pathlib.Path) -> None:
    result = Scene(tmp_path, CHAIN).run(Play([{"block": [FAIL], "always": [record("always")]}]))
    assert result.rc == 2
    assert result.events == ["first always"]
    assert result.outcome["forward"]["blocked"] == ["second"]


def test_who_interrupts_a_run_is_told_what_is_in_flight_and_what_to_do(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path, CHAIN)
    units = [{"name": name, "depends_on": needs} for name, needs in CHAIN.items()]
    plan = {"deployment_id": "20261129T120000Z-aaaaaa", "units": units}
    tasks = [record("begin"), {"ansible.builtin.wait_for": {"path": "{{ outcome }}.never", "timeout": 60}}]
    result = scene.run(Play(tasks), interrupt=lambda: scene.begun() == ["first begin"], lockstep_plan=plan)
    assert result.rc == 99, result.output
    text = " ".join(result.output.split())
    assert "Interrupted with units in flight: first. Their servers go on" in text
    assert "ansible-playbook lockstep.deploy.status." in text
    assert "lockstep.deploy.rollback -e deployment_id=20261129T120000Z-aaaaaa -e reason=WHY" in text


def test_a_failure_deep_in_nested_blocks_is_seen(tmp_path: pathlib.Path) -> None:
    tasks = [
        {
            "block": [{"block": [record("begin"), FAIL], "always": [{"ansible.builtin.meta": "noop"}]}],
            "rescue": [record("rescue"), {"block": [FAIL], "rescue": [FAIL]}],
        }
    ]
    result = Scene(tmp_path, CHAIN).run(Play(tasks))
    assert result.rc == 2
    assert result.events == ["first begin", "first rescue"]
    assert result.outcome["forward"]["failed"] == ["first"]


def test_handlers_of_a_unit_run_before_its_dependents_start(tmp_path: pathlib.Path) -> None:
    notify = {**DEBUG, "changed_when": True, "notify": "Record handler"}
    result = Scene(tmp_path, CHAIN).run(Play([notify], {"handlers": [record("handler")]}))
    assert result.rc == 0, result.output
    assert result.events == ["first handler", "second handler"]


def test_a_unit_may_end_early_and_counts_as_done(tmp_path: pathlib.Path) -> None:
    end = {"ansible.builtin.meta": "end_host", "when": "inventory_hostname == 'first'"}
    result = Scene(tmp_path, CHAIN).run(Play([record("begin"), end, record("end")]))
    assert result.rc == 0, result.output
    assert result.events == ["first begin", "second begin", "second end"]


def test_units_without_anything_to_do_are_done_at_once(tmp_path: pathlib.Path) -> None:
    chain = {f"unit{number}": [f"unit{number - 1}"] if number else [] for number in range(20)}
    end = {"ansible.builtin.meta": "end_host", "when": "inventory_hostname != 'unit19'"}
    result = Scene(tmp_path, chain).run(Play([end, record("begin")]))
    assert result.rc == 0, result.output
    assert result.events == ["unit19 begin"]
    assert len(result.outcome["forward"]["done"]) == 20


def test_a_throttled_task_runs_in_every_unit(tmp_path: pathlib.Path) -> None:
    tasks = [record("begin"), record("throttled", seconds=0.2, throttle=1), record("end")]
    result = Scene(tmp_path, apart(7)).run(Play(tasks), lockstep_window=5)
    assert result.rc == 0, result.output
    assert set(result.units("end")) == set(apart(7))


def test_units_that_failed_in_a_play_before_are_not_built_upon(tmp_path: pathlib.Path) -> None:
    before = {
        "hosts": "lockstep_controller:lockstep_units",
        "gather_facts": False,
        "tasks": [{**FAIL, "when": "inventory_hostname == 'unit1'"}],
    }
    result = Scene(tmp_path, apart(2)).run(Play([record("begin")], before=[before]))
    assert result.rc != 0
    assert result.events == []
    assert result.outcome["forward"]["failed"] == ["unit1"]
    assert result.outcome["forward"]["withheld"] == ["unit0"]


def test_a_unit_in_flight_never_waits_for_a_fork(tmp_path: pathlib.Path) -> None:
    tasks = [record("begin"), record("end")]
    result = Scene(tmp_path, apart(6)).run(Play(tasks), "--forks", "2", lockstep_window=0)
    assert result.rc == 0, result.output
    assert most_in_flight(result) <= 2
    assert "--forks 6" in result.output


def test_a_server_takes_no_more_units_than_it_is_allowed(tmp_path: pathlib.Path) -> None:
    tasks = [record("begin"), record("end")]
    result = Scene(tmp_path, apart(6)).run(Play(tasks), lockstep_window=0, lockstep_per_server=2)
    assert result.rc == 0, result.output
    assert most_in_flight(result) <= 2


@pytest.mark.parametrize(
    ("task", "keywords", "named"),
    [
        (DEBUG, {"serial": 2}, "serial"),
        ({**DEBUG, "run_once": True}, {}, "run_once"),
        (DEBUG, {"run_once": True}, "run_once"),
        ({"ansible.builtin.pause": {"seconds": 1}}, {}, "pause"),
        ({"block": [{"add_host": {"name": "another"}}]}, {}, "add_host"),
        ({"meta": "clear_host_errors"}, {}, "clear_host_errors"),
        ({"ansible.builtin.meta": "end_play"}, {}, "end_play"),
        (DEBUG, {"vars": {"lockstep_window": "a few"}}, "lockstep_window"),
        (DEBUG, {"vars": {"lockstep_direction": "sideways"}}, "lockstep_direction"),
        (DEBUG, {"hosts": "lockstep_units"}, "lockstep_controller has to be among the hosts"),
    ],
)
def test_what_can_not_go_by_units_is_refused_before_anything_starts(
    tmp_path: pathlib.Path, task: Task, keywords: Task, named: str
) -> None:
    result = Scene(tmp_path, CHAIN).run(Play([record("begin"), task], keywords))
    assert result.rc != 0
    assert result.events == []
    assert named in result.output


def test_each_result_is_shown_below_the_name_of_its_task_though_skipped_ones_are_hidden(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_DISPLAY_SKIPPED_HOSTS", "false")
    tasks = [
        record("one", when="inventory_hostname == 'unit0'", seconds=1),
        record("two", when="inventory_hostname == 'unit1'", seconds=2),
    ]
    shown = Scene(tmp_path, apart(2)).run(Play(tasks), lockstep_window=2).output
    assert banner_above(shown, "changed: [unit0") == "Record one"
    assert banner_above(shown, "changed: [unit1") == "Record two"


def banner_above(shown: str, line: str) -> str:
    return shown[: shown.index(line)].rpartition("TASK [")[2].partition("]")[0]
