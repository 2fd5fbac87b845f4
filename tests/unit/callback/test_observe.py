# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what Ansible tells to what happened."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, model, observe
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.observe import Observer

ID, ONE, TWO = "20261120T184500Z-1a2b3c", "site1.local", "site2.local"
PLAN: dict[str, t.Any] = {"deployment_id": ID, "units": [{"name": ONE}, {"name": TWO}]}


@pytest.fixture
def observer() -> Observer:
    seconds = itertools.count()
    found = Observer(clock=lambda: f"2026-11-20T18:{next(seconds) // 60:02d}:00.000Z")
    found.plan(PLAN)
    return found


def said(events: list[model.Event]) -> list[tuple[t.Any, ...]]:
    return [(event.kind, event.unit, event.phase, event.status or event.state) for event in events]


def entry(unit: str = ONE, *steps: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"changed": True, "lockstep": {"unit": unit, "deployment_id": ID, "events": list(steps), **more}}


def step(seq: int, phase: str, status: str, **more: t.Any) -> dict[str, t.Any]:
    times = {"at": f"2026-11-20T18:45:{seq * 10:02d}.000000Z", "ended": f"2026-11-20T18:45:{seq * 10 + 5:02d}.000000Z"}
    return {"seq": seq, "phase": phase, "status": status} | times | more


def test_a_unit_starts_with_its_first_task_and_ends_with_its_report(observer: Observer) -> None:
    observer.play("forward")
    assert said(observer.task(ONE, "prepare")) == [("started", ONE, None, None), ("phase", ONE, "prepare", "started")]
    assert observer.task(ONE, "prepare") == []
    found = observer.result(ONE, {"ansible_facts": {"lockstep_forward": {}}})
    assert said(found) == [("phase", ONE, "prepare", "completed"), ("finished", ONE, None, "completed")]
    assert observer.task(ONE, "confirm")[0].kind == "phase"  # what follows doesn't start it again


@pytest.mark.parametrize(("forced", "status"), [(False, "failed"), (True, "skipped")])
def test_checks_that_failed_are_told_with_their_unit(observer: Observer, forced: bool, status: str) -> None:
    checks = {"forced": forced, "failed": {ONE: ["no disk", "token=geheim"], TWO: [], "somebody else": ["x"]}}
    found = observer.result(model.CONTROLLER, {"ansible_facts": {"lockstep_checks": checks}})
    assert said(found) == [("check", ONE, None, status)] * 2
    assert [event.message for event in found] == ["no disk", "token=***"]
    for odd in (None, {}, {"failed": []}, {"failed": {ONE: "x"}}):
        assert observer.result(model.CONTROLLER, {"ansible_facts": {"lockstep_checks": odd}}) == []


def test_tasks_outside_of_plays_over_units_start_nothing(observer: Observer) -> None:
    observer.play(None)
    assert observer.task(ONE, "preflight") == []
    observer.play("forward")
    assert observer.task("server1", "preflight") == []
    assert observer.task("lockstep_controller", None) == []


def test_a_phase_the_journal_told_of_is_not_closed_again(observer: Observer) -> None:
    observer.play("forward")
    observer.task(ONE, "freeze", "thaw")
    found = observer.result(ONE, entry(ONE, step(1, "freeze", "completed"), step(2, "thaw", "completed"), state="live"))
    assert said(found) == [
        ("phase", ONE, "freeze", "completed"),
        ("phase", ONE, "thaw", "completed"),
        ("state", ONE, None, "live"),
    ]
    assert said(observer.play(None)) == [("finished", ONE, None, "completed"), *said([])]


def test_what_a_journal_repeats_is_told_once(observer: Observer) -> None:
    observer.play("forward")
    result = entry(ONE, step(1, "freeze", "completed"), state="frozen")
    assert len(observer.result(ONE, result)) == 3
    assert said(observer.result(ONE, result)) == [("state", ONE, None, "frozen")]


def test_an_undone_step_tells_how_it_had_ended_too(observer: Observer) -> None:
    observer.play("forward")
    steps = [step(1, "freeze", "undone", seconds=2.0), step(2, "migrate", "undone", detail={"error": "no", "rows": 3})]
    found = [event for event in observer.result(ONE, entry(ONE, *steps, state="restored")) if event.kind == "phase"]
    assert [(event.phase, event.status, event.direction) for event in found] == [
        ("freeze", "completed", "forward"),
        ("freeze", "undone", "reverse"),
        ("migrate", "failed", "forward"),
        ("migrate", "undone", "reverse"),
    ]
    assert (found[0].at, found[0].seconds) == ("2026-11-20T18:45:12.000Z", 2.0)
    assert (found[1].at, found[1].seconds) == ("2026-11-20T18:45:15.000Z", None)
    assert found[1].freeze_seconds == 5.0


def test_the_freeze_is_what_the_server_counted_or_from_freeze_to_thaw(observer: Observer) -> None:
    observer.play("forward")
    counted = observer.result(ONE, entry(ONE, step(1, "freeze", "completed"), step(3, "thaw", "completed")))
    given_steps = [step(1, "freeze", "completed"), step(3, "thaw", "completed", detail={"freeze_seconds": 7.5})]
    given_ones = observer.result(TWO, entry(TWO, *given_steps))
    assert [e.freeze_seconds for e in counted if e.phase == "thaw"] == [25.0]
    assert [e.freeze_seconds for e in given_ones if e.phase == "thaw"] == [7.5]


def test_a_failure_keeps_what_ours_say_and_only_the_task_of_others(observer: Observer) -> None:
    observer.play("forward")
    error = LockstepError("patch failed", unit=ONE, phase="migrate", left="it is back", hint="mend it").result()
    own = observer.result(ONE, error, failed=True)[-1]
    assert (own.kind, own.message, own.phase, own.left, own.hint) == (
        "failed",
        "patch failed",
        "migrate",
        "it is back",
        "mend it",
    )
    other = observer.result(TWO, {"msg": "secret stuff"}, failed=True, task_name="Copy a file")[-1]
    assert (other.message, other.left) == ("Copy a file failed", None)


def test_a_rescue_that_ends_in_the_same_failure_says_it_once(observer: Observer) -> None:
    observer.play("forward")
    observer.task(ONE, None)
    error = LockstepError("patch failed", unit=ONE, phase="migrate").result()
    assert len(observer.result(ONE, error, failed=True)) == 1
    found = observer.result(ONE, {"ansible_facts": {"lockstep_forward": {"state": "failed"}}})
    assert said(found) == [("finished", ONE, None, "failed")]
    assert observer.result(ONE, {"msg": error["msg"]}, failed=True, quotable=True) == []


def test_a_failure_that_was_mended_is_no_failure(observer: Observer) -> None:
    observer.play("forward")
    observer.task(ONE, None)
    observer.result(ONE, {"msg": "no"}, failed=True)
    observer.result(ONE, entry(ONE, state="live"))
    assert said(observer.play(None)) == [("finished", ONE, None, "completed")]


def test_a_green_that_waits_for_the_others_is_not_done_and_its_bench_is_not_begun_again(observer: Observer) -> None:
    units = [{"name": TWO, "site": None}, {"name": ONE, "site": ONE}]
    observer.plan({"deployment_id": "d1", "strategy": "blue-green", "units": units})
    observer.play("forward")
    for unit in (TWO, ONE):
        observer.task(unit, "prepare")
    prepared = {"ansible_facts": {"lockstep_forward": {"state": "prepared"}}}
    assert said(observer.result(TWO, prepared))[-1] == ("finished", TWO, None, "completed")
    assert said(observer.result(ONE, prepared)) == []
    assert said(observer.play("forward")) == []
    assert said(observer.task(TWO, "prepare")) == []
    assert said(observer.task(ONE, "freeze", "thaw"))[-1] == ("phase", ONE, "freeze", "started")
    retired = {"ansible_facts": {"lockstep_forward": {"state": "retired"}}}
    assert said(observer.result(ONE, retired))[-1] == ("finished", ONE, None, "completed")


def test_a_green_that_waits_can_go_back(observer: Observer) -> None:
    observer.plan({"deployment_id": "d1", "strategy": "blue-green", "units": [{"name": ONE, "site": ONE}]})
    observer.play("forward")
    observer.task(ONE, "prepare")
    observer.result(ONE, {"ansible_facts": {"lockstep_forward": {"state": "prepared"}}})
    observer.result(TWO, {"msg": "it broke"}, failed=True)
    observer.play("reverse")
    assert said(observer.task(ONE, None)) == [("started", ONE, None, None)]


def test_units_that_never_started_are_withheld_when_the_way_back_begins(observer: Observer) -> None:
    observer.play("forward")
    observer.task(ONE, None)
    assert said(observer.play(None)) == [("finished", ONE, None, "completed")]
    assert said(observer.play("reverse")) == [("withheld", TWO, None, "withheld")]
    assert observer.end() == []


def test_nobody_is_withheld_by_a_run_that_never_went_forward() -> None:
    observer = Observer()
    observer.play("reverse", [ONE, TWO])
    observer.task(ONE, "rollback")
    assert not [event for event in observer.end() if event.kind == "withheld"]


def test_the_way_back_after_success_only_looks(observer: Observer) -> None:
    observer.play("forward")
    observer.task(ONE, None)
    observer.task(TWO, None)
    observer.play("reverse")
    assert observer.task(ONE, "rollback") == []
    found = observer.result(ONE, entry(ONE, state="live"))
    assert [event.state for event in found] == [None]


def test_a_unit_that_waits_for_the_others_goes_on_in_a_later_play(observer: Observer) -> None:
    observer.play("forward")
    observer.task(ONE, "freeze", "switch")
    assert observer.result(ONE, {"ansible_facts": {"lockstep_forward": {"state": "switched"}}}) == []
    assert observer.play(None) == []
    assert said(observer.task(ONE, "thaw")) == [
        ("phase", ONE, "freeze", "completed"),
        ("phase", ONE, "thaw", "started"),
    ]
    found = observer.result(ONE, {"ansible_facts": {"lockstep_forward": {"state": "retired"}}})
    assert said(found) == [("phase", ONE, "thaw", "completed"), ("finished", ONE, None, "completed")]


def test_a_unit_that_waited_in_vain_goes_back(observer: Observer) -> None:
    observer.play("forward")
    observer.task(ONE, None)
    observer.result(ONE, {"ansible_facts": {"lockstep_forward": {"state": "switched"}}})
    observer.task(TWO, None)
    observer.result(TWO, {"msg": "no"}, failed=True)
    observer.play("reverse")
    assert said(observer.task(ONE, "rollback"))[0] == ("started", ONE, None, None)


def test_the_deployment_to_roll_back_is_found() -> None:
    assert observe.rollback_of({"ansible_facts": {"lockstep_rollback_id": ID}}) == ID
    assert observe.rollback_of({"ansible_facts": {"lockstep_rollback_id": "../x"}}) is None


def test_an_older_deployment_s_journal_is_left_alone(observer: Observer) -> None:
    observer.play("forward")
    old: dict[str, t.Any] = {
        "unit": ONE,
        "deployment_id": "older",
        "state": "retired",
        "events": [step(1, "freeze", "completed")],
    }
    old["versions"] = {"before": {"erpnext": "13"}, "after": {"erpnext": "14"}}
    found = observer.result(ONE, {"lockstep": old})
    assert said(found) == [("started", ONE, None, None), ("state", ONE, None, "retired")]
    assert found[-1].versions == {}


def test_results_of_loops_are_read(observer: Observer) -> None:
    observer.play("forward")
    items = [entry(ONE, step(1, "freeze", "completed")), entry(ONE, step(2, "backup", "completed"))]
    found = observer.result(ONE, {"results": items})
    assert [event.phase for event in found if event.kind == "phase"] == ["freeze", "backup"]


def test_versions_may_stand_beside_the_key(observer: Observer) -> None:
    observer.play("forward")
    result = entry(ONE, state="live") | {"versions": {"before": {"erpnext": "14"}, "after": {"erpnext": "15"}}}
    assert observer.result(ONE, result)[-1].versions["after"] == {"erpnext": "15"}


@pytest.mark.parametrize(
    "plan",
    [None, "x", {"units": []}, {"deployment_id": "../x", "units": []}, {"deployment_id": "x", "units": {}}],
)
def test_what_is_no_plan_is_none(plan: t.Any) -> None:
    assert observe.plan_of({"plan": plan}) is None


def test_a_plan_is_found_as_a_fact_or_a_result() -> None:
    assert observe.plan_of({"ansible_facts": {"lockstep_plan": PLAN}}) == PLAN
    assert observe.plan_of({"plan": PLAN}) == PLAN


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        name: junk | st.sampled_from([ONE, ID, "live", "freeze", "completed"])
        for name in ("unit", "deployment_id", "state", "versions", "freeze_seconds")
    }
    | {
        "events": junk
        | st.lists(
            junk
            | st.fixed_dictionaries(
                {"phase": st.just("freeze") | junk, "status": st.sampled_from(sorted(model.STATUSES)) | junk},
                optional=dict.fromkeys(("seq", "at", "ended", "seconds", "detail"), junk),
            ),
            max_size=3,
        )
    },
)


@given(st.lists(entries | junk, max_size=3), st.booleans())
def test_whatever_a_server_sends_nothing_breaks(reported: list[t.Any], failed: bool) -> None:
    observer = Observer()
    observer.plan(PLAN)
    observer.play("forward")
    for lockstep in reported:
        for event in observer.result(ONE, {"lockstep": lockstep, "msg": lockstep}, failed=failed):
            assert model.moment(event.at)
    observer.end()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("clone https://bob:geheim@git.example.org/x", "clone https://***@git.example.org/x"),
        ("db_password=geheim rest", "db_password=*** rest"),
        ('api_key: "geheim" rest', "api_key: *** rest"),
        ("a\x1b[31mb\x00", "a[31mb"),
        ("x" * 3000, "x" * 1999 + "…"),
    ],
)
def test_text_is_kept_without_credentials_and_control_characters(text: str, kept: str) -> None:
    assert fields.scrub(text) == kept


@pytest.mark.parametrize(
    "error",
    [
        LockstepError("it failed."),
        LockstepError("it failed", unit=ONE),
        LockstepError("it failed", phase="migrate", left="as it was."),
        LockstepError("it failed", unit=ONE, phase="migrate", left="as it was", hint="try again."),
    ],
)
def test_a_message_is_found_again_in_an_error_of_ours(error: LockstepError) -> None:
    assert fields.bare_message(error.result()).rstrip(".") == "it failed"
