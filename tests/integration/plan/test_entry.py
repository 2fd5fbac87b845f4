# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every playbook does where there is nothing it could do."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

CLONE = pathlib.Path(__file__).parents[3]
PLAYBOOKS = ["deploy.yml", "rolling.yml", "rollback.yml", "plan.yml", "status.yml", "validate.yml"]


def play(playbook: str, inventory: pathlib.Path, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run a playbook from a folder."""
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    return subprocess.run(
        [*command, str(CLONE / "playbooks" / playbook)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_without_a_deployment_no_playbook_ends_well(playbook: str, tmp_path: pathlib.Path) -> None:
    done = play(playbook, tmp_path / "nowhere.yml", CLONE)
    assert done.returncode != 0
    assert "There is no deployment. Give its file as inventory" in done.stdout


@pytest.mark.parametrize("playbook", ["deploy.yml", "rollback.yml"])
def test_where_the_collection_is_not_found_nothing_is_called_done(playbook: str, tmp_path: pathlib.Path) -> None:
    done = play(playbook, CLONE / "inventories" / "single_server" / "deployment.yml", tmp_path)
    assert done.returncode != 0
    assert "is this collection found" in done.stdout + done.stderr


def test_a_rollback_says_what_is_wrong_with_the_file(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "deployment.yml"
    file.write_text(
        "plugin: lockstep.deploy.deployment\napps: [{name: frappe, version: v15, source: /x}]\nsitez: [a]\n"
    )
    done = play("rollback.yml", file, CLONE)
    assert done.returncode != 0
    assert "deployment.yml:3: sitez" in done.stdout
