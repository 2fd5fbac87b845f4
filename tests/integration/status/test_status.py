# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What status.yml says, from the records that a real deployment left on its server."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder
from tests.integration.stage import BENCH
from tests.integration.status.story import ONE, OTHER_ID, SITES, TWO, Story

pytestmark = pytest.mark.integration


def test_before_the_first_deployment_nothing_is_known_but_the_versions(story: Story) -> None:
    done, content = story.status_before
    assert done.returncode == 0, done.stdout
    assert [unit["state"] for unit in content["units"]] == ["not adopted"] * 3
    assert {app["version"] for unit in content["units"] for app in unit["apps"].values()} == {"15.9.0", "0.9.0"}
    assert content["deployment_id"] is None
    assert content["issues"] == []
    assert "No deployment is known." in done.stdout


def test_what_is_live_since_when_and_by_which_deployment(story: Story) -> None:
    done, content = story.status_after
    assert done.returncode == 0, done.stdout
    deployment = content["deployment_id"]
    assert (content["deployment_status"], content["progress_percentage"]) == ("completed", 100)
    assert content["sites_completed"] == list(SITES)
    assert (content["sites_pending"], content["sites_failed"], content["active_tasks"]) == ([], [], [])
    assert [unit["unit"] for unit in content["units"]] == [BENCH, *SITES]
    for unit in content["units"]:
        assert (unit["state"], unit["deployment_id"]) == ("live", deployment)
        assert unit["apps"]["custom_app"]["version"] == "1.0.0"
        assert unit["since"].startswith(deployment[:4])
    assert content["statistics"]["totalDeployments"] == content["statistics"]["successfulDeployments"] == 1
    assert len(content["recent_logs"]) > 5


def test_the_history_names_who_deployed_what(story: Story) -> None:
    done, content = story.status_after
    assert len(content["history"]) == 1
    entry = content["history"][0]
    assert (entry["status"], entry["version"]) == ("completed", "custom_app 1.0.0")
    assert set(entry["units"]) == {BENCH, *SITES}
    assert "Last deployments" in done.stdout


def test_ways_back_name_release_backup_and_meaning(story: Story) -> None:
    done, content = story.status_after
    options = content["rollback_options"]
    wanted = [(ONE, False), (ONE, True), (TWO, False), (TWO, True)]
    assert [(option["unit"], bool(option["backup"])) for option in options] == wanted
    assert all(option["possible"] for option in options)
    assert options[0]["versions"] == {"frappe": "15.9.0", "erpnext": "15.9.0", "custom_app": "0.9.0"}
    assert "what was written since is lost" in options[1]["meaning"]
    assert f"-e deployment_id={content['deployment_id']}" in done.stdout


def test_a_half_done_deployment_is_told_with_the_command_that_ends_it(story: Story) -> None:
    with story.half_done(TWO, "freeze"):
        found = story.report()
    assert [unit["state"] for unit in found["units"]] == ["live", "live", "half-done: freeze started"]
    assert found["issues"] == [f"deployment {OTHER_ID} of {TWO} is not finished: half-done: freeze started"]
    assert f"-e deployment_id={OTHER_ID} -e only={TWO}" in found["recommended_actions"][0]
    assert (found["deployment_id"], found["sites_pending"]) == (OTHER_ID, [TWO])
    assert story.report()["issues"] == []


def test_a_process_that_is_at_work_is_seen(story: Story) -> None:
    locks = LockFolder(str(story.stage.folder / "state" / "locks"))
    with story.half_done(TWO, "migrate"), locks.at_work(TWO):
        found = story.report()
    assert [(task["unit"], task["phase"]) for task in found["active_tasks"]] == [(TWO, "migrate")]
    assert found["issues"] == []


def test_maintenance_and_locks_by_hand_are_issues(story: Story) -> None:
    path = story.stage.folder / "state" / "locks" / f"{ONE}.json"
    before = path.read_text()
    path.write_text(json.dumps({"owner": "ada", "manual": True}))
    story.stage.bench.site(TWO, "set-maintenance-mode", "on")
    try:
        found = story.report()
    finally:
        path.write_text(before)
        story.stage.bench.site(TWO, "set-maintenance-mode", "off")
    maintenance = f"{TWO} is in maintenance mode, and no deployment of it is open"
    assert found["issues"] == [f"{ONE} was locked by hand by ada", maintenance]


def test_servers_that_can_not_be_reached_are_told(story: Story) -> None:
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=5"}
    bench = story.stage.bench.name
    inventory = story.stage.deployment(
        servers={"localhost": None, "gone": gone},
        benches={bench: story.stage.options(server="localhost"), "other": story.stage.options(server="gone")},
        sites=[{"name": ONE, "bench": bench}, {"name": "far.local", "bench": "other"}],
    )
    done, content = story.status(inventory=inventory)
    assert done.returncode == 0, done.stdout
    assert content["unreachable"] == ["gone"]
    assert "server gone can not be reached, so nothing is known of 2 units" in content["issues"][0]
    assert "live" in [unit["state"] for unit in content["units"] if unit["unit"] == ONE]


def test_where_no_server_answers_it_fails(story: Story) -> None:
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=5"}
    benches = {story.stage.bench.name: story.stage.options(server="gone")}
    done, _content = story.status(inventory=story.stage.deployment(servers={"gone": gone}, benches=benches))
    assert done.returncode != 0
    assert "Nothing is known of any unit" in done.stdout


def test_a_bench_that_is_gone_is_told(story: Story, tmp_path: pathlib.Path) -> None:
    benches = {story.stage.bench.name: story.stage.options(path=str(tmp_path / "gone"))}
    done, content = story.status(inventory=story.stage.deployment(benches=benches))
    assert done.returncode == 2, done.stdout
    assert [unit["state"] for unit in content["units"]] == ["unknown"] * 3
    assert "there is no such folder" in content["issues"][0]


def test_a_limited_check_run_without_a_ledger_tells_the_same_and_writes_nothing(story: Story) -> None:
    data = story.stage.folder / "data"
    data.rename(story.stage.folder / "aside")
    try:
        done, content = story.status("--check", "--limit", ONE)
        assert not data.exists(), "no ledger is made for a question"
    finally:
        shutil.rmtree(data, ignore_errors=True)
        (story.stage.folder / "aside").rename(data)
    assert done.returncode == 0, done.stdout
    assert content == {}
    assert f"Last deployment {story.status_after.content['deployment_id']}: completed; done, 100 %" in done.stdout
    assert TWO not in done.stdout
    assert "changed=1" not in done.stdout


def test_a_deployment_file_with_errors_is_refused(story: Story) -> None:
    done, _content = story.status(inventory=story.stage.deployment(sites=["a b"]))
    assert done.returncode != 0
    assert "a b" in done.stdout
