# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of small playbooks whose units do nothing, with the ledger's callback plugin beside them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils.ledger import Ledger

CLONE = pathlib.Path(__file__).parents[3]
HERE = pathlib.Path(__file__).parent
ID = "20261120T184500Z-1a2b3c"


@dataclasses.dataclass
class Project:
    """A folder with playbooks, and what running them there needs."""

    folder: pathlib.Path
    environ: dict[str, str]

    def command(self, playbook: str, *arguments: str, **variables: t.Any) -> list[str]:
        """The command that runs a playbook."""
        binary = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
        return [binary, "-i", "inventory.yml", playbook, "-e", json.dumps(variables), *arguments]

    def run(self, playbook: str, *arguments: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook to its end."""
        return subprocess.run(
            self.command(playbook, *arguments, **variables),
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    @property
    def data(self) -> pathlib.Path:
        """Where the ledger lies when nobody says where."""
        return pathlib.Path(self.environ["XDG_DATA_HOME"]) / "lockstep"

    def ledger(self) -> Ledger:
        """The ledger that the runs wrote."""
        found = Ledger.existing(environ=self.environ)
        assert found is not None, "no ledger was written"
        return found

    def deployment(self) -> dict[str, t.Any]:
        """The deployment as the ledger has it, its units by name."""
        found = self.ledger().deployment(ID)
        assert found is not None
        return found | {"units": {unit["name"]: unit for unit in found["units"]}}


def environment(folder: pathlib.Path) -> dict[str, str]:
    """The environment of a run: nothing of the user's, no configuration file."""
    return {
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "XDG_DATA_HOME": str(folder / "data"),
        "ANSIBLE_COLLECTIONS_PATH": str(CLONE / ".collections"),
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
    }


def make_project(scratch: pathlib.Path) -> Project:
    """A copy of the playbooks, with the callback plugin beside them."""
    folder = scratch / "project"
    shutil.copytree(HERE / "project", folder)
    (folder / "callback_plugins").symlink_to(CLONE / "playbooks" / "callback_plugins")
    return Project(folder, environment(scratch))


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Project:
    """Playbooks of the test's own."""
    return make_project(tmp_path)


@dataclasses.dataclass
class Ran:
    """A run that several tests look at."""

    project: Project
    done: subprocess.CompletedProcess[str]


def _shown(factory: pytest.TempPathFactory, **variables: t.Any) -> Ran:
    project = make_project(factory.mktemp("ran"))
    project.environ["ANSIBLE_STDOUT_CALLBACK"] = "lockstep.deploy.progress"
    return Ran(project, project.run("deploy.yml", **variables))


@pytest.fixture(scope="session")
def completed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A deployment that ended well."""
    return _shown(tmp_path_factory)


@pytest.fixture(scope="session")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A deployment with one unit failed and one kept."""
    return _shown(tmp_path_factory, fails=["site2.local"], kept=["site1.local"])


@pytest.fixture(scope="session")
def unreachable(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A deployment with a server that didn't answer."""
    return _shown(tmp_path_factory, lost=["site1.local"])
