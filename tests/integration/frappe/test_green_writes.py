# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody writes behind the freeze while a clone is migrated is never lost: it ends the deployment."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import green_exchange
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green import Green
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.exchange import Ground as Tables
from tests.integration.frappe.ground import As, Ground
from tests.integration.frappe.test_green import CLONE, TWO, require_as_found, write_behind
from tests.integration.frappe.test_rehearsal import forget_notes
from tests.integration.frappe.test_site import when

pytestmark = pytest.mark.integration


def require_refused_for_a_write(ground: Ground) -> None:
    """The deployment ends because of it, and it is there afterwards."""
    with pytest.raises(LockstepError, match="somebody wrote to table tabCustom Write since the clone was made"):
        ground.deploy(TWO, **CLONE)
    assert 800_400_000 in ground.get(TWO, "read")
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write` WHERE number = 800400000")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        pytest.param(SiteHealth, "run_tests", id="while it is verified"),
        pytest.param(Tables, "exchange", id="in the last moment"),
    ],
)
def test_what_was_written_behind_the_freeze_is_not_lost_but_ends_the_deployment(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch, where: t.Any, name: str
) -> None:
    written: list[bool] = []

    def write() -> None:
        if not written:
            written.append(True)
            write_behind(ground)

    with monkeypatch.context() as patched:
        when(patched, where, name, write)
        require_refused_for_a_write(ground)
    require_as_found(ground, found)


def test_what_was_written_behind_the_freeze_is_found_where_the_server_has_forgotten_it(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does of a table that it has closed for others' sake, on a server with many."""

    def write() -> None:
        write_behind(ground)
        ground.stage.services.mariadb.sql("FLUSH TABLES")

    with monkeypatch.context() as patched:
        patched.setattr(green_exchange.touched, "updated", lambda _since, _state: set())
        patched.setattr(green_exchange.touched, "written", lambda _since, _state, _empty: set())
        when(patched, SiteHealth, "run_tests", write)
        require_refused_for_a_write(ground)
    require_as_found(ground, found)


def test_tables_that_a_server_has_closed_meanwhile_are_compared_and_nobody_is_blamed(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bool] = []
    with monkeypatch.context() as patched:
        when(patched, SiteHealth, "run_tests", lambda: ground.stage.services.mariadb.sql("FLUSH TABLES"))
        when(patched, Green, "differing", lambda: compared.append(True))
        ground.deploy(TWO, **CLONE)
    assert compared == [True]
    assert ground.get(TWO, "version") == "1.0.0"
    assert ground.roll_back(TWO).status == "restored"
    require_as_found(ground, found)


def test_what_was_written_between_backup_and_clone_is_in_the_clone(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        when(patched, Green, "make", lambda: write_behind(ground))
        ground.deploy(TWO, **CLONE)
    assert ground.get(TWO, "version") == "1.0.0"
    assert 800_400_000 in ground.get(TWO, "read")
    assert ground.roll_back(TWO).status == "restored"
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write` WHERE number = 800400000")
    require_as_found(ground, found)


def test_a_freeze_that_was_ended_by_hand_is_never_followed_by_an_exchange(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thaw() -> None:
        ground.site(TWO).thaw({})
        ground.write(TWO, 800_500_000, "annotate")

    with monkeypatch.context() as patched:
        when(patched, SiteHealth, "run_tests", thaw)
        with pytest.raises(LockstepError, match="somebody ended the freeze"):
            ground.deploy(TWO, **CLONE)
    assert ground.get(TWO, "version") == "0.9.0"
    assert ground.roll_back(TWO).status == "restored", "nothing of what they wrote is in the way"
    assert 800_500_000 in ground.get(TWO, "annotations")
    forget_notes(ground)
    require_as_found(ground, found)
