# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site whose visitors get to the new release step by step, while all of them read and write."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import shift
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import PHASES
from tests.integration.frappe.conftest import DRIVEN
from tests.integration.frappe.ground import As, Ground
from tests.integration.frappe.test_site import when
from tests.support.asking import ask
from tests.support.client import Client

pytestmark = pytest.mark.integration

TWO = DRIVEN[1]
OLD = {"frappe": "v15.9.0", "erpnext": "v15.9.0"}
VERSION = "/api/method/custom_app.api.version"


@pytest.fixture(scope="module")
def additive(ground: Ground) -> t.Iterator[list[App]]:
    """A release whose migration adds a column and touches no row."""
    with ground.release(ground.stage.apps({**OLD, "custom_app": "v1.0.0-additive"})) as apps:
        yield apps


def clean(ground: Ground) -> None:
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write`")


def test_visitors_follow_step_by_step_and_lose_nothing(
    ground: Ground, found: As, additive: list[App], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares, traffic = [], ground.context.traffic(TWO)
    when(monkeypatch, shift.SiteHealth, "watch", lambda: shares.append(traffic.slots.percent()))
    with Client(ground.stage.bench.http_port, [TWO], pause=0.01) as client:
        unit = ground.deploy(TWO, additive, steps=(5, 25, 50), step_wait=1)
    seen = client.sites[TWO]
    assert shares[:3] == [5, 25, 50]
    assert (seen.failed_reads, seen.failed_writes, client.lost(TWO)) == ([], [], [])
    assert len(seen.acknowledged) > 50
    assert unit.state() == "retired"
    assert ground.get(TWO, "version") == "1.0.1"
    assert (traffic.slots.percent(), traffic.slots.candidate()) == (0, None)
    assert ground.active_in(TWO) == [unit.to_do()["to"]]
    monkeypatch.undo()
    assert ground.roll_back(TWO).status == "restored"
    assert ground.get(TWO, "version") == "0.9.0"
    clean(ground)
    found.require()


def test_the_scheduler_stays_with_the_release_before_until_all_visitors_are_on_the_new_one(
    ground: Ground, found: As, additive: list[App]
) -> None:
    unit = ground.unit(TWO, additive, steps=(50,), step_wait=0)
    to_do = unit.to_do()
    unit.advance(PHASES[: PHASES.index("shift")], to_do, undo_on_failure=True)
    assert unit.state() == "shared"
    assert ground.active_in(TWO) == [to_do["from"]]
    manifest = ground.context.record
    assert manifest.exists()
    port = ground.stage.bench.http_port
    assert ground.get(TWO, "version") == "0.9.0", "nobody but testers gets there yet"
    assert ask(port, TWO, VERSION, headers={"X-Lockstep-Side": "candidate"}).message == "1.0.1"
    ground.write(TWO, 10)
    unit.advance(PHASES, to_do, undo_on_failure=True)
    assert ground.active_in(TWO) == [to_do["to"]]
    assert ground.get(TWO, "version") == "1.0.1"
    clean(ground)
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_visitors_of_a_step_that_fails_are_back_at_once_and_what_they_wrote_stays(
    ground: Ground, found: As, additive: list[App], monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic, old = ground.context.traffic(TWO), ground.context.live_release(TWO)

    def fails(*_given: t.Any) -> None:
        assert traffic.slots.percent() == 25
        raise LockstepError("it answers late")

    monkeypatch.setattr(shift.SiteHealth, "watch", fails)
    with Client(ground.stage.bench.http_port, [TWO], pause=0.01) as client:
        with pytest.raises(
            LockstepError, match=r"with 25 % of the visitors: it answers late; all .* are back"
        ) as caught:
            ground.deploy(TWO, additive, steps=(25, 50), step_wait=0)
        assert caught.value.phase == "shift"
        assert traffic.slots.candidate() is None
        assert ground.context.live_release(TWO) == old
        monkeypatch.undo()
        assert ground.roll_back(TWO).status == "restored"
    seen = client.sites[TWO]
    assert (seen.failed_reads, seen.failed_writes, client.lost(TWO)) == ([], [], [])
    assert ground.get(TWO, "version") == "0.9.0"
    clean(ground)
    found.require()


def test_two_releases_do_not_share_data_that_the_migration_changed(ground: Ground, found: As) -> None:
    with pytest.raises(LockstepError, match="can't share this site's visitors: the migration did more") as caught:
        ground.deploy(TWO, steps=(5,))
    assert "traffic_strategy=instant" in str(caught.value.hint)
    assert "users can write" in str(caught.value.left)
    found.require()


def test_a_site_whose_deployment_died_amid_a_share_goes_back_whole(
    ground: Ground, found: As, additive: list[App]
) -> None:
    unit = ground.unit(TWO, additive, steps=(25,), step_wait=0)
    ground.die(unit, shift, "move")
    traffic = ground.context.traffic(TWO)
    assert traffic.slots.percent() == 25
    assert unit.__class__(ground.context, TWO, unit._identity, additive, unit._options).state() == "shared"
    ground.write(TWO, 11)
    assert ground.roll_back(TWO).status == "restored"
    assert (traffic.slots.percent(), traffic.slots.candidate()) == (0, None)
    assert ground.get(TWO, "read") == [11]
    clean(ground)
    found.require()
