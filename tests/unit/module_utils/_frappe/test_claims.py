# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a unit is free."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import claims
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings

UNIT = "site1.local"


def failures(state: pathlib.Path, deployment: str = "d1") -> list[str]:
    found = Findings()
    claims.look(str(state), UNIT, deployment, found)
    assert found.firm == found.failed, "who is at it can't be overruled: a later step would refuse it"
    return found.failed


def test_a_unit_that_nobody_knows_is_free_and_nothing_is_made(tmp_path: pathlib.Path) -> None:
    assert failures(tmp_path / "state") == []
    assert not (tmp_path / "state").exists()


def test_another_deployment_has_it_until_its_lease_runs_out(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path / "locks"))
    locks.acquire(UNIT, "d2", lease=60)
    [failure] = failures(tmp_path)
    assert "is locked by deployment d2" in failure
    assert "wait until that has ended: playbooks/status.yml says how far it is" in failure
    assert failures(tmp_path, "d2") == []
    locks.acquire(UNIT, "d2", lease=-1)
    assert failures(tmp_path) == []


def test_a_deployment_may_go_on_with_its_own_journal_only(tmp_path: pathlib.Path) -> None:
    journal = Journal(str(tmp_path / "units" / UNIT))
    journal.open(unit=UNIT, driver="frappe_site", deployment_id="d2", data={})
    assert "deployment d2 of site1.local was not finished" in failures(tmp_path)[0]
    assert failures(tmp_path, "d2") == []
    journal.close("live")
    assert failures(tmp_path) == []


def test_a_lock_set_by_hand_keeps_even_its_own_deployment_out(tmp_path: pathlib.Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / f"{UNIT}.json").write_text(json.dumps({"owner": "d1", "manual": True}))
    assert "was locked by hand by d1" in failures(tmp_path, "d1")[0]


def test_a_record_that_is_no_json_is_an_error_that_names_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "units" / UNIT).mkdir(parents=True)
    (tmp_path / "units" / UNIT / "journal.json").write_text("{")
    with pytest.raises(LockstepError, match=r"journal\.json can't be read"):
        failures(tmp_path)


@pytest.mark.parametrize("unit", ["site1.local", "site1.local@app1", "frappe-bench@server.example.com", "_x"])
def test_names_of_units_are_taken(unit: str) -> None:
    assert claims.valid_unit(unit) == unit


@pytest.mark.parametrize("unit", ["", "..", "../x", "a/b", "-x", ".x", "a b", "a'b", 'a"b', "a\n", "x" * 201])
def test_what_is_no_name_of_a_unit_is_refused(unit: str) -> None:
    with pytest.raises(LockstepError, match="is no name for a unit"):
        claims.valid_unit(unit)


def test_a_process_is_at_work_as_long_as_it_holds_the_lock(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path / "locks"))
    assert claims.at_work(str(tmp_path), UNIT) is None
    with locks.at_work(UNIT):
        assert claims.at_work(str(tmp_path), UNIT) == os.getpid()
    assert claims.at_work(str(tmp_path), UNIT) is None


def test_a_killed_process_is_not_at_work(tmp_path: pathlib.Path) -> None:
    (tmp_path / "locks").mkdir()
    path = tmp_path / "locks" / f"{UNIT}.flock"
    code = f"import os; f = open({str(path)!r}, 'w'); f.write(str(os.getpid())); f.flush(); print(flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert claims.at_work(str(tmp_path), UNIT) == process.pid
        process.kill()
    assert claims.at_work(str(tmp_path), UNIT) is None
