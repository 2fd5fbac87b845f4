# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What rollback.yml does while servers or records can't be read; nothing is taken back here."""

from __future__ import annotations

import pathlib

import pytest

from tests.integration.stage import BENCH
from tests.integration.status.story import ONE, TWO, Story

pytestmark = pytest.mark.integration

BACK = "playbooks/rollback.yml"
ALL_LIVE = ["live"] * 3


def states(story: Story) -> list[str]:
    return [unit["state"] for unit in story.report()["units"]]


@pytest.fixture
def one_server_gone(story: Story) -> pathlib.Path:
    """A deployment file in which a second bench is on a server that can't be reached."""
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=5"}
    bench = story.stage.bench.name
    return story.stage.deployment(
        servers={"localhost": None, "gone": gone},
        benches={bench: story.stage.options(server="localhost"), "other": story.stage.options(server="gone")},
        sites=[{"name": ONE, "bench": bench}, {"name": "far.local", "bench": "other"}],
    )


def test_the_last_deployment_is_not_guessed_while_a_server_can_not_be_reached(
    story: Story, one_server_gone: pathlib.Path
) -> None:
    done = story.stage.play(BACK, inventory=one_server_gone, deployment_id="last", reason="wrong tax")
    assert done.returncode != 0, done.stdout
    assert "Which deployment was the last can't be told" in done.stdout
    assert "Nothing is known of other@gone, far.local: server gone can't be reached" in done.stdout
    assert f"{story.status_after.content['deployment_id']}: {BENCH} (live), {ONE} (live)" in done.stdout
    assert states(story) == ALL_LIVE


def test_the_last_deployment_is_not_guessed_while_records_can_not_be_read(story: Story) -> None:
    path = story.stage.folder / "state" / "units" / TWO / "journal.json"
    before = path.read_text()
    path.write_text("{")
    try:
        done = story.stage.play(BACK, deployment_id="last", reason="wrong tax")
    finally:
        path.write_text(before)
    assert done.returncode != 0, done.stdout
    assert f"Nothing is known of {TWO}: server localhost says: " in done.stdout
    assert states(story) == ALL_LIVE


@pytest.mark.parametrize("arguments", [["--limit", f"{BENCH},{ONE}"], ["-e", f"only={BENCH},{ONE}"]])
def test_of_units_that_are_left_out_nothing_has_to_be_known(
    story: Story, one_server_gone: pathlib.Path, arguments: list[str]
) -> None:
    wanted = {"deployment_id": "last", "reason": "wrong tax"}
    done = story.stage.play(BACK, "--check", *arguments, inventory=one_server_gone, **wanted)
    assert f"Taking back deployment {story.status_after.content['deployment_id']} on {BENCH}, {ONE}." in done.stdout, (
        done.stdout
    )
    assert "gone" not in done.stdout


def test_a_named_deployment_goes_back_where_it_can_and_the_rest_is_told(
    story: Story, one_server_gone: pathlib.Path
) -> None:
    deployment = story.status_after.content["deployment_id"]
    wanted = {"deployment_id": deployment, "reason": "wrong tax"}
    done = story.stage.play(BACK, "--check", inventory=one_server_gone, **wanted)
    assert done.returncode != 0, done.stdout
    assert f"Taking back deployment {deployment} on {BENCH}, {ONE}." in done.stdout, done.stdout
    assert f"Rollback of {deployment} was only checked, nothing was changed: 2 would go back, 2 failed." in done.stdout
    assert "Failed: far.local: server gone can't be reached" in done.stdout, done.stdout
    assert states(story) == ALL_LIVE
