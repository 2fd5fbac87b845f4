# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of the servers' records."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import status, status_issues, status_render

ONE, TWO, THREE = "20261101T100000Z-aaaaaa", "20261102T100000Z-bbbbbb", "20261103T100000Z-cccccc"
NOW = "2026-11-03T12:00:00Z"
SITE = "site1.local"


def journal(deployment_id: str, state: str = "live", **more: t.Any) -> dict[str, t.Any]:
    day = f"{deployment_id[:4]}-{deployment_id[4:6]}-{deployment_id[6:8]}"
    return {"deployment_id": deployment_id, "status": state, "opened": f"{day}T10:00:00Z", "events": [], **more}


def info(unit: str = SITE, *journals: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    """A unit's records as the module returns them, its newest deployment last."""
    newest = journals[-1] if journals else None
    now = newest and {
        "open": newest["status"] not in ("live", "restored", "kept"),
        "phase": "retire",
        "phase_status": "completed",
        "phase_at": newest["opened"],
        "overdue": False,
        "at_work": False,
        **newest,
    }
    return {
        "unit": unit,
        "driver": "frappe_site",
        "bench": "frappe-bench",
        "site": unit,
        "adopted": True,
        "release": "0a1b2c3d",
        "apps": {"frappe": {"version": "16.0.0", "commit": "0" * 40}},
        "answers": True,
        "journal": now,
        "journals": list(journals),
        "lock": {},
        "maintenance": False,
        "closed": False,
        "backups": [],
        "way_back": None,
        "manifest": {"current_deployment": None, "deployment_history": []},
        **more,
    }


def record(found: dict[str, t.Any], server: str = "app1") -> dict[str, t.Any]:
    return {"unit": found["unit"], "server": server, "info": found}


def report(*found: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return status.report([record(one) for one in found], now=NOW, **more)


def lines(found: dict[str, t.Any]) -> str:
    return "\n".join(status_render.as_lines(found, "shop", "staging"))


def half_done(**more: t.Any) -> dict[str, t.Any]:
    return journal(TWO, "open", phase="freeze", phase_status="started", **more)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (info(adopted=False), "not adopted"),
        (info(), "adopted"),
        (info(SITE, journal(ONE)), "live"),
        (info(SITE, journal(ONE, "restored")), "restored"),
        (info(SITE, journal(ONE, "kept")), "kept"),
        (info(SITE, journal(ONE), maintenance=True), "in maintenance"),
        (info(SITE, journal(ONE), closed=True), "in maintenance"),
        (info(SITE, journal(ONE), closed=True, traffic={"state": "stopped"}), "stopped"),
        (info(SITE, half_done(at_work=True), closed=True, traffic={"state": "stopped"}), "at work: freeze"),
        (info(SITE, half_done(at_work=True)), "at work: freeze"),
        (info(SITE, half_done()), "half-done: freeze started"),
        (info(SITE, journal(TWO, "open", phase=None, phase_status=None)), "half-done: nothing began"),
        (info(SITE, journal(TWO, "failed")), "rollback failed"),
        (info(SITE, journal(TWO, "failed", at_work=True)), "at work: retire"),
        (info(SITE, journal(TWO, "open"), lock={"owner": TWO, "expired": False}), "between steps: retire is done"),
        (info(SITE, journal(TWO, "open"), lock={"owner": TWO, "expired": True}), "half-done: retire completed"),
        (info(SITE, half_done(), lock={"owner": TWO, "expired": False}), "half-done: freeze started"),
    ],
)
def test_a_unit_is_what_its_records_say(found: dict[str, t.Any], state: str) -> None:
    assert status.state_of(found) == state


def test_a_site_that_is_frozen_between_two_steps_is_an_issue_as_its_controller_may_be_gone() -> None:
    lock = {"owner": TWO, "expired": False}
    found = report(info(SITE, journal(TWO, "open", phase="switch"), lock=lock, maintenance=True))
    assert "is frozen since" in found["issues"][0]
    assert f"-e deployment_id={TWO}" in found["recommended_actions"][0]
    assert report(info(SITE, journal(TWO, "open", phase="prepare"), lock=lock))["issues"] == []


def test_a_unit_that_nobody_takes_on_from_one_step_to_the_next_is_an_issue_after_a_minute() -> None:
    lock = {"owner": TWO, "expired": False}

    def left(ended: str, *others: dict[str, t.Any]) -> dict[str, t.Any]:
        shifted = journal(TWO, "open", phase="shift", phase_at="2026-11-03T11:00:00Z", phase_ended=ended)
        return report(info(SITE, shifted, lock=lock), *others)

    assert left("2026-11-03T11:59:10Z")["issues"] == [], "its controller is about to come with the next one"
    found = left("2026-11-03T11:50:00Z")
    (issue,) = found["issues"]
    assert issue.startswith(f"deployment {TWO} of {SITE} is not finished: between steps: shift is done, and nobody is")
    assert issue.endswith("at work on it for 10 min")
    assert (
        f"or if that is gone: ansible-playbook lockstep.deploy.rollback -e deployment_id={TWO}"
        in (found["recommended_actions"][0])
    )
    assert left("2026-11-03T11:50:00Z", info("site2.local", half_done(at_work=True)))["issues"] == [], "it waits for it"


def test_a_release_that_is_kept_running_is_told_until_when_and_how_it_is_stopped() -> None:
    bench = {**info("bench@app1", journal(ONE), retained={"9f8e": "2026-11-03T13:00:00Z"}), "site": None}
    assert (
        "kept running for a way back: release 9f8e of bench@app1, until 2026-11-03 13:00 UTC; ansible-playbook "
        "lockstep.deploy.retire stops it after that"
    ) in lines(report(bench))
    bench["retained"] = {"9f8e": "2026-11-03T11:00:00Z"}
    assert "until 2026-11-03 11:00 UTC, which is over; ansible-playbook lockstep.deploy.retire" in lines(report(bench))


def test_a_half_done_deployment_is_an_issue_with_the_command_that_ends_it() -> None:
    found = report(info(SITE, journal(ONE), half_done()))
    assert found["issues"] == [f"deployment {TWO} of {SITE} is not finished: half-done: freeze started"]
    assert found["recommended_actions"] == [
        f"ansible-playbook lockstep.deploy.rollback -e deployment_id={TWO} -e only={SITE} -e reason=WHY"
    ]
    assert found["deployment_status"] == "in_progress"
    assert found["current_stage"] == f"freeze of {SITE}"
    assert found["sites_pending"] == [SITE]


def test_what_is_at_work_is_no_issue_unless_it_takes_too_long() -> None:
    found = report(info(SITE, half_done(at_work=True, phase_at="2026-11-03T11:58:00Z")))
    assert found["issues"] == []
    assert found["active_tasks"] == [{"unit": SITE, "phase": "freeze", "seconds": 120.0}]
    late = report(info(SITE, half_done(at_work=True, overdue=True)))
    assert late["issues"] == [f"freeze of {SITE} takes longer than it may, since 2026-11-02T10:00:00Z"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"lock": {"owner": "ada", "manual": True, "expired": False}}, "was locked by hand by ada"),
        ({"maintenance": True}, "is in maintenance mode, and no deployment of it is open"),
        ({"closed": True}, "shows its maintenance page, and no deployment of it is open"),
        ({"answers": False}, "does not accept connections"),
    ],
)
def test_what_needs_somebody_is_an_issue(more: dict[str, t.Any], told: str) -> None:
    found = report(info(SITE, journal(ONE), **more))
    assert len(found["issues"]) == len(found["recommended_actions"]) == 1
    assert told in found["issues"][0]


@pytest.mark.parametrize("opened", [journal(ONE), half_done(at_work=True)])
def test_a_site_that_an_operator_closed_is_an_issue_also_during_a_deployment(opened: dict[str, t.Any]) -> None:
    traffic = {"state": "stopped", "by": "ada", "since": "2026-11-03T11:58:00Z", "reason": "wrong prices"}
    found = report(info(SITE, opened, closed=True, traffic=traffic))
    assert found["issues"] == [
        f"{SITE} is closed to visitors: stopped since 2026-11-03 11:58 UTC by ada (wrong prices)"
    ]
    assert found["recommended_actions"][0].startswith(
        f"ansible-playbook lockstep.deploy.traffic -e state=live -e sites={SITE}"
    )


def test_maintenance_of_an_open_deployment_is_its_own() -> None:
    assert report(info(SITE, half_done(at_work=True), maintenance=True))["issues"] == []


def test_an_unreachable_server_is_told_once() -> None:
    lost = [{"unit": f"site{n}", "server": "app2", "unreachable": True, "error": "no route"} for n in range(3)]
    found = status.report([record(info(SITE, journal(ONE))), *lost], now=NOW)
    assert found["unreachable"] == ["app2"]
    assert found["issues"] == ["server app2 can not be reached, so nothing is known of 3 units: no route"]
    assert [unit["state"] for unit in found["units"]] == ["live", *["unreachable"] * 3]
    assert "unreachable" in lines(found)


def test_records_that_can_not_be_read_are_told() -> None:
    found = status.report([{"unit": SITE, "server": "app1", "error": "journal.json can't be read"}], now=NOW)
    assert found["issues"] == [f"{SITE}: journal.json can't be read"]
    assert found["units"][0]["state"] == "unknown"


def test_the_deployments_of_all_servers_are_put_together() -> None:
    past = {"deployment_id": ONE, "version": "erp 1", "deployed_at": "2026-11-01T10:05:00Z", "deployed_by": "ada"}
    manifest = {"current_deployment": None, "deployment_history": [{**past, "git_sha": None, "units": {SITE: {}}}]}
    found = report(
        info(SITE, journal(ONE), journal(TWO), journal(THREE), manifest=manifest),
        info("site2.local", journal(ONE), journal(TWO, "restored"), journal(THREE, "restored")),
        info("bench@app1", journal(THREE, "restored")),
        history=True,
    )["history"]
    assert [(entry["deployment_id"], entry["status"]) for entry in found] == [
        (THREE, "partially_rolled_back"),
        (TWO, "partially_rolled_back"),
        (ONE, "completed"),
    ]
    assert (found[2]["version"], found[2]["deployed_by"]) == ("erp 1", "ada")
    assert found[2]["units"] == {SITE: "live", "site2.local": "live"}


def test_a_bench_that_stays_for_sites_of_others_makes_no_rollback_partial() -> None:
    bench = {**info("bench@app1", journal(ONE, "kept")), "site": None}
    found = report(info(SITE, journal(ONE, "restored")), bench, history=True)["history"]
    assert [entry["status"] for entry in found] == ["rolled_back"]


def test_ten_deployments_are_told_the_newest_first() -> None:
    journals = [journal(f"202611{day:02}T100000Z-aaaaaa") for day in range(1, 29)]
    found = report(info(SITE, *journals), history=True)["history"]
    assert [entry["deployment_id"][6:8] for entry in found] == [str(day) for day in range(28, 18, -1)]


def test_a_deployment_that_only_the_manifest_remembers_was_completed() -> None:
    past = {"deployment_id": ONE, "version": "erp 1", "units": {SITE: {}}}
    found = report(info(SITE, manifest={"deployment_history": [past]}), history=True)["history"]
    assert [(entry["deployment_id"], entry["status"]) for entry in found] == [(ONE, "completed")]


def way_back(**more: t.Any) -> dict[str, t.Any]:
    return {
        "deployment_id": TWO,
        "release": "11111111",
        "versions": {"frappe": "15.9.0"},
        "on_disk": True,
        "backup": True,
        "thawed_at": "2026-11-03T11:30:00Z",
        **more,
    }


@pytest.mark.parametrize(
    ("more", "possible", "told"),
    [
        ({}, True, "fully, if no table that the migration touched was written since"),
        ({"thawed_at": None}, True, "its users have written nothing since: it goes back fully"),
        ({"backup": False}, True, "no backup was taken"),
        ({"on_disk": False}, False, "release 11111111 is no longer on the server"),
    ],
)
def test_a_way_back_says_what_it_means(more: dict[str, t.Any], possible: bool, told: str) -> None:
    found = report(info(SITE, journal(TWO), way_back=way_back(**more)), rollback_options=True)["rollback_options"]
    assert len(found) == 1
    assert found[0]["possible"] is possible
    assert told in found[0]["meaning"]
    assert (
        found[0]["command"]
        == f"ansible-playbook lockstep.deploy.rollback -e deployment_id={TWO} -e only={SITE} -e reason=WHY"
    )


def test_sites_that_can_go_back_together_are_told_together() -> None:
    found = report(
        *(info(name, journal(TWO), way_back=way_back()) for name in (SITE, "site2.local")),
        info("site3.local", journal(TWO), way_back=way_back(thawed_at=None)),
        rollback_options=True,
    )
    text = lines(found)
    assert text.count("fully, if no table") == 1
    assert f"    {SITE}: users write since 2026-11-03 11:30 UTC, 30 min ago\n    site2.local: users" in text
    assert f"-e deployment_id={TWO} -e reason=WHY   (one of them: -e only=UNIT)" in text
    assert f"-e deployment_id={TWO} -e only=site3.local -e reason=WHY" in text


def test_a_site_that_was_kept_says_why() -> None:
    kept = journal(TWO, "kept", reason="users may have written to 2 tables")
    found = report(info(SITE, kept, way_back=way_back()), rollback_options=True)["rollback_options"]
    assert "kept when that was tried: users may have written to 2 tables" in found[0]["meaning"]


def backup(deployment_id: str, **more: t.Any) -> dict[str, t.Any]:
    taken_at = f"{deployment_id[:4]}-{deployment_id[4:6]}-{deployment_id[6:8]}T10:00:00Z"
    folder = f"/backups/{deployment_id}"
    return {
        "deployment_id": deployment_id,
        "taken_at": taken_at,
        "release": "1",
        "on_disk": True,
        "folder": folder,
        **more,
    }


def backups_of(*found: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    unit = info(SITE, journal(TWO), way_back=way_back(), backups=list(found))
    return [option for option in report(unit, rollback_options=True)["rollback_options"] if option["backup"]]


def test_backups_are_told_the_newest_first_and_not_all() -> None:
    found = backups_of(*(backup(f"2026110{day}T100000Z-aaaaaa") for day in range(1, 8)))
    assert [option["backup"][6:8] for option in found] == ["07", "06", "05", "04", "03"]


def test_the_backup_of_the_last_deployment_can_be_gone_back_to() -> None:
    (found,) = backups_of(backup(TWO))
    assert found["possible"] is True
    assert found["meaning"] == "database and files as they were then; what was written since is lost"
    assert found["command"] == f"ansible-playbook lockstep.deploy.rollback -e backup={TWO} -e only={SITE} -e reason=WHY"


@pytest.mark.parametrize("one", [backup(ONE), backup(TWO, on_disk=False)])
def test_of_other_backups_it_is_told_where_they_are(one: dict[str, t.Any]) -> None:
    (found,) = backups_of(one)
    assert found["possible"] is False
    assert f"what it holds is in /backups/{one['deployment_id']}" in found["meaning"]
    assert found["command"] not in lines(report(info(SITE, journal(TWO), backups=[one]), rollback_options=True))


def test_without_a_ledger_only_an_end_is_certain() -> None:
    running = report(info(SITE, half_done(at_work=True)))
    assert running["progress_percentage"] is None
    done = report(info(SITE, journal(TWO)))
    assert (done["progress_percentage"], done["current_stage"]) == (100, "done")
    assert done["sites_completed"] == [SITE]
    assert report(info())["deployment_id"] is None


def test_the_ledger_adds_what_the_servers_do_not_know() -> None:
    ledger = {
        "deployment_id": TWO,
        "current_stage": "stage 1 of 2",
        "progress_percentage": 40,
        "sites_completed": [],
        "sites_pending": [SITE, "site2.local"],
        "sites_failed": [],
        "estimated_completion": "2026-11-03T12:30:00Z",
        "active_tasks": [],
        "recent_logs": ["a line"],
    }
    found = report(info(SITE, journal(TWO)), info("site3.local", journal(ONE)), progress=ledger)
    assert (found["current_stage"], found["progress_percentage"]) == ("stage 1 of 2", 40)
    assert (found["sites_completed"], found["sites_pending"]) == ([SITE], ["site2.local"])
    assert "expected to end: 2026-11-03 12:30 UTC" in lines(found)


def test_a_ledger_that_knows_an_older_deployment_alone_is_not_asked() -> None:
    found = report(info(SITE, journal(TWO)), progress={"deployment_id": ONE, "current_stage": "old"})
    assert found["current_stage"] == "done"


def test_everything_can_be_told_to_people() -> None:
    figures = {
        "totalDeployments": 4,
        "successfulDeployments": 3,
        "failedDeployments": 1,
        "averageDeploymentTime": 90.0,
        "rollbackRate": 25.0,
    }
    found = report(
        info(SITE, journal(ONE), half_done(), way_back=way_back()),
        info("bench@app1", driver="frappe_bench", site=None),
        statistics=figures,
        history=True,
        rollback_options=True,
    )
    text = lines(found)
    for part in (
        "shop, staging",
        "half-done: freeze started",
        "frappe 16.0.0",
        "What to do",
        "Ways back",
        "25 % rolled",
    ):
        assert part in text
    assert "none" in lines(report(info(), history=True, rollback_options=True))


def shared(state: str) -> dict[str, t.Any]:
    return {
        "state": state,
        "percent": 25,
        "since": "2026-11-03T11:00:00Z",
        "candidate": {"release": "9f8e", "versions": {}},
        "live": {"release": "0a1b", "versions": {}},
    }


def test_a_site_whose_visitors_are_shared_is_told_with_how_that_ends() -> None:
    at_work = journal(TWO, "open", phase="shift", phase_status="started", at_work=True)
    found = report(info(SITE, at_work, split=shared("held")))
    assert found["issues"] == []
    assert found["units"][0]["split"]["percent"] == 25
    shown = lines(found)
    assert f"shared: {SITE}, 25 % of its visitors are on release 9f8e since 2026-11-03 11:00 UTC, held until" in shown
    assert "shared:" not in lines(report(info(SITE, at_work, split=shared("none")), info("old.local")))


def test_visitors_on_a_release_that_nobody_watches_are_an_issue() -> None:
    died = journal(TWO, "open", phase="shift", phase_status="started")
    found = report(info(SITE, died, split=shared("abandoned")))
    told = f"deployment {TWO} of {SITE} is not finished: half-done: shift started"
    visitors = "25 % of its visitors are on release 9f8e, which nobody watches any more"
    assert found["issues"] == [f"{told}; {visitors}"]
    assert f"deployment_id={TWO}" in found["recommended_actions"][0]


def watch(state: str, **more: t.Any) -> dict[str, t.Any]:
    reasons = [] if state in ("watching", "abandoned") else ["errors: 9 % failed"]
    times = {"began": "2026-11-03T11:00:00Z", "until": "2026-11-03T12:30:00Z"}
    return {"deployment_id": TWO, "status": state, "reasons": reasons, **times, **more}


def test_a_site_that_is_watched_is_told_with_what_was_seen() -> None:
    found = report(info(SITE, journal(TWO), watch=watch("watching")), info("old.local", watch=None))
    assert found["issues"] == []
    assert f"watched: {SITE}, until 2026-11-03 12:30 UTC" in lines(found)
    assert "watched: old.local" not in lines(found)
    ended = report(info(SITE, journal(TWO), watch=watch("passed", ended="2026-11-03T11:50:00Z")))
    assert f"watched: {SITE}, ended 2026-11-03 11:50 UTC, passed: errors: 9 % failed" in lines(ended)
    assert ended["issues"] == []


def test_what_a_watch_would_take_back_and_nobody_did_is_an_issue() -> None:
    failed = watch("failed", ended="2026-11-03T11:50:00Z")
    found = report(info(SITE, journal(TWO), watch=failed))
    told = f"{SITE} does badly since deployment {TWO}, which was not taken back: errors: 9 % failed"
    assert found["issues"] == [told]
    assert f"deployment_id={TWO}" in found["recommended_actions"][0]
    assert report(info(SITE, journal(TWO, "restored"), watch=failed))["issues"] == []


def test_a_watch_whose_process_is_gone_is_an_issue() -> None:
    found = report(info(SITE, journal(TWO), watch=watch("abandoned")))
    assert found["issues"] == [f"the process is gone that was to watch {SITE} until 2026-11-03 12:30 UTC"]
    again = [f"{status_issues.WATCH} -e deployment_id={TWO}, to watch it again"]
    assert found["recommended_actions"] == again
    broken = report(info(SITE, journal(TWO), watch=watch("broken")))
    assert broken["issues"] == [f"{SITE} was not watched after its deployment: errors: 9 % failed"]
    assert broken["recommended_actions"] == again
