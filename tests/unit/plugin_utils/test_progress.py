# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a deployment is."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.model import PHASES, Event
from ansible_collections.lockstep.deploy.plugins.plugin_utils.progress import Progress, text_seconds

BENCH, ONE, TWO = "bench@server", "site1.local", "site2.local"


def plan(**estimates: float) -> dict[str, t.Any]:
    seconds = {"bench": 60.0, "one": 30.0, "two": 30.0, **estimates}
    return {
        "stages": [{"level": 1, "apps": ["frappe"]}, {"level": 2, "apps": ["erpnext", "hrms"]}],
        "units": [
            {
                "name": BENCH,
                "driver": "frappe_bench",
                "stage": 1,
                "depends_on": [],
                "estimated_seconds": seconds["bench"],
            },
            {"name": ONE, "site": ONE, "stage": 2, "depends_on": [BENCH], "estimated_seconds": seconds["one"]},
            {"name": TWO, "site": TWO, "stage": 2, "depends_on": [BENCH], "estimated_seconds": seconds["two"]},
        ],
    }


def event(kind: str, unit: str, direction: str = "forward", **values: t.Any) -> Event:
    return Event(kind, "2026-11-20T18:45:00.000Z", unit, direction=direction, **values)


def phase(unit: str, name: str, status: str = "started", **values: t.Any) -> Event:
    return event("phase", unit, phase=name, status=status, **values)


def walk(progress: Progress, unit: str, start: float, end: float) -> None:
    progress.apply(event("started", unit), start)
    for name in PHASES[:-1]:
        progress.apply(phase(unit, name), start)
        progress.apply(phase(unit, name, "completed"), end)
    progress.apply(event("state", unit, state="live"), end)
    progress.apply(event("finished", unit, status="completed"), end)


def test_a_unit_that_waits_for_others_says_so_and_takes_no_longer_for_it() -> None:
    progress = Progress(plan())
    progress.apply(event("started", ONE), 0.0)
    progress.apply(phase(ONE, "prepare"), 0.0)
    progress.apply(phase(ONE, "prepare", "completed"), 10.0)
    progress.apply(event("state", ONE, state="prepared"), 10.0)
    [waiting] = progress.running(70.0)
    assert (waiting.phase, waiting.seconds) == ("prepared, waiting", 60.0)
    assert progress.percentage() < 10
    progress.apply(phase(ONE, "freeze", detail={"until": "thaw"}), 100.0)
    [working] = progress.running(105.0)
    assert (working.phase, working.seconds) == ("freeze to thaw", 5.0)
    progress.apply(event("finished", ONE, status="completed"), 110.0)
    assert progress.units[ONE].taken == 20.0


def test_a_site_whose_visitors_are_shared_out_for_long_is_not_nearly_done_before() -> None:
    shared = plan(bench=1, one=1045, two=1) | {"traffic": {"steps": [5, 50], "step_wait": 500}}
    progress = Progress(shared)
    progress.apply(event("started", ONE), 0.0)
    progress.apply(phase(ONE, "thaw", "completed"), 45.0)
    assert 2 < progress.percentage() < 6
    progress.apply(phase(ONE, "shift", "completed"), 1045.0)
    assert 90 < progress.percentage() < 100


def test_nothing_is_done_at_first() -> None:
    progress = Progress(plan())
    assert (progress.percentage(), progress.stage()) == (0, "stage 1 of 2 (frappe)")
    assert progress.named("pending") == [BENCH, ONE, TWO]


def test_without_a_plan_it_is_planning() -> None:
    assert Progress({}).stage() == "planning"


def test_units_weigh_what_they_are_expected_to_take() -> None:
    progress = Progress(plan())
    walk(progress, BENCH, 0, 60)
    assert (progress.percentage(), progress.stage()) == (50, "stage 2 of 2 (erpnext, hrms)")


def test_a_unit_counts_by_its_finished_phases() -> None:
    progress = Progress(plan(bench=0.001, two=0.001))
    seen = []
    progress.apply(event("started", ONE), 0)
    for name in ("preflight", "backup", "migrate", "retire"):
        progress.apply(phase(ONE, name), 0)
        progress.apply(phase(ONE, name, "completed"), 0)
        seen.append(progress.percentage())
    assert seen == [4, 33, 71, 99]


def test_it_is_a_hundred_only_at_the_end() -> None:
    progress = Progress(plan())
    for unit in (BENCH, ONE, TWO):
        walk(progress, unit, 0, 1)
    assert progress.percentage() == 99
    progress.end()
    assert progress.percentage() == 100


def test_an_end_with_units_left_is_no_hundred() -> None:
    progress = Progress(plan())
    walk(progress, BENCH, 0, 1)
    progress.end()
    assert progress.percentage() == 50


def test_a_failed_unit_keeps_what_it_reached_and_those_withheld_count_nothing() -> None:
    progress = Progress(plan())
    walk(progress, BENCH, 0, 60)
    progress.apply(event("started", ONE), 60)
    progress.apply(event("failed", ONE), 61)
    progress.apply(event("withheld", TWO), 61)
    assert (progress.named("failed"), progress.named("withheld"), progress.percentage()) == ([ONE], [TWO], 50)
    assert progress.running(62) == []


def test_what_runs_is_told_with_its_phase_longest_first() -> None:
    progress = Progress(plan())
    walk(progress, BENCH, 0, 60)
    progress.apply(event("started", ONE), 60)
    progress.apply(phase(ONE, "backup"), 65)
    progress.apply(event("started", TWO), 61)
    assert [(task.unit, task.phase, task.seconds) for task in progress.running(70)] == [
        (TWO, None, 9),
        (ONE, "backup", 5),
    ]


def test_time_left_is_the_longest_path() -> None:
    assert Progress(plan()).seconds_left(0) == 90


def test_time_left_is_the_work_over_the_window() -> None:
    assert Progress(plan(), window=1).seconds_left(0) == 120


def test_time_left_shrinks_while_a_unit_runs_and_never_vanishes() -> None:
    progress = Progress(plan())
    progress.apply(event("started", BENCH), 0)
    assert progress.seconds_left(20) == 70
    assert t.cast(float, progress.seconds_left(500)) >= 30


def test_time_left_learns_from_what_units_took() -> None:
    progress = Progress(plan())
    walk(progress, BENCH, 0, 120)
    assert progress.seconds_left(120) == 60


def test_without_estimates_time_left_is_unknown() -> None:
    assert Progress(plan(bench=0, one=0, two=0)).seconds_left(0) is None
    assert text_seconds(None) == "unknown"


def test_a_rollback_goes_on_from_where_it_was() -> None:
    progress = Progress(plan())
    walk(progress, BENCH, 0, 60)
    progress.apply(event("started", ONE), 60)
    progress.apply(event("failed", ONE), 61)
    before = progress.percentage()
    progress.apply(event("started", ONE, "reverse"), 62)
    assert (progress.stage(), progress.percentage()) == ("rollback", before)
    progress.apply(event("state", ONE, "reverse", state="restored"), 63)
    progress.apply(event("finished", ONE, "reverse", status="completed"), 63)
    assert before < progress.percentage() < 99
    progress.apply(event("started", BENCH, "reverse"), 64)
    progress.apply(event("state", BENCH, "reverse", state="kept"), 65)
    progress.apply(event("finished", BENCH, "reverse", status="completed"), 65)
    assert (progress.named("restored"), progress.named("kept"), progress.percentage()) == ([ONE], [BENCH], 99)
    assert progress.seconds_left(70) is None


def test_a_unit_that_has_nothing_to_undo_stays_what_it_was() -> None:
    progress = Progress(plan())
    progress.apply(event("withheld", TWO), 0)
    progress.apply(event("started", TWO, "reverse"), 1)
    progress.apply(event("finished", TWO, "reverse", status="completed"), 1)
    assert progress.named("withheld") == [TWO]


def test_a_failed_undo_is_a_failure() -> None:
    progress = Progress(plan())
    walk(progress, ONE, 0, 1)
    progress.apply(event("started", ONE, "reverse"), 1)
    progress.apply(event("failed", ONE, "reverse"), 2)
    progress.apply(event("finished", ONE, "reverse", status="failed"), 2)
    assert progress.named("failed") == [ONE]


def test_a_failed_end_is_no_hundred() -> None:
    progress = Progress(plan())
    walk(progress, BENCH, 0, 60)
    progress.apply(event("failed", ONE), 61)
    progress.apply(event("withheld", TWO), 61)
    progress.end()
    assert progress.percentage() == 50


def test_a_server_that_undoes_by_itself_is_no_rollback() -> None:
    progress = Progress(plan())
    progress.apply(event("started", ONE), 0)
    progress.apply(event("phase", ONE, "reverse", phase="migrate", status="undone"), 1)
    assert progress.stage() == "stage 2 of 2 (erpnext, hrms)"


def test_a_unit_nobody_planned_joins_in() -> None:
    progress = Progress({})
    progress.apply(event("started", ONE), 0)
    assert [task.unit for task in progress.running(1)] == [ONE]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")]
)
def test_durations_are_told_as_people_say_them(seconds: float, text: str) -> None:
    assert text_seconds(seconds) == text


anything = st.builds(
    event,
    kind=st.sampled_from(["started", "phase", "state", "failed", "unreachable", "withheld", "finished"]),
    unit=st.sampled_from([BENCH, ONE, TWO, "stranger"]),
    direction=st.sampled_from(["forward", "forward", "reverse"]),
    phase=st.sampled_from([*PHASES, "other"]),
    status=st.sampled_from(["started", "completed", "failed", "undone", "skipped"]),
    state=st.sampled_from([None, "live", "restored", "kept", "failed"]),
)


@given(st.lists(anything, max_size=60))
def test_whatever_happens_the_percentage_never_falls_and_never_is_a_hundred(events: list[Event]) -> None:
    progress = Progress(plan())
    last = 0
    for now, happened in enumerate(events):
        progress.apply(happened, float(now))
        found = progress.percentage()
        assert last <= found < 100
        last = found
        left = progress.seconds_left(float(now))
        assert left is None or left >= 0
    outcomes = ["pending", "running", "done", "failed", "unreachable", "withheld", "restored", "kept"]
    assert progress.count(*outcomes) == len(progress.units)
    assert {task.unit for task in progress.running(0)} == set(progress.named("running"))
