# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new release that migrates a clone: readers see nothing of it, no acknowledged write is lost, and it goes back."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import freeze_estimate, room
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green import Green
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import PHASES, SiteUnit
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import account, load, scratch, watcher
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.exchange import Ground as Tables
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import SiteTraffic
from tests.integration.frappe.conftest import DRIVEN
from tests.integration.frappe.ground import BREAKS_PATCH, As, Ground
from tests.integration.frappe.test_rehearsal import forget_notes, require_nothing_left
from tests.integration.frappe.test_site import when
from tests.support.client import TOUCHED, Client
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration

TWO = DRIVEN[1]
CLONE = {"green_database": "clone"}
UP_TO_THAW = PHASES[: PHASES.index("thaw")]


def require_no_clone(ground: Ground) -> None:
    """Whatever a clone consists of is gone: schemas, accounts, folders, links, jobs, what caches know of it."""
    require_nothing_left(ground)
    folder = pathlib.Path(ground.context.layout.clones)
    assert not folder.exists() or list(folder.iterdir()) == []
    placement = ground.placement(TWO)
    for release in ground.context.record.releases():
        assert placement.leads_to(ground.context.bench(release)) in (None, placement.data)


def require_as_found(ground: Ground, found: As) -> None:
    require_no_clone(ground)
    found.require()


def touched_since(ground: Ground, moment: str) -> list[list[str]]:
    """The live tables that were written to, or made anew, since a moment of the server's clock."""
    name = ground.site(TWO).config()["db_name"]
    return t.cast(
        "list[list[str]]",
        ground.stage.services.mariadb.sql(
            f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}'"
            f" AND (CREATE_TIME >= '{moment}' OR UPDATE_TIME >= '{moment}')"
        ),
    )


def was_indexed(ground: Ground, unit: SiteUnit) -> bool:
    """Whether the search index was built since users can write again: nobody waited for it."""
    sites, thaw = ground.context.bench(ground.context.live_release(TWO)).sites_folder, unit.journal.last("thaw")
    path = pathlib.Path(sites, TWO, "indexes", "web_routes", "MAIN.json")
    assert thaw is not None
    return path.exists() and path.stat().st_mtime > clock.parse(thaw.intent["thawed_at"]).timestamp()


def now_at(ground: Ground) -> str:
    [[moment]] = ground.stage.services.mariadb.sql("SELECT NOW() + INTERVAL 1 SECOND")
    ground.stage.services.mariadb.sql("DO SLEEP(1.1)")
    return str(moment)


def write_behind(ground: Ground) -> None:
    """A write that no freeze keeps out, as of a job that a reader has started."""
    row = "(name, creation, modified, number) VALUES (800400000, NOW(), NOW(), 800400000)"
    ground.stage.bench.sql(TWO, f"INSERT INTO `tabCustom Write` {row}")


def test_a_migrated_clone_becomes_the_database_and_nobody_misses_anything(ground: Ground, found: As) -> None:
    with Client(ground.stage.bench.http_port, [TWO], TOUCHED) as client:
        unit = ground.deploy(TWO, **CLONE)
    seen = client.sites[TWO]
    assert (seen.failed_reads, seen.failed_writes, client.lost(TWO)) == ([], [], [])
    assert seen.reads > 20
    assert len(seen.acknowledged) > 20
    assert seen.refused > 0
    steps = {step.phase: step.result for step in unit.journal.steps()}
    assert steps["migrate"]["clone"].startswith(f"{TWO}_green_2")
    print("freeze", unit.journal.data["freeze_seconds"], steps["migrate"], steps["switch"])
    assert unit.state() == "retired"
    wait_until(lambda: was_indexed(ground, unit), 30, "the website's search index is of the site as it is now")
    assert ground.get(TWO, "version") == "1.0.0"
    columns = ground.content(TWO)
    assert "tabCustom Label" in columns
    assert "obsolete_rate" not in columns["tabSales Order Item"], "it was migrated"
    require_no_clone(ground)
    live = ground.site(TWO).config()
    assert {name: live[name] for name in ("db_name", "db_password")} == {
        name: found.config[name] for name in ("db_name", "db_password")
    }
    # Users have written to what the migration touched: it goes back only if that is given up.
    assert ground.roll_back(TWO).status == "kept"
    assert ground.roll_back(TWO, rollback_data=True).status == "restored"
    forget_notes(ground)
    require_as_found(ground, found)


def test_a_migration_that_fails_on_the_clone_has_touched_nothing(ground: Ground, found: As) -> None:
    ground.stage.bench.sql(TWO, BREAKS_PATCH)
    content, moment = ground.content(TWO), now_at(ground)
    try:
        with pytest.raises(LockstepError, match="'a dozen'") as caught:
            ground.deploy(TWO, **CLONE)
        assert (caught.value.phase, "users can write" in str(caught.value.left)) == ("migrate", True)
        assert touched_since(ground, moment) == [], "nobody but us was there"
        assert ground.content(TWO) == content
        migrate = next(step for step in ground.journal(TWO).steps() if step.phase == "migrate")
        assert migrate.result["action"] == "clone dropped"
    finally:
        ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Note` WHERE name = 'own'")
    require_as_found(ground, found)


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [
        pytest.param(load, "prove", False, id="loaded"),
        pytest.param(watcher.Watcher, "of_process", True, id="the migration goes on alone"),
        pytest.param(Placement, "collect", False, id="the new release has the site again"),
        pytest.param(Tables, "exchange", False, id="triggers dropped"),
        pytest.param(Tables, "exchange", True, id="exchanged, and nobody knows"),
        pytest.param(Green, "take_down", True, id="clone removed"),
    ],
)
def test_a_killed_deployment_goes_back(ground: Ground, found: As, where: t.Any, name: str, after: bool) -> None:
    with Client(ground.stage.bench.http_port, [TWO], TOUCHED) as client:
        ground.die(ground.unit(TWO, **CLONE), where, name, after=after)
        assert ground.site(TWO).is_frozen()
        assert ground.roll_back(TWO).status == "restored"
    seen = client.sites[TWO]
    assert (seen.failed_reads, seen.failed_writes, client.lost(TWO)) == ([], [], [])
    forget_notes(ground)
    require_as_found(ground, found)


def test_a_playbook_takes_back_what_was_killed_at_the_exchange(ground: Ground, found: As) -> None:
    ground.die(ground.unit(TWO, **CLONE), Tables, "exchange", after=True)
    assert "tabCustom Label" in ground.content(TWO), "it was exchanged"
    inventory = ground.stage.deployment(sites=[TWO])
    given = {"deployment_id": ground.journal(TWO).deployment_id, "reason": "the controller died"}
    done = ground.stage.play("playbooks/rollback.yml", inventory=inventory, **given)
    assert done.returncode == 0, done.stdout[-4000:]
    require_as_found(ground, found)


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [
        pytest.param(Tables, "exchange", True, id="after it"),
        pytest.param(Green, "take_down", False, id="before the clone is dropped"),
    ],
)
def test_a_rollback_that_is_killed_goes_on_from_there(
    ground: Ground, found: As, where: t.Any, name: str, after: bool
) -> None:
    ground.die(ground.unit(TWO, **CLONE), SiteTraffic, "switch", after=True)
    ground.die_in_rollback(TWO, where, name, after=after)
    assert ground.roll_back(TWO).status == "restored"
    require_as_found(ground, found)


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [
        pytest.param(watcher.Watcher, "of_process", True, id="the migration goes on alone"),
        pytest.param(Tables, "exchange", True, id="exchanged, and nobody knows"),
        pytest.param(Green, "take_down", False, id="traffic moved, clone still there"),
    ],
)
def test_or_on(ground: Ground, found: As, where: t.Any, name: str, after: bool) -> None:
    ground.die(ground.unit(TWO, **CLONE), where, name, after=after)
    again = ground.unit(TWO, deployment_id=ground.journal(TWO).deployment_id, **CLONE)
    again.advance(PHASES, again.to_do(), undo_on_failure=True)
    assert again.state() == "retired"
    assert ground.get(TWO, "version") == "1.0.0"
    require_no_clone(ground)
    assert ground.roll_back(TWO).status == "restored"
    require_as_found(ground, found)


def test_a_failure_after_the_switch_exchanges_the_tables_back(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged: list[bool] = []
    from_outside = SiteHealth.from_outside

    def fails(health: SiteHealth, release: t.Any) -> None:
        from_outside(health, release)
        if not exchanged:
            exchanged.append("tabCustom Label" in ground.content(TWO))
            write_behind(ground)
            raise LockstepError("it answers, but the test says no")

    with monkeypatch.context() as patched, Client(ground.stage.bench.http_port, [TWO], TOUCHED) as client:
        patched.setattr(SiteHealth, "from_outside", fails)
        with pytest.raises(LockstepError, match="the test says no") as caught:
            ground.deploy(TWO, **CLONE)
    assert (caught.value.phase, exchanged) == ("switch", [True])
    seen = client.sites[TWO]
    assert (seen.failed_reads, seen.failed_writes, client.lost(TWO)) == ([], [], [])
    assert 800_400_000 in ground.get(TWO, "read"), "what a job wrote meanwhile is kept, where the migration was not"
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write` WHERE number = 800400000")
    forget_notes(ground)
    require_as_found(ground, found)


def test_without_a_backup_the_live_database_is_cloned_and_a_failure_still_goes_back(ground: Ground, found: As) -> None:
    with pytest.raises(LockstepError, match=r"the test .* failed"):
        ground.deploy(TWO, backup=False, tests=(("false",),), **CLONE)
    require_as_found(ground, found)
    unit = ground.unit(TWO, backup=False, **CLONE)
    unit.advance(UP_TO_THAW, unit.to_do(), undo_on_failure=True)
    assert ground.get(TWO, "version") == "1.0.0"
    assert ground.roll_back(TWO).status == "restored"
    require_as_found(ground, found)


OBJECTS = (
    "CREATE TABLE own_log (what text)",
    "CREATE TRIGGER own_trigger AFTER INSERT ON `tabCustom Write` FOR EACH ROW INSERT INTO own_log VALUES (NEW.number)",
    "CREATE VIEW own_view AS SELECT COUNT(*) AS count FROM `tabCustom Write`",
    "CREATE SEQUENCE own_sequence START WITH 7",
    "DO NEXTVAL(own_sequence)",
    "CREATE FUNCTION own_function(n int) RETURNS int DETERMINISTIC RETURN n * 2",
    "CREATE EVENT own_event ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM own_log",
)
SHOWN = (
    "SHOW CREATE TRIGGER own_trigger",
    "SHOW CREATE VIEW own_view",
    "SHOW CREATE SEQUENCE own_sequence",
    "SHOW CREATE FUNCTION own_function",
    "SHOW CREATE EVENT own_event",
)


def test_triggers_views_sequences_routines_and_events_are_the_sites_own_there_and_back(
    ground: Ground, found: As
) -> None:
    bench = ground.stage.bench
    bench.sql(TWO, "; ".join(OBJECTS))

    def look() -> list[t.Any]:
        """How they were made, and by whom, but not when."""
        return [[row[:6] for row in bench.sql(TWO, one)] for one in SHOWN]

    shown = look()
    before = As(ground, TWO)
    try:
        ground.deploy(TWO, **CLONE)
        assert look() == shown
        assert "_lockstep_" not in str(shown)
        ground.write(TWO, 800_300_000)
        assert [row[0] for row in bench.sql(TWO, "SELECT what FROM own_log")] == ["800300000"]
        assert bench.sql(TWO, "SELECT count FROM own_view") == bench.sql(TWO, "SELECT COUNT(*) FROM `tabCustom Write`")
        assert int(bench.sql(TWO, "SELECT NEXTVAL(own_sequence)")[0][0]) >= 8
        bench.sql(TWO, "DELETE FROM `tabCustom Write` WHERE number = 800300000; DELETE FROM own_log")
        assert ground.roll_back(TWO, rollback_data=True).status == "restored"
        ground.die(ground.unit(TWO, **CLONE), Tables, "exchange", after=False)
        assert bench.sql(TWO, "SHOW TRIGGERS LIKE 'tabCustom Write'") == [], "they are gone for a moment"
        assert ground.roll_back(TWO).status == "restored"
        assert look() == shown
        require_no_clone(ground)
        assert ground.content(TWO).keys() == before.content.keys()
    finally:
        bench.sql(TWO, "DROP TABLE own_log; DROP TRIGGER own_trigger; DROP VIEW own_view; DROP SEQUENCE own_sequence")
        bench.sql(TWO, "DROP FUNCTION own_function; DROP EVENT own_event")
    require_as_found(ground, found)


def test_settings_come_with_the_exchange_and_go_with_it(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[t.Any] = []
    with monkeypatch.context() as patched:
        when(patched, SiteHealth, "run_tests", lambda: seen.append(ground.site(TWO).config().get("shop_name")))
        ground.deploy(TWO, config={"shop_name": "green"}, **CLONE)
    assert seen == [None], "the release before has the settings of before"
    assert ground.site(TWO).config()["shop_name"] == "green"
    assert ground.roll_back(TWO).status == "restored"
    require_as_found(ground, found)


def test_what_can_not_be_cloned_is_refused_before_anybody_is_frozen(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    def require_refused(match: str, **options: t.Any) -> None:
        with pytest.raises(LockstepError, match=match) as caught:
            ground.deploy(TWO, **CLONE, **options)
        assert caught.value.phase == "prepare"
        assert "green_database: shared" in str(caught.value.hint)

    with monkeypatch.context() as patched:
        patched.setattr(SiteDeployment, "admin", lambda _deployment: None)
        require_refused("nobody is known who may make a schema")
    with monkeypatch.context() as patched:
        patched.setattr(account, "may_create", lambda _admin: False)
        require_refused("may make schemas, but no accounts")
    with monkeypatch.context() as patched:
        statvfs, data = os.statvfs, str(ground.stage.services.mariadb.data)
        full = os.statvfs_result((4096, 4096, 10**9, 10, 10, 10**6, 10**6, 10**6, 0, 255))
        patched.setattr(room.os, "statvfs", lambda path: full if str(path).rstrip("/") == data else statvfs(path))
        require_refused(r"only less than 1 MB are free .* that is migrated beside it needs .*\(2 times")
    ground.stage.bench.sql(TWO, "CREATE TABLE kept (i int) WITH SYSTEM VERSIONING")
    try:
        require_refused("table kept keeps its history")
    finally:
        ground.stage.bench.sql(TWO, "DROP TABLE kept")
    ground.stage.services.mariadb.sql(
        f"CREATE DATABASE reporting; CREATE TABLE reporting.facts (note varchar(140) COLLATE utf8mb4_unicode_ci,"
        f" FOREIGN KEY (note) REFERENCES {found.config['db_name']}.`tabCustom Note` (name))"
    )
    try:
        require_refused("table facts of reporting, with a foreign key to tabCustom Note of .* would go with the tables")
    finally:
        ground.stage.services.mariadb.sql("DROP DATABASE reporting")
    require_as_found(ground, found)


def test_the_freeze_to_expect_has_the_clone_in_it_and_the_way_back_needs_nothing_beside_the_backup(
    ground: Ground, found: As
) -> None:
    unit = ground.unit(TWO, rehearsal="always", freeze="auto", **CLONE)
    unit.advance(UP_TO_THAW[:1], unit.to_do(), undo_on_failure=True)
    told = unit.journal.data["rehearsal"]
    assert 0 < told["clone_seconds"] < told["freeze_seconds"]
    # The app's own job takes as long as it takes, and no exchange before says how long. The index is built later.
    assert told["jobs"] == (1 if freeze_estimate.exchanged(unit.journal.earlier()) is None else 0)
    again = ground.unit(TWO, deployment_id=unit.journal.deployment_id, rehearsal="always", freeze="auto", **CLONE)
    again.advance([*UP_TO_THAW[1:], "thaw"], again.to_do(), undo_on_failure=True)
    frozen = again.journal.data["freeze_seconds"]
    assert frozen / 3 < told["freeze_seconds"] < 3 * frozen + 2
    # Of what the site's tables were before nobody has need since the thaw, and the way back knows that.
    name = found.config["db_name"]
    blue = scratch.scratch_name(Database(name, name, ""), "blue")
    ground.stage.services.mariadb.sql(f"DROP DATABASE {blue}")
    assert ground.roll_back(TWO).status == "restored"
    require_as_found(ground, found)
