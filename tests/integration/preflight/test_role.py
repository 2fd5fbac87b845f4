# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks as a user meets them: all failures of all units at once, before anything changes."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from tests.integration.preflight.look import ONE, TWO, Look
from tests.integration.stage import BENCH

pytestmark = pytest.mark.integration

CHECK = pathlib.Path(__file__).with_name("check.yml")
LITTLE = {"preflight_disk_left": 0.001}


def test_units_that_are_well_are_let_through_and_told_as_json(look: Look, tmp_path: pathlib.Path) -> None:
    done = look.stage.play(CHECK, preflight_file=str(tmp_path / "found.json"), **LITTLE)
    assert done.returncode == 0, done.stdout
    assert "Checks of 3 units: " in done.stdout
    assert "overridden=0" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["valid"] is True
    assert found["results"]["failed"] == []
    assert set(found["units"]) == {BENCH, ONE, TWO}
    assert all(unit["results"]["passed"] for unit in found["units"].values())


def test_deploy_stops_with_all_failures_at_once_and_changes_nothing(look: Look, tmp_path: pathlib.Path) -> None:
    file = look.stage.deployment(sites=[ONE, "gone.local"])
    there = set(look.stage.folder.glob("lockstep/**"))
    lock = look.stage.folder / "state" / "locks" / f"{ONE}.json"
    with look.file(lock, json.dumps({"owner": "ada", "manual": True})):
        done = look.stage.play(
            "playbooks/deploy.yml", inventory=file, preflight_file=str(tmp_path / "found.json"), **LITTLE
        )
    assert done.returncode != 0
    assert "2 checks before the deployment failed, and nothing was changed" in done.stdout
    assert f"{ONE} was locked by hand by ada" in done.stdout
    assert "no such site in" in done.stdout
    assert json.loads((tmp_path / "found.json").read_text())["valid"] is False
    assert set(look.stage.folder.glob("lockstep/**")) == there
    assert not (look.stage.folder / "state" / "units").exists()


def test_a_folder_that_is_no_bench_stops_a_deployment_forced_or_not(look: Look, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "no-bench"
    folder.mkdir()
    benches = {look.stage.bench.name: look.stage.options(path=str(folder))}
    file = look.stage.deployment(benches=benches, sites=[ONE])
    for force in (False, True):
        done = look.stage.play("playbooks/deploy.yml", inventory=file, force=force, **LITTLE)
        assert done.returncode != 0
        assert f"{folder} is not a bench: it has no " in done.stdout
        assert list(tmp_path.rglob("*")) == [folder]
        journals = look.stage.folder.glob("state/units/*/journal.json")
        assert list(journals) == []


def test_force_goes_on_with_a_warning_and_keeps_what_it_overrode(look: Look) -> None:
    done = look.stage.play(CHECK, force=True, **{**LITTLE, "preflight_disk_left": 1_000_000})
    assert done.returncode == 0, done.stdout
    assert "Failures, overridden by force" in done.stdout
    assert re.search(r"overridden=[1-9]", done.stdout)
    assert "Failed checks are overridden by force" in done.stderr


def test_force_does_not_help_a_unit_that_can_not_be_looked_at(look: Look) -> None:
    file = look.stage.deployment(sites=[ONE, "gone.local"])
    done = look.stage.play(CHECK, inventory=file, force=True, **LITTLE)
    assert done.returncode != 0
    assert (
        "gone.local. create it with bench new-site, or correct the name. Mend that; force=true does not help here"
        in (done.stdout + done.stderr)
    )


def test_servers_that_can_not_be_reached_are_failures_of_the_judgement(look: Look) -> None:
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=5"}
    benches = {look.stage.bench.name: look.stage.options(server="gone")}
    file = look.stage.deployment(servers={"gone": gone}, benches=benches)
    done = look.stage.play(CHECK, inventory=file, **LITTLE)
    assert done.returncode != 0
    assert "server gone can not be reached: " in done.stdout
    assert "1 check before the deployment failed" in done.stdout


def test_a_check_run_writes_no_file(look: Look, tmp_path: pathlib.Path) -> None:
    done = look.stage.play(CHECK, "--check", preflight_file=str(tmp_path / "found.json"), **LITTLE)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "found.json").exists()


def test_a_limited_run_looks_at_those_units_and_at_what_they_stand_on(look: Look) -> None:
    done = look.stage.play(CHECK, "--limit", ONE, **LITTLE)
    assert done.returncode == 2, done.stdout
    assert "Checks of 1 unit: " in done.stdout
    assert "which was not selected and is not live: release " in done.stdout
    done = look.stage.play(CHECK, "--limit", ONE, ignore_dependencies=True, **LITTLE)
    assert done.returncode == 0, done.stdout
