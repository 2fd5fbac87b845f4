# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How deployments are judged."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.verdict import Verdict, judge

BENCH, ONE, TWO, THREE = "bench@server", "site1.local", "site2.local", "site3.local"
UNITS: list[dict[str, t.Any]] = [
    {"name": BENCH, "depends_on": []},
    {"name": ONE, "site": ONE, "depends_on": [BENCH]},
    {"name": TWO, "site": TWO, "depends_on": [BENCH]},
    {"name": THREE, "site": THREE, "depends_on": [BENCH, TWO]},
]
MIGRATE_FAILED = {"state": "failed", "phase": "migrate", "msg": "patch p1 failed", "left": "frozen", "hint": "mend p1"}
STATES = ["live", "retired", "restored", "kept", "failed", "withheld", "unreachable", "absent", "frozen", "migrated"]


def judged(forward: dict[str, t.Any], back: dict[str, str | dict[str, t.Any]] | None = None, **more: t.Any) -> Verdict:
    records = {unit: {"state": record} if isinstance(record, str) else record for unit, record in forward.items()}
    rollback = {unit: {"state": record} if isinstance(record, str) else record for unit, record in (back or {}).items()}
    return judge(UNITS, records, rollback, deployment_id="d1", **more)


@pytest.mark.parametrize("state", ["live", "retired"])
def test_every_unit_on_the_new_release_is_completed(state: str) -> None:
    found = judged({unit["name"]: state for unit in UNITS})
    assert (found.status, found.failed, found.lines) == ("completed", False, [])


def test_until_when_blue_is_kept_running_is_told_with_the_command_that_stops_it() -> None:
    kept = {"phase": "retire", "status": "completed", "detail": {"retained_until": "2026-11-20T19:45:10Z"}}
    site = {"state": "retired", "deployment_id": "d1", "events": [{"phase": "confirm"}, kept]}
    (line,) = judged({BENCH: "live", ONE: site, TWO: site, THREE: "live"}).lines
    assert line.startswith(
        "The release before keeps running until 2026-11-20 19:45 UTC for a way back, for site1.local, "
    )
    assert "ansible-playbook lockstep.deploy.retire stops it after that, and before with -e now=true" in line


def test_who_was_only_prepared_is_not_said_to_have_left_its_release() -> None:
    gone = {"phase": "prepare"}
    undone = MIGRATE_FAILED | {"deployment_id": "d1", "events": [{**gone, "status": "undone"}]}
    found = judged(
        {BENCH: "live", ONE: "prepared", TWO: undone, THREE: "live"},
        {
            BENCH: {"state": "restored", "actions": [gone]},
            ONE: {"state": "restored", "actions": [gone]},
            TWO: {"state": "restored", "actions": []},
            THREE: {"state": "restored", "actions": [{"phase": "switch"}, gone]},
        },
    )
    assert found.lines[2:] == [
        "  bench@server",
        "  site1.local: its users never left it; what was prepared for it is gone",
        "  site2.local: its users never left it; what was prepared for it is gone",
        "  site3.local",
    ]


def test_a_site_that_was_only_prepared_is_not_said_to_be_on_the_new_release() -> None:
    outcome = {"forward": {"done": [BENCH, ONE], "failed": [TWO], "withheld": [THREE]}}
    found = judged({BENCH: "prepared", ONE: "prepared", TWO: MIGRATE_FAILED}, outcome=outcome)
    assert (found.groups["live"], found.groups["failed"]) == ([BENCH], [ONE, TWO])
    assert found.lines[0] == f"Failed: {ONE}: it was prepared and went no further"
    assert found.lines[1] == "  left: its journal says prepared"


def test_how_long_writes_were_blocked_is_told_the_longest_first() -> None:
    frozen = {ONE: 3.14, TWO: 7.5}
    records: dict[str, t.Any] = {unit: {"state": "live", "freeze_seconds": seconds} for unit, seconds in frozen.items()}
    older = {"state": "live", "freeze_seconds": 99.0, "deployment_id": "d0", "changed": False}
    found = judged({BENCH: "live", **records, THREE: older}, outcome={"forward": {"done": [THREE]}})
    assert (found.status, found.lines) == (
        "completed",
        ["Writes were blocked for: site2.local 7.5 s, site1.local 3.1 s"],
    )
    many = {f"s{number}": {"state": "live", "freeze_seconds": 1.0} for number in range(12)}
    assert judge(list(many), many).lines[0].endswith("s9 1.0 s and 2 more")


def test_nothing_planned_is_completed() -> None:
    found = judge([], deployment_id="d1")
    assert (found.status, found.failed) == ("completed", False)
    assert found.summary == "Deployment d1 ended completed: there was nothing to do."


def test_a_failure_with_everything_back_is_rolled_back() -> None:
    found = judged(
        {BENCH: "live", ONE: "live", TWO: MIGRATE_FAILED}, {BENCH: "restored", ONE: "restored", TWO: "restored"}
    )
    assert (found.status, found.failed) == ("rolled_back", True)
    assert found.groups["withheld"] == [THREE]
    assert found.lines == [
        "Failed: site2.local in migrate: patch p1 failed",
        "Back on the release before:",
        "  bench@server",
        "  site1.local",
        "  site2.local",
        "Withheld, nothing was changed:",
        "  site3.local: it waits for site2.local",
    ]


def test_a_kept_unit_makes_it_partial_and_tells_the_loss_and_the_command() -> None:
    loss = {"tables": ["tabItem", "tabBin"], "rows": 37, "minutes": 4.2}
    kept = {"state": "kept", "reason": "users wrote to tables the migration changed", "loss": loss}
    found = judged({BENCH: "live", ONE: "live", TWO: MIGRATE_FAILED}, {ONE: kept, TWO: "restored", BENCH: "kept"})
    assert (found.status, found.failed) == ("partially_rolled_back", True)
    start = found.lines.index("  site1.local: users wrote to tables the migration changed")
    command = "ansible-playbook lockstep.deploy.rollback -e deployment_id=d1 -e only=site1.local -e rollback_data=true"
    assert found.lines[start + 1 : start + 3] == [
        "    a restore would lose 37 rows in 2 tables (tabItem, tabBin), written in 4 minutes",
        f"    to restore all the same: {command}",
    ]


def test_an_unknown_loss_is_not_said_to_be_none() -> None:
    found = judged({ONE: "live", TWO: MIGRATE_FAILED}, {ONE: "kept"})
    assert any("what a restore would lose is not known" in line for line in found.lines)


def test_many_tables_are_counted_and_the_first_named() -> None:
    loss = {"tables": [f"t{n}" for n in range(9)], "minutes": 0.1}
    found = judged({TWO: MIGRATE_FAILED}, {ONE: {"state": "kept", "loss": loss}})
    assert (
        "    a restore would lose an unknown number of rows in 9 tables (t0, t1, t2, t3, t4 and 4 more), "
        "written in 1 minute" in found.lines
    )


def test_a_single_unit_that_failed_after_thaw_and_was_kept_is_partial() -> None:
    failed = {"state": "failed", "phase": "confirm", "msg": "errors"}
    assert judge([ONE], {ONE: failed}, {ONE: {"state": "kept"}}).status == "partially_rolled_back"


def test_code_and_traffic_back_with_the_data_kept_counts_as_back() -> None:
    found = judge([ONE], {ONE: MIGRATE_FAILED}, {ONE: {"state": "restored", "data": "kept"}})
    assert found.status == "rolled_back"
    assert any("its data was kept" in line for line in found.lines)


def test_writes_that_a_restore_has_lost_are_told() -> None:
    back = {"state": "restored", "data": "restored", "loss": {"tables": ["tabOrder"], "rows": 3, "minutes": 2.0}}
    told = judge([ONE], {}, {ONE: back}, goal="rollback").lines
    lost = "3 rows in 1 table (tabOrder), written in 2 minutes"
    assert f"  {ONE}: its data as well, over what users had written since: {lost}" in told
    assert f"  {ONE}" in judge([ONE], {}, {ONE: {**back, "loss": {}}}, goal="rollback").lines


def test_a_failed_rollback_outranks_everything_and_says_what_to_do() -> None:
    locked = {"state": "failed", "msg": "undoing switch failed", "left": "locked", "hint": "start nginx, run it again"}
    found = judged({BENCH: "live", ONE: "live", TWO: MIGRATE_FAILED}, {ONE: locked, TWO: "restored"})
    assert (found.status, found.failed) == ("rollback_failed", True)
    start = found.lines.index("Rollback failed:")
    assert found.lines[start : start + 4] == [
        "Rollback failed:",
        "  site1.local: undoing switch failed",
        "    left: locked",
        "    next: start nginx, run it again",
    ]


def test_an_error_of_ours_is_told_once_though_its_message_says_everything() -> None:
    error = LockstepError("patch p1 failed", unit=TWO, phase="migrate", left="it is back", hint="mend p1").result()
    found = judged({BENCH: "live", ONE: "live", TWO: {"state": "failed", **error}})
    assert found.lines[:3] == [
        "Failed: site2.local in migrate: patch p1 failed",
        "  left: it is back",
        "  next: mend p1",
    ]


def test_what_to_do_next_is_told_of_a_site_that_its_server_took_back() -> None:
    hint = "deploy it with traffic_strategy=instant, which freezes it only while it migrates"
    forward = {BENCH: "live", TWO: {"state": "restored", "failed": True, "msg": "not additive", "hint": hint}}
    found = judged(forward, {BENCH: "restored", TWO: {"state": "restored"}})
    assert found.lines[:3] == [f"Failed: {TWO}: not additive", f"  next: {hint}", "Back on the release before:"]


def test_a_failure_nobody_rolled_back_is_failed_and_says_how_it_was_left() -> None:
    found = judged({BENCH: "live", ONE: "live", TWO: MIGRATE_FAILED})
    assert (found.status, found.failed) == ("failed", True)
    assert found.lines[:3] == [
        "Failed: site2.local in migrate: patch p1 failed",
        "  left: frozen",
        "  next: mend p1",
    ]
    assert "On the new release: bench@server, site1.local" in found.lines


def test_a_unit_that_stopped_half_way_is_failed_though_nobody_said_so() -> None:
    found = judged({BENCH: "live", ONE: "frozen", TWO: "live", THREE: "live"})
    assert (found.status, found.groups["failed"]) == ("failed", [ONE])
    assert "  left: writes blocked, its journal says frozen" in found.lines


@pytest.mark.parametrize("state", ["frozen", "migrated", "verified", "switched"])
def test_a_unit_whose_writes_are_blocked_is_never_called_live(state: str) -> None:
    found = judged({BENCH: "prepared", ONE: state}, {TWO: "restored"}, outcome={"forward": {"done": [BENCH, ONE]}})
    assert (found.groups["live"], found.groups["failed"]) == ([BENCH], [ONE])
    start = found.lines.index(f"Failed: {ONE}: it stopped half-way")
    assert found.lines[start + 1 : start + 3] == [
        f"  left: writes blocked, its journal says {state}",
        f"  next: ansible-playbook lockstep.deploy.rollback -e deployment_id=d1 -e only={ONE}",
    ]


@pytest.mark.parametrize("state", ["live", "retired"])
@pytest.mark.parametrize("outcome", [{"forward": {"failed": [ONE]}}, {"forward": {"done": [ONE]}}])
def test_a_unit_that_failed_when_its_users_wrote_again_is_not_called_live(
    state: str, outcome: dict[str, t.Any]
) -> None:
    record = {"state": state, "failed": True, "phase": "confirm", "msg": "it answers 500"}
    found = judge([ONE], {ONE: record}, outcome=outcome)
    assert (found.status, found.groups["failed"]) == ("failed", [ONE])
    assert found.lines[0] == f"Failed: {ONE} in confirm: it answers 500"


@pytest.mark.parametrize("state", ["restored", "kept", "live", "switched"])
def test_the_record_of_another_deployment_says_nothing_of_this_one(state: str) -> None:
    record = {"state": state, "deployment_id": "d0"}
    for seen, group in (("done", "live"), ("failed", "failed"), ("unreachable", "unreachable")):
        found = judge([ONE], {ONE: record}, outcome={"forward": {seen: [ONE]}}, deployment_id="d1")
        assert found.groups[group] == [ONE]


def test_only_units_of_the_failed_one_s_scope_back_is_partial() -> None:
    found = judged({BENCH: "live", ONE: "live", TWO: MIGRATE_FAILED}, {TWO: "restored"})
    assert (found.status, found.failed) == ("partially_rolled_back", True)


def test_an_unreachable_unit_is_never_said_to_be_back() -> None:
    found = judged({BENCH: "live", ONE: "live", TWO: "unreachable"}, {BENCH: "restored", ONE: "restored"})
    assert found.status == "partially_rolled_back"
    start = found.lines.index("  site2.local: how it was left is known when its server answers again")
    command = "ansible-playbook lockstep.deploy.rollback -e deployment_id=d1 -e only=site2.local"
    assert found.lines[start + 1] == f"  next: {command}"


def test_units_without_a_record_are_as_the_strategy_saw_them() -> None:
    forward = {"done": [BENCH], "failed": [ONE, TWO], "unreachable": [TWO], "withheld": [THREE], "blocked": [THREE]}
    found = judge(UNITS, outcome={"forward": forward})
    assert {group: names for group, names in found.groups.items() if names} == {
        "live": [BENCH],
        "failed": [ONE],
        "unreachable": [TWO],
        "withheld": [THREE],
    }
    assert found.failed


def test_everything_unreachable_is_failed() -> None:
    assert judged({unit["name"]: "unreachable" for unit in UNITS}).status == "failed"


def test_a_rollback_that_was_wanted_ends_well_when_everything_is_back() -> None:
    found = judged({}, {unit["name"]: "restored" for unit in UNITS}, goal="rollback")
    assert (found.status, found.failed) == ("rolled_back", False)


@pytest.mark.parametrize("state", ["kept", "live", "unreachable"])
def test_a_rollback_that_was_wanted_and_left_something_is_partial(state: str) -> None:
    found = judge([ONE, TWO], {}, {ONE: {"state": "restored"}, TWO: {"state": state}}, goal="rollback")
    assert (found.status, found.failed) == ("partially_rolled_back", True)


@pytest.mark.parametrize("goal", ["rollback", "deploy"])
def test_a_bench_that_stays_for_other_sites_is_no_failure_of_a_rollback(goal: t.Any) -> None:
    units = [{"name": BENCH, "site": None}, {"name": ONE, "site": ONE}]
    kept = {"state": "kept", "reason": "sites stay on release 4f1c"}
    forward = {BENCH: {"state": "live"}, ONE: {"state": "live", "failed": True}}
    found = judge(units, forward, {BENCH: kept, ONE: {"state": "restored"}}, goal=goal)
    assert (found.status, found.failed) == ("rolled_back", goal == "deploy")
    assert f"  {BENCH}: sites stay on release 4f1c, so it stays for them" in found.lines


@pytest.mark.parametrize("site", ["kept", "live", "unreachable"])
def test_a_bench_that_stays_for_sites_of_the_deployment_itself_is_as_partial_as_they_are(site: str) -> None:
    units = [{"name": BENCH, "site": None}, {"name": ONE, "site": ONE}, {"name": TWO, "site": TWO}]
    back = {BENCH: "kept", ONE: site, TWO: "restored"}
    found = judge(units, {}, {unit: {"state": state} for unit, state in back.items()}, goal="rollback")
    assert found.status == "partially_rolled_back"
    alone = judge(units[:1], {}, {BENCH: {"state": "kept"}}, goal="rollback")
    assert alone.status == "partially_rolled_back", "what was asked for was not done"


def test_a_rollback_tells_of_units_that_nothing_is_known_of_and_how_to_finish() -> None:
    unknown = {"state": "unreachable", "reason": "server b can't be reached"}
    back: dict[str, t.Any] = {ONE: {"state": "restored"}, TWO: unknown, THREE: unknown}
    found = judge([{"name": ONE, "site": ONE}, TWO, THREE], {}, back, goal="rollback", deployment_id="d1")
    assert (found.status, found.failed) == ("partially_rolled_back", True)
    assert found.lines == [
        "Back on the release before:",
        f"  {ONE}",
        "Unreachable:",
        f"  {TWO}: nothing is known of it: server b can't be reached",
        f"  {THREE}: nothing is known of it: server b can't be reached",
        f"  next: ansible-playbook lockstep.deploy.rollback -e deployment_id=d1 -e only={TWO},{THREE}",
    ]


@pytest.mark.parametrize(("seen", "group"), [("unreachable", "unreachable"), ("withheld", "withheld")])
def test_a_rollback_that_lost_a_server_on_the_way_has_not_ended_well(seen: str, group: str) -> None:
    outcome = {"reverse": {"done": [ONE], seen: [TWO], "failed": [TWO] if seen == "unreachable" else []}}
    found = judge([ONE, TWO], {}, {ONE: {"state": "restored"}}, goal="rollback", outcome=outcome)
    assert (found.status, found.failed, found.groups[group]) == ("partially_rolled_back", True, [TWO])


def test_what_the_rollback_did_is_listed_with_the_names_of_the_source_documents() -> None:
    actions = [{"phase": "switch"}, {"phase": "migrate", "action": "restore_from_backup", "result": "completed"}]
    found = judged({TWO: MIGRATE_FAILED}, {TWO: {"state": "restored", "actions": actions}})
    assert found.rollback_actions == [
        {"site": TWO, "action": "undo switch", "result": "completed"},
        {"site": TWO, "action": "restore_from_backup", "result": "completed"},
    ]
    assert found.rollback_id == "d1-rollback"
    assert judged({ONE: "live"}, {}).rollback_id is None


def test_what_a_server_undid_by_itself_is_listed_too() -> None:
    events = [
        {"phase": "freeze", "status": "undone", "detail": {"action": "writes let in"}},
        {"phase": "backup", "status": "undone", "detail": {"backup": "d1"}},
        {"phase": "migrate", "status": "undone", "detail": {"action": "restored", "error": "it broke"}},
    ]
    record = MIGRATE_FAILED | {"state": "restored", "deployment_id": "d1", "events": events}
    looked = {"state": "restored", "actions": []}
    assert judged({TWO: record}, {TWO: looked}).rollback_actions == [
        {"site": TWO, "action": "restored", "result": "completed"},
        {"site": TWO, "action": "undo backup", "result": "completed"},
        {"site": TWO, "action": "writes let in", "result": "completed"},
    ]
    assert judged({TWO: record | {"deployment_id": "d0"}}, {TWO: looked}).rollback_actions == []


def test_where_nothing_can_be_put_back_no_command_is_offered_that_would() -> None:
    kept = {"state": "kept", "reason": "the backup is damaged", "loss": {}, "obstacle": "the backup is damaged"}
    found = judged({TWO: "live"}, {TWO: kept})
    assert "  site2.local: the backup is damaged" in found.lines
    assert not [line for line in found.lines if "rollback_data" in line]


def test_records_may_be_lists() -> None:
    found = judge([ONE, TWO], [{"unit": ONE, "state": "live"}, {"unit": TWO, "state": "live"}])
    assert found.status == "completed"


def test_a_name_is_quoted_in_a_command() -> None:
    found = judge(
        ["a b;c"], {"a b;c": MIGRATE_FAILED | {"hint": None}}, deployment_id="d1", command="lockstep rollback"
    )
    assert "  next: lockstep rollback -e deployment_id=d1 -e 'only=a b;c'" in found.lines


@pytest.mark.parametrize("records", [["x"], [{"state": "live"}]])
def test_a_record_without_a_unit_is_refused(records: t.Any) -> None:
    with pytest.raises(LockstepError):
        judge([ONE], records)


def test_an_unknown_goal_is_refused() -> None:
    with pytest.raises(LockstepError):
        judge([ONE], goal=t.cast(t.Any, "destroy"))


record_maps = st.dictionaries(st.sampled_from([unit["name"] for unit in UNITS]), st.sampled_from(STATES))


@given(forward=record_maps, back=record_maps)
def test_it_fails_unless_all_are_live_and_every_unit_is_in_one_group(
    forward: dict[str, str], back: dict[str, str]
) -> None:
    found = judged(forward, dict(back))
    assert sorted(name for names in found.groups.values() for name in names) == sorted(u["name"] for u in UNITS)
    assert found.failed == (len(found.groups["live"]) != len(UNITS))
    assert (found.status == "completed") == (not found.failed)
    if found.status == "rolled_back":
        assert not any(found.groups[group] for group in ("live", "kept", "failed", "unreachable", "rollback_failed"))
    assert found.as_dict()["status"] == found.status


def test_a_deployment_that_had_nothing_to_do_says_so() -> None:
    said = {unit["name"]: {"state": "live", "changed": False} for unit in UNITS}
    idle = judge(UNITS, said, outcome={"forward": {"done": list(said)}}, deployment_id="d1")
    assert (
        idle.summary
        == f"Deployment d1 ended completed: {len(UNITS)} on the new release already, nothing had to be changed."
    )
    said[UNITS[0]["name"]]["changed"] = True
    busy = judge(UNITS, said, outcome={"forward": {"done": list(said)}}, deployment_id="d1")
    assert busy.summary == f"Deployment d1 ended completed: {len(UNITS)} on the new release."


def test_a_check_says_what_would_change_and_fails_only_with_a_failure() -> None:
    units = ["bench", "a", "b"]
    said = {"bench": {"changed": False, "state": "kept"}, "a": {"changed": True}, "b": {"changed": True}}
    found = judge(units, said, outcome={"forward": {"done": units}}, deployment_id="d1", check=True)
    assert (found.status, found.failed) == ("checked", False)
    assert found.summary == "Deployment d1 was only checked, nothing was changed: 2 would change, 1 would stay."
    back = judge(units, None, {"a": {"changed": True}}, goal="rollback", deployment_id="d1", check=True)
    assert back.summary == "Rollback of d1 was only checked, nothing was changed: 1 would go back, 2 would stay."
    broken = judge(units, {**said, "b": {"failed": True, "msg": "no."}}, check=True)
    assert (broken.status, broken.failed) == ("failed", True)
    assert broken.lines == ["Failed: b: no"]
