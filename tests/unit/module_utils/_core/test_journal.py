# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a unit's records say of the deployments before."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal


def _deployed(folder: pathlib.Path, *ended: tuple[str, str]) -> Journal:
    for deployment, status in ended:
        journal = Journal(str(folder))
        journal.open(unit="u", driver="test", deployment_id=deployment, data={"before": deployment})
        journal.close(status)
    return Journal(str(folder))


def test_a_deployment_is_in_force_again_once_the_later_one_was_taken_back(tmp_path: pathlib.Path) -> None:
    journal = _deployed(tmp_path, ("d1", "live"), ("d2", "restored"))
    assert journal.can_recall("d1")
    journal.recall("d1")
    again = Journal(str(tmp_path))
    assert again.deployment_id == "d1"
    assert again.data == {"before": "d1"}
    assert again.history() == ["d2"]


@pytest.mark.parametrize("later", ["live", "kept", "failed"])
def test_a_deployment_with_a_later_one_in_force_is_not_recalled(tmp_path: pathlib.Path, later: str) -> None:
    journal = _deployed(tmp_path, ("d1", "live"), ("d2", later))
    assert not journal.can_recall("d1")
    with pytest.raises(LockstepError, match="d2 came after d1"):
        journal.recall("d1")
    assert Journal(str(tmp_path)).deployment_id == "d2"


@pytest.mark.parametrize("status", ["restored", "kept", "failed"])
def test_a_slow_controller_is_refused_after_its_deployment_was_taken_back(tmp_path: pathlib.Path, status: str) -> None:
    journal = _deployed(tmp_path, ("d1", status))
    with pytest.raises(LockstepError, match="fenced off"):
        journal.refuse_if_taken_back("d1")
    journal.refuse_if_taken_back("d2")


def test_a_rollback_under_way_refuses_its_deployment_too(tmp_path: pathlib.Path) -> None:
    journal = Journal(str(tmp_path))
    journal.open(unit="u", driver="test", deployment_id="d1", data={})
    journal.refuse_if_taken_back("d1")
    journal.data["rollback_reason"] = "wrong tax"
    journal.save()
    with pytest.raises(LockstepError, match="fenced off"):
        Journal(str(tmp_path)).refuse_if_taken_back("d1")


def test_the_order_of_deployments_is_the_servers_own(tmp_path: pathlib.Path) -> None:
    # Of three controllers, the clock of the first is ahead.
    journal = _deployed(tmp_path, ("20261120T1210", "live"), ("20261120T1205", "live"), ("20261120T1206", "restored"))
    assert journal.history() == ["20261120T1210", "20261120T1205"]
    assert not journal.can_recall("20261120T1210")
    assert journal.can_recall("20261120T1205")
    journal.recall("20261120T1205")
    again = _deployed(tmp_path, ("20261120T1200", "live"))
    assert again.history() == ["20261120T1210", "20261120T1205", "20261120T1206"]


def test_what_is_known_of_a_unit_is_its_owners_alone(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "units" / "site1.local"
    Journal(str(folder)).open(unit="site1.local", driver="frappe_site", deployment_id="d1", data={})
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "history", folder / "journal.json")] == [
        0o700,
        0o700,
        0o600,
    ]
