# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What real runs leave in the ledger."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import time

import pytest

from .conftest import CLONE, HERE, ID, Project, Ran, environment


def states(project: Project) -> dict[str, str]:
    return {name: unit["state"] for name, unit in project.deployment()["units"].items()}


def test_a_deployment_is_recorded_with_units_phases_and_versions(completed: Ran) -> None:
    project, done = completed.project, completed.done
    assert done.returncode == 0, done.stdout + done.stderr
    found = project.deployment()
    assert (found["status"], found["project"], found["environment"], found["window"]) == (
        "completed",
        "shop",
        "staging",
        2,
    )
    assert found["rollback_started_at"] is None
    assert found["duration_seconds"] > 0
    assert set(states(project).values()) == {"retired"}
    unit = found["units"]["site1.local"]
    assert (unit["versions_before"], unit["versions_after"]) == ({"erpnext": "14.9.0"}, {"erpnext": "15.2.0"})
    assert (unit["freeze_seconds"], unit["changed"], unit["error"]) == (8.0, True, None)
    assert {phase["phase"]: phase["status"] for phase in unit["phases"]} == dict.fromkeys(
        ["preflight", "prepare", "freeze", "migrate", "thaw", "confirm", "retire"], "completed"
    )
    assert set(project.ledger().durations("shop", "staging")) == set(found["units"])


def test_a_failure_is_recorded_with_its_cause_and_who_was_withheld(failed: Ran) -> None:
    project = failed.project
    assert failed.done.returncode == 2
    found = project.deployment()
    assert found["status"] == "partially_rolled_back"
    assert found["rollback_ended_at"] >= found["rollback_started_at"]
    assert states(project) == {
        "bench@server": "restored",
        "site1.local": "kept",
        "site2.local": "restored",
        "site3.local": "withheld",
    }
    unit = found["units"]["site2.local"]
    assert (unit["error"], unit["error_phase"]) == ("patch erpnext.v15.add_tax failed", "migrate")
    assert unit["hint"] == "mend the patch and deploy again"
    phases = {(phase["direction"], phase["phase"]): phase["status"] for phase in unit["phases"]}
    assert (phases["forward", "freeze"], phases["reverse", "freeze"]) == ("completed", "undone")
    assert (phases["forward", "migrate"], phases["reverse", "migrate"]) == ("failed", "undone")
    assert unit["freeze_seconds"] == 10.0
    assert project.ledger().log.read(ID)[-1].endswith("ERROR   - ended: partially_rolled_back")
    told = "\n".join(project.ledger().log.read(ID))
    assert told.count("patch erpnext.v15.add_tax failed") == 1


def test_what_a_server_undoes_by_itself_is_no_rollback(project: Project) -> None:
    project.run("deploy.yml", fails=["site2.local"], rollback=False)
    found = project.deployment()
    assert (found["rollback_started_at"], found["units"]["site2.local"]["state"]) == (None, "restored")


def test_an_unreachable_server_is_recorded(unreachable: Ran) -> None:
    unit = unreachable.project.deployment()["units"]["site1.local"]
    assert unit["error"] == "site1.local can't be reached"


def test_what_happens_is_there_while_it_goes_on(project: Project, tmp_path: pathlib.Path) -> None:
    gate = tmp_path / "gate"
    command = project.command("deploy.yml", gate=str(gate))
    with subprocess.Popen(
        command, cwd=project.folder, env=project.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        deadline = time.monotonic() + 180
        found = None
        while time.monotonic() < deadline:
            if (project.data / "ledger.db").exists():
                found = project.ledger().progress(ID)
                if found and [task["phase"] for task in found["active_tasks"]] == ["freeze"]:
                    break
            time.sleep(0.05)
        gate.touch()
        assert run.wait(180) == 0
    assert found is not None
    assert (found["status"], found["current_stage"]) == ("in_progress", "stage 1 of 2 (frappe)")
    assert found["active_tasks"][0]["unit"] == "bench@server"
    assert 0 < found["progress_percentage"] < 50
    assert found["sites_pending"] == ["site1.local", "site2.local", "site3.local"]
    assert found["recent_logs"][-1].endswith("bench@server/freeze started")


def test_a_killed_controller_leaves_what_happened_so_far(project: Project, tmp_path: pathlib.Path) -> None:
    command = project.command("deploy.yml", gate=str(tmp_path / "never"))
    with subprocess.Popen(
        command, cwd=project.folder, env=project.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        deadline = time.monotonic() + 180
        log = project.data / "deployments" / f"{ID}.log"
        while time.monotonic() < deadline and not (log.exists() and "freeze started" in log.read_text()):
            time.sleep(0.05)
        run.kill()
    (tmp_path / "never").touch()
    found = project.deployment()
    assert (found["status"], found["units"]["bench@server"]["phase"]) == ("in_progress", "freeze")


def test_a_second_run_that_changes_nothing_doesn_t_shape_estimates(project: Project) -> None:
    done = project.run("deploy.yml", idle=True)
    assert done.returncode == 0
    assert project.deployment()["status"] == "completed"
    assert project.ledger().durations("shop", "staging") == {}


def test_a_refusal_before_anything_was_begun_is_an_error(project: Project) -> None:
    project.run("deploy.yml", refused=True)
    found = project.deployment()
    assert (found["status"], found["error"], found["started_at"]) == ("error", "Nobody approved this deployment.", None)
    assert set(states(project).values()) == {"planned"}


def test_without_a_verdict_the_records_are_judged(project: Project) -> None:
    project.run("deploy.yml", fails=["site2.local"], judged=False)
    assert project.deployment()["status"] == "rolled_back"


def test_a_rollback_by_hand_is_recorded_where_nothing_is_known(project: Project) -> None:
    done = project.run("rollback.yml", reason="wrong prices")
    assert done.returncode == 0
    found = project.deployment()
    assert (found["status"], found["reason"]) == ("rolled_back", "wrong prices")
    assert set(states(project).values()) == {"restored"}


def test_a_rollback_by_hand_continues_the_deployment_s_own_record(project: Project) -> None:
    project.run("deploy.yml")
    before = project.deployment()
    project.run("rollback.yml", reason="wrong prices")
    found = project.deployment()
    assert (found["status"], found["strategy"], found["started_at"]) == ("rolled_back", "rolling", before["started_at"])
    assert found["duration_seconds"] == before["duration_seconds"]
    assert found["units"]["site1.local"]["seconds"] == before["units"]["site1.local"]["seconds"]


@pytest.mark.parametrize("arguments", [["look.yml"], ["deploy.yml", "--check"], ["deploy.yml", "--list-tasks"]])
def test_playbooks_that_only_look_write_nothing(project: Project, arguments: list[str]) -> None:
    project.run(*arguments)
    assert not project.data.exists()


def test_secrets_in_results_don_t_get_in(failed: Ran) -> None:
    written = b"".join(path.read_bytes() for path in failed.project.data.rglob("*") if path.is_file())
    assert b"patch erpnext.v15.add_tax failed" in written
    assert b"hunter2" not in written
    assert b"KeyError" not in written


def test_a_ledger_that_can_t_be_written_is_warned_of_once_and_stops_nothing(project: Project) -> None:
    done = project.run("deploy.yml", lockstep_ledger_url="sqlite:////proc/nowhere/ledger.db")
    assert done.returncode == 0
    assert " ".join(done.stderr.split()).count("The ledger is not written any more in this run") == 1


def test_a_ledger_that_goes_away_meanwhile_stops_nothing(project: Project, tmp_path: pathlib.Path) -> None:
    gate = tmp_path / "gate"
    with subprocess.Popen(
        project.command("deploy.yml", gate=str(gate)),
        cwd=project.folder,
        env=project.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        deadline = time.monotonic() + 180
        log = project.data / "deployments" / f"{ID}.log"
        while time.monotonic() < deadline and not (log.exists() and "freeze started" in log.read_text()):
            time.sleep(0.05)
        shutil.rmtree(project.data / "deployments")
        (project.data / "deployments").write_text("in the way")
        gate.touch()
        _out, told = run.communicate(timeout=180)
    assert run.returncode == 0
    assert " ".join(told.split()).count("The ledger is not written any more in this run") == 1


def test_without_sqlalchemy_there_is_one_warning_and_the_deployment_goes_on(project: Project) -> None:
    hidden = project.folder / "hidden"
    hidden.mkdir()
    (hidden / "sqlalchemy.py").write_text("raise ImportError('not installed')\n")
    project.environ["PYTHONPATH"] = str(hidden)
    done = project.run("deploy.yml")
    assert done.returncode == 0
    told = " ".join(done.stderr.split())
    assert told.count("the ledger needs SQLAlchemy 2, which isn't installed. pip install SQLAlchemy") == 1


def test_the_variable_says_where_the_ledger_is(project: Project, tmp_path: pathlib.Path) -> None:
    group = project.folder / "group_vars"
    group.mkdir()
    url = "sqlite:///{{ inventory_dir }}/elsewhere/team.db"
    (group / "all.yml").write_text(f'---\nlockstep_ledger_url: "{url}"\n')
    project.run("deploy.yml", lockstep_window=2)
    assert (project.folder / "elsewhere" / "team.db").exists()
    assert (project.folder / "elsewhere" / "deployments" / f"{ID}.log").exists()
    assert not project.data.exists()


def test_it_is_loaded_by_collection_name_without_a_configuration_file(tmp_path: pathlib.Path) -> None:
    collection = tmp_path / "ansible_collections" / "lockstep" / "deploy"
    shutil.copytree(HERE / "project", collection / "playbooks")
    (collection / "playbooks" / "callback_plugins").symlink_to(CLONE / "playbooks" / "callback_plugins")
    for name in ("plugins", "meta", "galaxy.yml"):
        (collection / name).symlink_to(CLONE / name)
    shutil.move(collection / "playbooks" / "roles", collection / "roles")
    environ = environment(tmp_path) | {
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
        "ANSIBLE_ACTION_PLUGINS": str(collection / "playbooks" / "action_plugins"),
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(HERE / "project" / "inventory.yml", elsewhere)
    project = Project(elsewhere, environ)
    done = project.run("lockstep.deploy.deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.deployment()["status"] == "completed"


def test_it_is_loaded_when_a_playbook_of_the_user_imports_ours(project: Project, tmp_path: pathlib.Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.yml").write_text(f"---\n- import_playbook: {project.folder}/deploy.yml\n")
    done = project.run(str(elsewhere / "mine.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.deployment()["status"] == "completed"
