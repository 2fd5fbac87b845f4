# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a deployment did to a bench is taken back, and nothing else."""

from __future__ import annotations

import pathlib
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import bench_unit
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench_work import roll_back
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes


@pytest.mark.parametrize(("built", "status"), [(True, "kept"), (False, "restored")])
def test_a_release_in_use_is_kept_only_by_the_deployment_that_built_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, built: bool, status: str
) -> None:
    journal = Journal(str(tmp_path / "b"))
    journal.open(unit="b", driver="frappe_bench", deployment_id="d1", data={"release": "0a1b2c3d"})
    step = journal.begin("prepare", 60)
    step.note(release="0a1b2c3d", built=built)
    journal.end(step, "completed")
    journal.close("live")
    monkeypatch.setattr(Processes, "in_use", lambda *_arguments: True)
    monkeypatch.setattr(bench_unit.Builder, "remove", lambda *_arguments: pytest.fail("a site is on it"))
    context: t.Any = types.SimpleNamespace(
        unit_folder=lambda unit: str(tmp_path / unit),
        locks=lambda: LockFolder(str(tmp_path / "locks")),
        layout=types.SimpleNamespace(identity="b-1"),
        record=types.SimpleNamespace(release=lambda _name: types.SimpleNamespace(ready=True)),
    )
    _changed, after, _done = roll_back(context, "b", "d1")
    assert after.status == status
