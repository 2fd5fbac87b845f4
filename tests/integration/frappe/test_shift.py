# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site whose visitors get to the new release step by step, while all of them read and write."""

from __future__ import annotations

import pathlib
import shutil
import threading
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.decision import Decision
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache import address
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.redis import Connection
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.retirement import Retirement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import shift
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_rollback import SiteRollback
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import PHASES, SiteUnit
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.gate import MAINTENANCE
from tests.integration.frappe.conftest import DRIVEN
from tests.integration.frappe.ground import As, Ground
from tests.integration.frappe.test_site import when
from tests.support.asking import ask
from tests.support.client import Client
from tests.support.daemons import wait_until

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
    when(monkeypatch, shift.Judging, "watch", lambda: shares.append(traffic.slots.percent()))
    with Client(ground.stage.bench.http_port, [TWO], pause=0.01) as client:
        unit = ground.deploy(TWO, additive, steps=(5, 25, 50), step_wait=1, on_inconclusive="go_on")
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
    unit = ground.unit(TWO, additive, steps=(50,), step_wait=0, on_inconclusive="go_on")
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


def test_who_died_while_all_visitors_were_taken_along_is_not_sent_back_by_who_repeats_it(
    ground: Ground, found: As, additive: list[App], monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = ground.unit(TWO, additive, steps=(50,), step_wait=0, on_inconclusive="go_on")
    to_do, traffic = unit.to_do(), ground.context.traffic(TWO)

    def die() -> t.NoReturn:
        assert traffic.slots.percent() == 50
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(traffic.slots), "gather", lambda _slots: die())
        with pytest.raises(KeyboardInterrupt):
            unit.advance(PHASES, to_do, undo_on_failure=True)
    assert unit.advance(PHASES, to_do, undo_on_failure=True)
    assert ground.active_in(TWO) == [to_do["to"]]
    assert (ground.get(TWO, "version"), traffic.slots.candidate()) == ("1.0.1", None)
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_visitors_of_a_step_that_fails_are_back_at_once_and_what_they_wrote_stays(
    ground: Ground, found: As, additive: list[App], monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic, old = ground.context.traffic(TWO), ground.context.live_release(TWO)

    def fails(*_given: t.Any, **_more: t.Any) -> None:
        assert traffic.slots.percent() == 25
        raise LockstepError("it answers late")

    monkeypatch.setattr(shift.Judging, "watch", fails)
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
    with pytest.raises(LockstepError, match="can't share this site's visitors, its migration does more") as caught:
        ground.deploy(TWO, steps=(5,))
    assert caught.value.phase == "prepare", "nobody was frozen"
    assert "traffic_strategy=instant, which blocks writes for about" in str(caught.value.hint)
    assert caught.value.left == f"its users never left release {ground.context.live_release(TWO).id}"
    found.require()
    # Who declines the rehearsal learns it later, and still before anybody gets there.
    with pytest.raises(LockstepError, match="can't share this site's visitors: the migration did more") as caught:
        ground.deploy(TWO, steps=(5,), rehearsal="never")
    assert caught.value.phase == "switch"
    assert "users can write" in str(caught.value.left)
    found.require()


def test_a_site_whose_deployment_died_amid_a_share_goes_back_whole(
    ground: Ground, found: As, additive: list[App]
) -> None:
    unit = ground.unit(TWO, additive, steps=(25,), step_wait=0, on_inconclusive="go_on")
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


@pytest.mark.parametrize("hold", [True, False])
def test_a_rollback_does_not_wait_for_the_end_of_a_share(
    ground: Ground, found: As, additive: list[App], hold: bool
) -> None:
    """Which may be held for weeks, or have a step of hours."""
    unit = ground.unit(TWO, additive, steps=(50,), step_wait=0 if hold else 7200, hold=hold, on_inconclusive="go_on")
    to_do, traffic = unit.to_do(), ground.context.traffic(TWO)
    unit.advance(PHASES[: PHASES.index("shift")], to_do, undo_on_failure=True)
    result: list[Exception | None] = []
    held = threading.Thread(target=_advance, args=(unit, to_do, result), daemon=True)
    held.start()
    wait_until(lambda: traffic.slots.percent() == 50, 60, "half of the visitors are there")
    ground.write(TWO, 12)
    back = threading.Thread(target=ground.roll_back, args=(TWO,), daemon=True)
    back.start()
    back.join(120)
    assert not back.is_alive(), "nobody ends it"
    held.join(60)
    assert "a rollback ended it: the test says so" in str(result[0])
    assert ground.journal(TWO).status == "restored"
    assert (traffic.slots.percent(), traffic.slots.candidate()) == (0, None)
    assert ground.get(TWO, "read") == [12]
    clean(ground)
    found.require()


def test_visitors_of_a_share_that_died_go_back_where_the_backup_is_damaged(
    ground: Ground, found: As, additive: list[App]
) -> None:
    for written in (False, True):
        unit = ground.unit(TWO, additive, steps=(25,), step_wait=0, on_inconclusive="go_on")
        ground.die(unit, shift, "move")
        if written:
            ground.stage.bench.sql(TWO, "INSERT INTO `tabVersion` (name) VALUES ('written since')")
        traffic, taken = ground.context.traffic(TWO), ground.journal(TWO).last("backup")
        assert taken is not None
        shutil.rmtree(pathlib.Path(taken.intent["folder"]) / "database")
        # What can't be restored is not restored, but nobody stays where nobody watches.
        assert ground.roll_back(TWO, rollback_data=True).status == "kept"
        assert (traffic.slots.percent(), traffic.slots.candidate()) == (0, None)
        assert ground.get(TWO, "version") == "0.9.0"
        assert ground.roll_back(TWO).status == "restored"
        assert ground.get(TWO, "version") == "0.9.0"
        ground.stage.bench.sql(TWO, "DELETE FROM `tabVersion` WHERE name = 'written since'")


def test_a_share_that_nothing_can_be_concluded_from_is_no_pass(ground: Ground, found: As, additive: list[App]) -> None:
    with pytest.raises(LockstepError, match=r"with 5 % of the visitors: inconclusive: .*back on release"):
        ground.deploy(TWO, additive, steps=(5,), step_wait=0)
    assert ground.get(TWO, "version") == "0.9.0"
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_a_release_that_answers_with_errors_loses_its_visitors_by_itself(ground: Ground, found: As) -> None:
    rules = {"minutes": 1, "min_requests": 20}
    with ground.release(ground.stage.apps({**OLD, "custom_app": "v1.0.0-unhealthy"})) as apps:
        port, over = ground.stage.bench.http_port, threading.Event()

        def visit() -> None:
            while not over.wait(0.02):
                ask(port, TWO, VERSION)

        visitors = [threading.Thread(target=visit) for _ignored in range(2)]
        for visitor in visitors:
            visitor.start()
        try:
            with pytest.raises(LockstepError, match=r"with 50 % of the visitors: .*errors.*back on release") as caught:
                ground.deploy(TWO, apps, steps=(50,), step_wait=240, rules=rules)
        finally:
            over.set()
        assert caught.value.phase == "shift"
        shift_step = ground.journal(TWO).last("shift")
        assert shift_step is not None
        assert shift_step.record["seconds"] < 200, "nobody waited for the end of the step"
        assert ground.get(TWO, "version") == "0.9.0"
        assert ground.roll_back(TWO).status == "restored"
        ground.stage.bench.sql(TWO, "DELETE FROM `tabError Log`")
        found.require()


def test_a_share_that_is_held_ends_by_somebodys_word(ground: Ground, found: As, additive: list[App]) -> None:
    traffic = ground.context.traffic(TWO)
    for promote, version in ((False, "0.9.0"), (True, "1.0.1")):
        unit = ground.unit(TWO, additive, steps=(50,), step_wait=0, hold=True, on_inconclusive="go_on")
        to_do = unit.to_do()
        unit.advance(PHASES[: PHASES.index("shift")], to_do, undo_on_failure=True)
        result: list[Exception | None] = []

        held = threading.Thread(target=_advance, args=(unit, to_do, result))
        held.start()
        wait_until(lambda: traffic.slots.percent() == 50, 60, "half of the visitors are there")
        Decision(ground.context.unit_folder(TWO)).take("another", promote=True, by="ada", reason="not this one")
        assert traffic.slots.percent() == 50
        deployment_id = str(ground.journal(TWO).deployment_id)
        Decision(ground.context.unit_folder(TWO)).take(deployment_id, promote=promote, by="ada", reason="it sells less")
        held.join(120)
        assert ground.get(TWO, "version") == version
        assert (result[0] is None) == promote
        assert promote or "ada ended it: it sells less" in str(result[0])
        assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_a_share_that_rises_waits_while_an_operator_closes_the_site_and_is_taken_back_by_a_word(
    ground: Ground, found: As, additive: list[App], monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic, waited, asked = ground.context.traffic(TWO), [], []

    def wait(_judging: t.Any) -> None:
        if traffic.closed:
            waited.append(len(asked))

    when(monkeypatch, shift.Judging, "_is_over", lambda: wait(None))
    when(monkeypatch, shift.Judging, "_from_outside", lambda: asked.append(None))
    unit = ground.unit(TWO, additive, steps=(25, 50), step_wait=4, on_inconclusive="go_on")
    to_do = unit.to_do()
    unit.advance(PHASES[: PHASES.index("shift")], to_do, undo_on_failure=True)
    result: list[Exception | None] = []
    risen = threading.Thread(target=_advance, args=(unit, to_do, result))
    risen.start()
    wait_until(lambda: traffic.slots.percent() == 25, 60, "a quarter of the visitors is there")
    assert traffic.gate.close(MAINTENANCE, "ada", "wrong prices")
    wait_until(lambda: len(waited) > 8 or result != [], 60, "it waits for longer than the step lasts")
    assert (traffic.slots.percent(), result) == (25, [])
    assert waited[1] == waited[-1], "nothing is asked from outside meanwhile"
    traffic.gate.open(MAINTENANCE)
    wait_until(lambda: traffic.slots.percent() == 50 or result != [], 60, "it goes on once the site is open")
    deployment_id = str(ground.journal(TWO).deployment_id)
    Decision(ground.context.unit_folder(TWO)).take(deployment_id, promote=False, by="ada", reason="it sells less")
    risen.join(120)
    assert "with 50 % of the visitors: ada ended it: it sells less; all of them are back" in str(result[0])
    assert (traffic.slots.candidate(), ground.get(TWO, "version")) == (None, "0.9.0")
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_what_is_changed_on_one_side_of_a_share_is_not_read_from_the_cache_of_the_other(
    ground: Ground, found: As, additive: list[App]
) -> None:
    unit = ground.unit(TWO, additive, steps=(50,), step_wait=0, hold=True, on_inconclusive="go_on")
    to_do = unit.to_do()
    unit.advance(PHASES[: PHASES.index("shift")], to_do, undo_on_failure=True)
    result: list[Exception | None] = []
    held = threading.Thread(target=_advance, args=(unit, to_do, result))
    held.start()
    wait_until(lambda: ground.context.traffic(TWO).slots.percent() == 50, 60, "half of the visitors are there")
    old, new = (ground.context.bench(ground.context.require_release(to_do[side])) for side in ("from", "to"))
    for number, (here, there) in enumerate(((old, new), (new, old))):
        before, now = f"before {number}", f"now {number}"
        for bench in (here, there):
            bench.run("--site", TWO, "execute", "frappe.db.set_global", "--args", f'["colour", "{before}"]')
        assert there.execute(TWO, "frappe.db.get_global", "colour") == before, "it has cached that"
        here.run("--site", TWO, "execute", "frappe.db.set_global", "--args", f'["colour", "{now}"]')
        assert there.execute(TWO, "frappe.db.get_global", "colour") == now
    deployment_id = str(ground.journal(TWO).deployment_id)
    Decision(ground.context.unit_folder(TWO)).take(deployment_id, promote=True, by="ada", reason="it sells more")
    held.join(120)
    assert result == [None]
    ground.stage.bench.sql(TWO, "DELETE FROM `tabDefaultValue` WHERE defkey = 'colour'")
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_what_waits_in_a_releases_redis_for_the_database_goes_along_there_and_back(
    ground: Ground, found: As, additive: list[App]
) -> None:
    old = ground.context.bench(ground.context.live_release(TWO))
    key = f"{ground.site(TWO).config()['db_name']}|insert_queue_for_Access Log"
    with Connection(address(old)) as cache:
        cache.call("RPUSH", key, "printed by ada")
    ground.deploy(TWO, additive)
    new = ground.context.bench(ground.context.live_release(TWO))
    with Connection(address(old)) as left, Connection(address(new)) as taken:
        assert left.call("LRANGE", key, "0", "-1") == []
        assert taken.call("LRANGE", key, "0", "-1") == [b"printed by ada"]
        taken.call("RPUSH", key, "exported by bob")
    assert ground.roll_back(TWO).status == "restored"
    with Connection(address(old)) as cache:
        assert cache.call("LRANGE", key, "0", "-1") == [b"printed by ada", b"exported by bob"]
        cache.call("DEL", key)
    found.require()


def _advance(unit: SiteUnit, to_do: t.Mapping[str, t.Any], result: list[Exception | None]) -> None:
    try:
        unit.advance(PHASES, to_do, undo_on_failure=True)
        result.append(None)
    except LockstepError as error:
        result.append(error)


def test_blue_keeps_running_for_its_retention_and_is_stopped_after_it(
    ground: Ground, found: As, additive: list[App]
) -> None:
    processes, retirement = Processes(ground.context), Retirement(ground.context)
    given: t.Any = {"reason": "the test says so", "rollback_data": False}
    # Blue is a release that no other site of these tests is on.
    with ground.release(ground.stage.apps({**OLD, "custom_app": "v0.9.1"})) as apps:
        first = ground.deploy(TWO, apps).journal.deployment_id
        assert first is not None
        blue = ground.context.live_release(TWO)
        try:
            ground.deploy(TWO, additive, blue_retention=3600)
            assert processes.running(blue)
            assert retirement.due() == []
            assert list(retirement.retained()) == [blue.id]
            assert retirement.needed() == {}
            assert not processes.stop_if_unused(blue)
            ground.context.record.retain(blue.id, 0)
            assert [release.id for release in retirement.due()] == [blue.id]
            assert retirement.end(retirement.due()) == [blue.id]
            assert not processes.answers(blue)
            assert ground.roll_back(TWO).status == "restored"
            assert ground.get(TWO, "version") == "0.9.1"
            assert retirement.needed() == {blue.id: [TWO]}, "it is back on it"
        finally:
            SiteRollback(ground.context, unit=TWO, site=TWO, deployment_id=first, **given).run()
    assert ground.get(TWO, "version") == "0.9.0"
    found.require()


def test_a_site_whose_settings_alone_change_shares_nobody_and_is_judged_all_the_same(
    ground: Ground, found: As, additive: list[App]
) -> None:
    ground.deploy(TWO, additive)
    unit = ground.deploy(TWO, additive, config={"limit": 5}, steps=(5,), step_wait=0)
    assert unit.state() == "retired"
    assert ground.site(TWO).config()["limit"] == 5
    confirmed = ground.journal(TWO).last("confirm")
    assert confirmed is not None
    assert confirmed.result["judgement"]["status"] in ("pass", "inconclusive")
    assert ground.roll_back(TWO).status == "restored"
    assert "limit" not in ground.site(TWO).config()
    first = next(one for one in reversed(ground.journal(TWO).history()) if ground.journal(TWO).can_recall(one))
    given: t.Any = {"reason": "the test says so", "rollback_data": False}
    SiteRollback(ground.context, unit=TWO, site=TWO, deployment_id=first, **given).run()
    assert ground.get(TWO, "version") == "0.9.0"
    found.require()
