# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Killed at any point, a deployment of a site can be taken back from its journal."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import migrate, prepare
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import PHASES
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import verify, watcher
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import SiteTraffic
from tests.integration.frappe.conftest import DRIVEN
from tests.integration.frappe.ground import As, Ground

pytestmark = pytest.mark.integration

ONE, TWO = DRIVEN


@pytest.mark.parametrize(
    ("phase", "where", "name", "after"),
    [
        pytest.param("prepare", prepare, "copy_files", True, id="prepare, files copied"),
        pytest.param("freeze", SiteHealth, "wait_frozen", True, id="freeze, flags set"),
        pytest.param("backup", verify, "verify", False, id="backup, dumped and not verified"),
        pytest.param("migrate", watcher.Watcher, "of_process", True, id="migrate, the migration goes on alone"),
        pytest.param("verify", SiteHealth, "of_release", False, id="verify, what the migration did not yet taken down"),
        pytest.param("switch", Placement, "deactivate", True, id="switch, scheduler sees the site nowhere"),
        pytest.param("switch", SiteTraffic, "switch", True, id="switch, traffic moved and nothing else"),
        pytest.param("thaw", SiteTraffic, "reopen", True, id="thaw, writes let in"),
        pytest.param("confirm", SiteHealth, "validate", False, id="confirm"),
    ],
)
def test_a_killed_deployment_goes_back(ground: Ground, phase: str, where: t.Any, name: str, after: bool) -> None:
    before, config = ground.content(ONE), ground.site(ONE).config()
    ground.die(ground.unit(ONE), where, name, after=after)
    step = ground.journal(ONE).steps()[-1]
    assert (step.phase, step.record["status"]) == (phase, "started")
    if phase == "migrate":
        assert ground.migrations(ONE), "the migration outlived the module"
    assert ground.roll_back(ONE).status == "restored"
    ground.require_as_before(ONE, before, config)


def test_a_rollback_that_is_killed_goes_on_from_there(ground: Ground) -> None:
    before, config = ground.content(ONE), ground.site(ONE).config()
    unit = ground.deploy(ONE)
    assert unit.state() == "retired"
    assert ground.get(ONE, "version") == "1.0.0"
    assert ground.content(ONE) != before
    ground.die_in_rollback(ONE, migrate, "put_back", after=True)
    assert ground.journal(ONE).status == "open"
    assert ground.roll_back(ONE).status == "restored"
    ground.require_as_before(ONE, before, config)


def test_a_rollback_that_could_not_begin_leaves_the_deployment_as_it_was(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise LockstepError("the release before can't be started")

    ground.deploy(ONE)
    with monkeypatch.context() as patched:
        patched.setattr(Processes, "start", fails)
        with pytest.raises(LockstepError, match="can't be started"):
            ground.roll_back(ONE)
    journal = ground.journal(ONE)
    assert journal.status == "live"
    assert not ground.context.locks().describe(ONE)
    ground.write(ONE, 800_100_000)
    assert ground.roll_back(ONE).status == "restored"


def test_writes_that_were_let_in_by_hand_are_not_restored_over(ground: Ground, found: As) -> None:
    unit = ground.unit(TWO)
    unit.advance(PHASES[: PHASES.index("thaw")], unit.to_do(), undo_on_failure=True)
    # As an administrator does to whom the freeze of a controller that died lasts too long.
    ground.site(TWO).thaw({})
    ground.write(TWO, 800_200_000, "annotate")
    journal = ground.roll_back(TWO)
    assert journal.status == "kept"
    assert "Custom Note" in str(journal.data["loss"]["tables"])
    assert ground.get(TWO, "version") == "1.0.0"
    assert not ground.site(TWO).is_frozen()
    assert 800_200_000 in ground.get(TWO, "annotations")
    assert ground.roll_back(TWO, rollback_data=True).status == "restored"
    found.require()


def test_nor_by_a_deployment_that_fails_meanwhile(ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        ground.site(TWO).thaw({})
        raise LockstepError("the new release does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(SiteHealth, "of_release", fails)
        with pytest.raises(LockstepError, match="users' writes are in it"):
            ground.deploy(TWO)
    assert ground.journal(TWO).is_open
    assert ground.roll_back(TWO, rollback_data=True).status == "restored"
    found.require()
