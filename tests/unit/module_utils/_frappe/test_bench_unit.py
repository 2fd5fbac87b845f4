# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A build that outlived its module is ended before anything is done to its release."""

from __future__ import annotations

import subprocess
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal, Step
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import bench_unit
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.orphan import identify
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.release import Builder

CONTEXT: t.Any = types.SimpleNamespace(
    record=types.SimpleNamespace(release=lambda _name: None, releases=list), layout=None, options={"keep_releases": 2}
)


@pytest.fixture
def step(tmp_path: t.Any) -> Step:
    """The step of a build under way."""
    journal = Journal(str(tmp_path))
    journal.open(unit="b", driver="frappe_bench", deployment_id="d1", data={})
    return journal.begin("prepare", 60)


def test_a_build_is_written_down_while_it_runs(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def build(self: Builder, *_arguments: object) -> None:
        process.run(["true"], started=self._started)
        seen.append(step.intent["process"])

    monkeypatch.setattr(Builder, "build", build)
    bench_unit.Prepare(CONTEXT, "0a1b2c3d", []).run(step)
    assert isinstance(seen[0][0], int)


@pytest.mark.parametrize("way", ["run", "undo"])
def test_what_is_left_of_a_build_is_ended_first(step: Step, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(Builder, "build", lambda *_arguments: None)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as orphan:
        step.note(process=identify(orphan.pid))
        getattr(bench_unit.Prepare(CONTEXT, "0a1b2c3d", []), way)(step)
        assert orphan.wait(5) != 0
