# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger promises."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import sqlite3
import stat
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ledger as ledger_module
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model, observe, schema
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ledger import Ledger, ledger_url

PLAN: dict[str, t.Any] = {
    "deployment_id": "20261120T184500Z-1a2b3c",
    "project": "shop",
    "environment": "staging",
    "strategy": "rolling",
    "options": {"batch_size": 2, "database_password": "hunter2"},
    "estimated_duration": 90,
    "apps": [
        {"name": "erpnext", "version": "v15", "commit": "a" * 40, "source": "https://me:pw@git/x", "config": {"k": 1}}
    ],
    "stages": [
        {"level": 1, "apps": ["frappe"], "sites": []},
        {"level": 2, "apps": ["erpnext"], "sites": ["site1.local"]},
    ],
    "units": [
        {"name": "bench@server", "driver": "frappe_bench", "server": "server", "bench": "bench", "stage": 1}
        | {"depends_on": [], "apps": ["frappe"], "estimated_seconds": 60.0},
        {"name": "site1.local", "driver": "frappe_site", "server": "server", "bench": "bench", "site": "site1.local"}
        | {"stage": 2, "depends_on": ["bench@server"], "apps": ["frappe", "erpnext"], "estimated_seconds": 30.0},
    ],
}
ID: str = PLAN["deployment_id"]


def event(kind: str, second: float, unit: str | None = "site1.local", **values: t.Any) -> model.Event:
    minute, second = divmod(second, 60)
    return model.Event(kind, f"2026-11-20T18:{45 + int(minute):02d}:{second:06.3f}Z", unit, **values)


def run_unit(ledger: Ledger, deployment: str, seconds: float, unit: str = "site1.local", **last: t.Any) -> None:
    """One unit from its start to live."""
    values = {"state": "live", "changed": True, **last}
    ledger.record(deployment, [event("started", 0, unit)])
    ledger.record(deployment, [event("state", seconds, unit, **values)])
    ledger.record(deployment, [event("finished", seconds, unit, status="completed")])


def known(ledger: Ledger, deployment: str = ID) -> dict[str, t.Any]:
    """A deployment the ledger has to know."""
    found = ledger.deployment(deployment)
    assert found is not None
    return found


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> t.Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.db", environ={})
    yield opened
    opened.close()


def test_it_lies_in_the_data_folder_of_the_user_and_only_he_may_read_it(tmp_path: pathlib.Path) -> None:
    old = os.umask(0)
    try:
        Ledger(environ={"HOME": "/nowhere", "XDG_DATA_HOME": str(tmp_path)}).plan(PLAN)
    finally:
        os.umask(old)
    folder = tmp_path / "lockstep"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes.pop("lockstep") == modes.pop("deployments") == 0o700
    assert {"ledger.db", f"{ID}.log"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_without_xdg_it_lies_below_home() -> None:
    assert ledger_url(environ={"HOME": "/home/me"}) == "sqlite:////home/me/.local/share/lockstep/ledger.db"
    assert ledger_url(environ={"HOME": "/home/me", "XDG_DATA_HOME": "relative"}).startswith("sqlite:////home/me/.local")


def test_the_variable_wins_over_the_environment_and_that_over_the_default() -> None:
    assert ledger_url(None, {"LOCKSTEP_LEDGER_URL": "sqlite:////a"}) == "sqlite:////a"
    assert ledger_url("sqlite:////b", {"LOCKSTEP_LEDGER_URL": "sqlite:////a"}) == "sqlite:////b"


def test_a_question_creates_nothing(tmp_path: pathlib.Path) -> None:
    assert Ledger.existing(f"sqlite:///{tmp_path}/ledger.db") is None
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_written_with_its_units(ledger: Ledger) -> None:
    ledger.plan(PLAN, window=2, by="alice")
    found = known(ledger)
    assert (found["status"], found["deployed_by"], found["window"]) == ("planning", "alice", 2)
    assert [unit["name"] for unit in found["units"]] == ["bench@server", "site1.local"]
    assert found["units"][1]["depends_on"] == ["bench@server"]


def test_a_deployment_goes_through_its_statuses(ledger: Ledger) -> None:
    steps: list[t.Callable[[], None]] = [
        lambda: ledger.plan(PLAN),
        lambda: ledger.begin(ID),
        lambda: ledger.finish(ID, "completed"),
        lambda: ledger.begin(ID, "reverse"),
        lambda: ledger.finish(ID, "rolled_back", reason="wrong prices", rollback_id="r1"),
    ]
    seen = []
    for step in steps:
        step()
        seen.append(known(ledger)["status"])
    assert seen == ["planning", "in_progress", "completed", "in_progress", "rolled_back"]
    found = known(ledger)
    assert found["reason"] == "wrong prices"
    assert found["rollback_ended_at"] >= found["rollback_started_at"] >= found["ended_at"]


def test_a_deployment_of_which_only_some_units_went_back_is_partly_back(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    run_unit(ledger, ID, 5)
    run_unit(ledger, ID, 5, unit="bench@server")
    for unit, status in (("site1.local", "partially_rolled_back"), ("bench@server", "rolled_back")):
        ledger.begin(ID, "reverse")
        ledger.record(ID, [event("state", 60, unit, state="restored", direction="reverse")])
        ledger.finish(ID, "rolled_back")
        assert known(ledger)["status"] == status


def test_units_that_were_live_before_it_do_not_make_a_rollback_partial(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.begin(ID)
    run_unit(ledger, ID, 1, unit="bench@server", changed=False)
    run_unit(ledger, ID, 5)
    ledger.record(ID, [event("state", 9, state="restored", direction="reverse")])
    ledger.finish(ID, "rolled_back")
    assert known(ledger)["status"] == "rolled_back"


def test_only_known_statuses_are_accepted(ledger: Ledger) -> None:
    with pytest.raises(LockstepError):
        ledger.finish(ID, "fine")


def test_everything_is_there_as_soon_as_it_happened(ledger: Ledger, tmp_path: pathlib.Path) -> None:
    ledger.plan(PLAN)
    ledger.begin(ID)
    ledger.record(ID, [event("started", 0), event("phase", 1, phase="migrate", status="started")])
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        assert other.execute("select state, phase from units where name = 'site1.local'").fetchone() == (
            "running",
            "migrate",
        )
        assert other.execute("select status from deployments").fetchone() == ("in_progress",)
    assert "site1.local/migrate started" in ledger.log.read(ID)[-1]


def test_phases_keep_their_durations_and_listed_details(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    begun = event("phase", 1).at
    phase = event(
        "phase", 9, phase="backup", status="completed", seq=3, seconds=8.0, began=begun, detail={"backup": "b1"}
    )
    ledger.record(ID, [event("started", 0), phase])
    found = known(ledger)
    assert found["units"][1]["phases"] == [
        {"direction": "forward", "phase": "backup", "status": "completed", "started_at": begun, "ended_at": phase.at}
        | {"seconds": 8.0, "detail": {"backup": "b1"}}
    ]


def test_an_entry_of_a_journal_is_written_once_per_status(ledger: Ledger) -> None:
    entry = event("phase", 9, phase="backup", status="completed", seq=3)
    for _again in range(2):
        ledger.record(ID, [entry])
    ledger.record(ID, [event("phase", 20, phase="backup", status="undone", seq=3, direction="reverse")])
    assert [line.split(maxsplit=3)[3] for line in ledger.log.read(ID)] == ["completed", "undone"]


def test_a_failure_keeps_its_first_cause(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.record(ID, [event("started", 0)])
    first = event("failed", 5, phase="migrate", message="patch p1 failed", left="restored", hint="look at p1")
    ledger.record(ID, [first, event("failed", 6, message="the unit failed")])
    found = known(ledger)
    unit = found["units"][1]
    assert (unit["state"], unit["error"], unit["error_phase"]) == ("failed", "patch p1 failed", "migrate")
    assert (unit["left_how"], unit["hint"]) == ("restored", "look at p1")


def test_a_unit_keeps_versions_freeze_and_duration(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    versions = {"before": {"erpnext": "14.0.0"}, "after": {"erpnext": "15.0.0"}}
    run_unit(ledger, ID, 41.5, versions=versions, freeze_seconds=7.25)
    found = known(ledger)
    unit = found["units"][1]
    assert (unit["seconds"], unit["freeze_seconds"], unit["changed"]) == (41.5, 7.25, True)
    assert (unit["versions_before"], unit["versions_after"]) == (versions["before"], versions["after"])


def test_a_unit_nobody_planned_is_added(ledger: Ledger) -> None:
    ledger.record("20261120T190000Z-ffffff", [event("state", 1, "other.local", state="restored", direction="reverse")])
    found = ledger.deployment("20261120T190000Z-ffffff")
    assert found is not None
    assert [(unit["name"], unit["state"]) for unit in found["units"]] == [("other.local", "restored")]


def test_secrets_don_t_get_in(ledger: Ledger, tmp_path: pathlib.Path) -> None:
    ledger.plan(PLAN)
    observer = observe.Observer()
    observer.plan(PLAN)
    observer.play("forward")
    result = {
        "msg": "clone of https://bob:geheim@git.example.org/x failed, db_password=hunter2",
        "hint": "look",
        "stdout": "hunter2",
        "lockstep": {
            "unit": "site1.local",
            "state": "failed",
            "config": {"db_password": "hunter2"},
            "events": [
                {"seq": 1, "phase": "migrate", "status": "failed", "detail": {"password": "hunter2", "rows": 3}}
            ],
        },
    }
    ledger.record(ID, observer.task("site1.local", "migrate") + observer.result("site1.local", result, failed=True))
    ledger.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"https://***@git.example.org" in written
    for secret in (b"hunter2", b"geheim", b"me:pw"):
        assert secret not in written


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "", ".hidden", "a..b", "x" * 200, 7])
def test_an_id_that_could_be_a_path_is_refused(ledger: Ledger, name: t.Any) -> None:
    with pytest.raises(LockstepError):
        ledger.record(name, [event("started", 0)])


def test_each_stage_tells_what_became_of_it_on_each_site(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.record(ID, [event("check", 0, status="skipped", message="site1.local: 3 GB are free")])
    ledger.begin(ID)
    ledger.record(ID, [event("started", 1)])
    for phase, detail in (
        ("backup", {"backup": ID}),
        ("migrate", {"migration": "done", "tables_touched": 4}),
        ("confirm", {"checks": 14, "passed": 13, "failed": ["scheduled_jobs: no worker"]}),
    ):
        ledger.record(ID, [event("phase", 2, phase=phase, status="completed", seconds=1.5, detail=detail)])
    ledger.record(ID, [event("state", 3, state="retired", changed=True), event("finished", 3, status="completed")])
    first, second = known(ledger)["stages"]
    assert first["pre_check_failures"] == second["pre_check_failures"] == ["site1.local: 3 GB are free"]
    assert first["site_results"]["site1.local"]["apps_deployed"] == ["frappe"]
    assert (second["level"], second["apps"]) == (2, ["erpnext"])
    assert second["post_checks"] == {
        "site1.local": {"checks": 14, "passed": 13, "failed": ["scheduled_jobs: no worker"]}
    }
    assert second["site_results"]["site1.local"] == {
        "site": "site1.local",
        "status": "completed",
        "apps_deployed": ["erpnext"],
        "apps_failed": [],
        "backup": {"status": "completed", "seconds": 1.5, "backup": ID},
        "migration": {"status": "completed", "seconds": 1.5, "migration": "done", "tables_touched": 4},
        "reason": None,
        "start_time": "2026-11-20T18:45:01.000Z",
        "end_time": "2026-11-20T18:45:03.000Z",
    }


def test_a_site_that_failed_tells_which_apps_it_has_not_got_and_why(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.begin(ID)
    ledger.record(ID, [event("started", 1), event("phase", 1, phase="migrate", status="failed", seconds=2.0)])
    ledger.record(ID, [event("state", 3, state="restored"), event("failed", 3, message="it broke", phase="migrate")])
    found = known(ledger)["stages"][1]["site_results"]["site1.local"]
    assert (found["status"], found["reason"], found["apps_deployed"]) == ("rolled_back", "it broke", [])
    assert found["apps_failed"] == [{"app": "erpnext", "error": "it broke"}]
    assert (found["migration"], found["backup"]) == ({"status": "failed", "seconds": 2.0}, None)


def test_a_blue_green_tells_which_copies_it_saw_and_what_was_switched(ledger: Ledger) -> None:
    ledger.plan(PLAN | {"strategy": "blue-green"})
    ledger.begin(ID)
    ledger.record(ID, [event("started", 1)])
    for second, phase, detail in (
        (2, "prepare", {"rehearsal": "passed", "copy": "site1.local_green_20261120184502"}),
        (4, "switch", {"release": "r2"}),
        (6, "retire", {"stopped": False, "retained_until": "2026-11-20T19:45:00Z"}),
    ):
        ledger.record(ID, [event("phase", second, phase=phase, status="completed", seconds=1.0, detail=detail)])
    ledger.record(ID, [event("state", 7, state="retired", changed=True), event("finished", 7, status="completed")])
    found = known(ledger)
    assert found["blue_environment"] == ["site1.local"]
    assert found["green_environment"] == ["site1.local_green_20261120184502"]
    assert found["switch_time"] == "2026-11-20T18:45:04.000Z"
    assert found["switch_result"] == [
        {"blue": "site1.local", "green": "site1.local_green_20261120184502", "switched": True}
    ]
    assert (found["blue_retained"], found["validation_failures"]) == (True, [])


def test_a_blue_green_tells_why_a_green_was_not_fit(ledger: Ledger) -> None:
    ledger.plan(PLAN | {"strategy": "blue-green"})
    ledger.begin(ID)
    ledger.record(ID, [event("started", 1), event("phase", 2, phase="prepare", status="failed", seconds=2.0)])
    ledger.record(ID, [event("failed", 3, message="the patch broke", phase="prepare")])
    found = known(ledger)
    assert found["validation_failures"] == ["site1.local: the patch broke"]
    assert found["switch_result"] == [{"blue": "site1.local", "green": None, "switched": False}]
    assert (found["switch_time"], found["blue_retained"], found["green_environment"]) == (None, False, [])


def test_only_a_blue_green_has_two_sides(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    assert "switch_result" not in known(ledger)


def test_history_is_newest_first_and_counts_units(ledger: Ledger) -> None:
    for number in range(3):
        ledger.plan(PLAN | {"deployment_id": f"d{number}"})
        ledger.begin(f"d{number}")
    run_unit(ledger, "d2", 5)
    found = ledger.history("shop", "staging", limit=2)
    assert [entry["deployment_id"] for entry in found] == ["d2", "d1"]
    assert found[0]["units"] == {"live": 1, "planned": 1}
    assert ledger.history("other") == []


def test_statistics_count_what_ended(ledger: Ledger) -> None:
    for number, status in enumerate(["completed", "completed", "failed", "rolled_back", "partially_rolled_back", None]):
        ledger.plan(PLAN | {"deployment_id": f"d{number}"})
        ledger.begin(f"d{number}")
        if status:
            ledger.finish(f"d{number}", status)
    with sqlite3.connect(str(schema.sqlite_file(ledger.url))) as other:
        other.execute("update deployments set duration_seconds = 100 where id = 'd0'")
        other.execute("update deployments set duration_seconds = 200 where id = 'd1'")
    assert ledger.statistics("shop") == {
        "totalDeployments": 5,
        "successfulDeployments": 2,
        "failedDeployments": 3,
        "averageDeploymentTime": 150.0,
        "rollbackRate": 40.0,
    }


def test_statistics_of_nothing(ledger: Ledger) -> None:
    found = ledger.statistics()
    assert (found["totalDeployments"], found["averageDeploymentTime"], found["rollbackRate"]) == (0, None, 0.0)


def test_durations_are_the_median_of_the_last_runs_that_changed_something(ledger: Ledger) -> None:
    for number, seconds in enumerate([500, 500, 10, 30, 20, 40, 50]):
        deployment = f"d{number}"
        ledger.plan(PLAN | {"deployment_id": deployment})
        ledger.record(deployment, [event("started", number)])
        ledger.record(deployment, [event("state", number, state="live", changed=True)])
        ledger.record(deployment, [event("finished", number + seconds, status="completed")])
    ledger.plan(PLAN | {"deployment_id": "idle"})
    run_unit(ledger, "idle", 1, changed=False)
    ledger.plan(PLAN | {"deployment_id": "failed"})
    ledger.record("failed", [event("started", 0), event("failed", 1), event("finished", 1, status="failed")])
    assert ledger.durations("shop", "staging", runs=5) == {"site1.local": 30}
    assert ledger.durations("shop", "production") == {}


def test_durations_leave_out_what_a_unit_was_only_watched_for(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.record(ID, [event("started", 0)])
    walked = {"migrate": (0, 10), "shift": (10, 190), "confirm": (190, 220), "retire": (220, 222)}
    for phase, (began, ended) in walked.items():
        ledger.record(ID, [event("phase", began, phase=phase, status="started")])
        ledger.record(ID, [event("phase", ended, phase=phase, status="completed", seconds=ended - began)])
    ledger.record(ID, [event("state", 222, state="live", changed=True), event("finished", 222, status="completed")])
    assert ledger.durations("shop", "staging") == {"site1.local": 12}


def test_progress_of_a_running_deployment(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.begin(ID)
    run_unit(ledger, ID, 60, unit="bench@server")
    ledger.record(ID, [event("started", 60), event("phase", 61, phase="migrate", status="started")])
    found = ledger.progress(ID, now=event("", 71).at)
    assert found is not None
    logs = found.pop("recent_logs")
    assert found == {
        "deployment_id": ID,
        "status": "in_progress",
        "current_stage": "stage 2 of 2 (erpnext)",
        "progress_percentage": 77,
        "sites_completed": [],
        "sites_pending": ["site1.local"],
        "sites_failed": [],
        "estimated_completion": "2026-11-20T18:46:30.000Z",
        "active_tasks": [{"unit": "site1.local", "phase": "migrate", "seconds": 10.0}],
    }
    assert logs[-1].endswith("site1.local/migrate started")


def test_progress_after_a_rollback_tells_what_is_back(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.begin(ID)
    run_unit(ledger, ID, 60, unit="bench@server")
    ledger.record(ID, [event("started", 60), event("failed", 70, message="no")])
    ledger.begin(ID, "reverse")
    found = ledger.progress(ID)
    assert found is not None
    assert found["current_stage"] == "rollback"
    for unit in ("site1.local", "bench@server"):
        ledger.record(ID, [event("state", 80, unit, state="restored", direction="reverse")])
    ledger.finish(ID, "rolled_back")
    found = ledger.progress(ID)
    assert found is not None
    assert (found["status"], found["sites_failed"]) == ("rolled_back", ["site1.local"])
    assert found["estimated_completion"] is None


def test_recent_logs_are_the_last_fifty(ledger: Ledger) -> None:
    for number in range(60):
        ledger.record(ID, [event("problem", number % 60, None, message=f"number {number}")])
    found = ledger.progress(ID)
    assert found is not None
    assert len(found["recent_logs"]) == 50
    assert found["recent_logs"][-1].endswith("failed: number 59")
    os.unlink(ledger.log.path(ID))
    again = ledger.progress(ID)
    assert again is not None
    assert again["recent_logs"] == found["recent_logs"]


def _write_from_another_process(url: str, name: str) -> None:
    ledger = Ledger(url, environ={})
    ledger.plan(PLAN)
    for number in range(60):
        ledger.record(ID, [event("problem", number % 60, None, message=f"{name} {number}")])
    ledger.close()


def test_a_new_ledger_that_another_controller_is_just_making_is_waited_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("create table begun (number integer)")
    other.execute("begin immediate")
    looks: list[float] = []

    def end_the_other(seconds: float) -> None:
        looks.append(seconds)
        other.execute("commit")

    monkeypatch.setattr(schema.time, "sleep", end_the_other)
    Ledger(f"sqlite:///{tmp_path}/ledger.db", environ={}).close()
    other.close()
    assert len(looks) == 1
    with sqlite3.connect(tmp_path / "ledger.db") as later:
        assert later.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_ledger_is_not_waited_for_without_end(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("create table begun (number integer)")
    other.execute("begin immediate")
    with pytest.raises(LockstepError, match="locked"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db", environ={})
    other.close()


def test_two_controllers_write_at_once(tmp_path: pathlib.Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_from_another_process, args=(url, f"writer{n}")) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        assert other.execute("select count(*) from events").fetchone() == (240,)
        assert other.execute("select count(*) from units").fetchone() == (2,)
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
    assert len(Ledger(url).log.read(ID)) == 241


def test_an_older_ledger_is_brought_forward_with_what_it_holds(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.plan(PLAN)
    ledger.close()

    def add_column(connection: t.Any) -> None:
        connection.exec_driver_sql("alter table deployments add column ticket text")

    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, add_column])
    for _again in range(2):
        Ledger(ledger.url, environ={}).close()
    with sqlite3.connect(str(schema.sqlite_file(ledger.url))) as other:
        assert other.execute("select id, ticket from deployments").fetchall() == [(ID, None)]
        assert other.execute("select version from lockstep_schema").fetchall() == [(1,), (2,)]


def test_a_step_forward_that_fails_leaves_the_old_version(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(connection: t.Any) -> None:
        connection.exec_driver_sql("alter table deployments add column ticket text")
        connection.exec_driver_sql("alter table nothing add column x text")

    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, half])
    with pytest.raises(LockstepError, match="can't be opened"):
        Ledger(ledger.url, environ={})
    with sqlite3.connect(str(schema.sqlite_file(ledger.url))) as other:
        assert "ticket" not in {row[1] for row in other.execute("pragma table_info(deployments)")}


def test_a_newer_ledger_is_left_alone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", [])
    with pytest.raises(LockstepError, match="version 1"):
        Ledger(ledger.url, environ={})


@pytest.mark.parametrize("url", ["mysql://h/x", "no url", "sqlite:////proc/nowhere/ledger.db"])
def test_an_address_that_can_t_be_used_is_told(url: str) -> None:
    with pytest.raises(LockstepError) as error:
        Ledger(url, environ={"HOME": "/nonexistent"})
    assert "ledger" in str(error.value)


def test_the_password_in_an_address_isn_t_told() -> None:
    with pytest.raises(LockstepError) as error:
        Ledger("postgresql+nodriver://me:geheim@db/x", environ={})
    assert "geheim" not in str(error.value)


def test_a_broken_file_is_told_and_left(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is no database, it only lies where one should" * 40)
    with pytest.raises(LockstepError, match="can't be opened"):
        Ledger(f"sqlite:///{path}", environ={})
    assert path.read_bytes().startswith(b"this is no database")


def test_without_sqlalchemy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_MISSING", ImportError("no"))
    with pytest.raises(LockstepError, match="pip install SQLAlchemy"):
        Ledger("sqlite://")


def journal(status: str, deployment: str = ID, **more: t.Any) -> dict[str, t.Any]:
    steps = [
        {
            "seq": 1,
            "phase": "freeze",
            "status": "completed",
            "at": event("", 0).at,
            "ended": event("", 1).at,
            "seconds": 1.0,
        },
        {
            "seq": 2,
            "phase": "thaw",
            "status": "completed",
            "at": event("", 9).at,
            "ended": event("", 10).at,
            "seconds": 1.0,
        },
    ]
    times = {"opened": event("", 0).at, "closed": event("", 12).at}
    return {"deployment_id": deployment, "status": status, "events": steps} | times | more


def record(unit: str, *journals: dict[str, t.Any]) -> dict[str, t.Any]:
    place = {"driver": "frappe_site", "server": "server", "bench": "bench", "project": "shop", "environment": "staging"}
    manifest = {"deployment_history": [{"deployment_id": ID, "deployed_by": "alice"}]}
    return {"unit": unit, "site": unit, "journals": list(journals), "manifest": manifest} | place


def test_it_is_rebuilt_from_what_the_servers_say(ledger: Ledger) -> None:
    versions = {"before": {"erpnext": "14"}, "after": {"erpnext": "15"}}
    records = [record("site1.local", journal("live", versions=versions)), record("site2.local", journal("live"))]
    assert ledger.rebuild(records) == 1
    found = known(ledger)
    assert (found["status"], found["deployed_by"], found["duration_seconds"]) == ("completed", "alice", 12.0)
    unit = found["units"][0]
    assert (unit["state"], unit["seconds"], unit["freeze_seconds"]) == ("live", 12.0, 10.0)
    assert (unit["versions_after"], [phase["phase"] for phase in unit["phases"]]) == (
        {"erpnext": "15"},
        ["freeze", "thaw"],
    )
    assert ledger.durations("shop", "staging") == {"site1.local": 12.0, "site2.local": 12.0}


def test_it_is_rebuilt_from_journals_as_they_lie_on_the_server(ledger: Ledger) -> None:
    told = journal("restored")
    steps = [{**step, "result": {"error": "no"}, "intent": {"secret": "hunter2"}} for step in told.pop("events")]
    data = {"project": "shop", "environment": "staging", "versions": {"before": {"erpnext": "14"}, "after": {}}}
    ledger.rebuild([{"unit": "site1.local", "journals": [{**told, "steps": steps, "data": data}]}])
    found = known(ledger)
    assert (found["project"], found["environment"], found["status"]) == ("shop", "staging", "rolled_back")
    unit = found["units"][0]
    assert (unit["versions_before"], unit["phases"][0]["detail"]) == ({"erpnext": "14"}, {"error": "no"})


def test_rebuilding_twice_adds_nothing_and_changes_nothing(ledger: Ledger) -> None:
    ledger.plan(PLAN)
    ledger.begin(ID)
    ledger.finish(ID, "completed")
    before = ledger.deployment(ID)
    assert before is not None
    assert ledger.rebuild([record("site3.local", journal("live"))]) == 0
    after = ledger.deployment(ID)
    assert after is not None
    assert [unit for unit in after["units"] if unit["name"] != "site3.local"] == before["units"]
    assert {**after, "units": None} == {**before, "units": None}


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("live", "live"), "completed"),
        (("restored", "restored"), "rolled_back"),
        (("restored", "live"), "partially_rolled_back"),
        (("kept", "restored"), "partially_rolled_back"),
        (("failed", "restored"), "rollback_failed"),
        (("open", "live"), "in_progress"),
    ],
)
def test_a_rebuilt_deployment_has_the_status_its_journals_say(
    ledger: Ledger, states: tuple[str, ...], status: str
) -> None:
    ledger.rebuild(record(f"site{number}.local", journal(state)) for number, state in enumerate(states))
    found = known(ledger)
    assert found["status"] == status


@pytest.mark.parametrize(
    ("site", "bench", "status"),
    [
        ("restored", "kept", "rolled_back"),
        ("kept", "kept", "partially_rolled_back"),
        ("restored", "live", "partially_rolled_back"),
        ("live", "kept", "partially_rolled_back"),
    ],
)
def test_a_bench_that_stays_for_sites_of_others_makes_no_rollback_partial(
    ledger: Ledger, site: str, bench: str, status: str
) -> None:
    ledger.rebuild([record("site1.local", journal(site)), {**record("bench@server", journal(bench)), "site": None}])
    assert known(ledger)["status"] == status


def test_records_that_are_none_are_left_out(ledger: Ledger) -> None:
    bad: list[dict[str, t.Any]] = [
        {},
        {"unit": "x", "journals": None},
        {"unit": "x", "journals": ["?", {"deployment_id": "../x"}]},
    ]
    assert ledger.rebuild(bad) == 0
