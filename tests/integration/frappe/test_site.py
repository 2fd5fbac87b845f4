# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users have of a site stays theirs, whatever gets in the way of its deployment."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import impact
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_traffic import Request, SiteTrafficState
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import PHASES
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import verify
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate
from tests.integration.frappe.conftest import DRIVEN
from tests.integration.frappe.ground import As, Ground
from tests.support.asking import ask
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration

TWO = DRIVEN[1]
OLD = {"frappe": "v15.9.0", "erpnext": "v15.9.0"}
HEALTH = "/api/method/custom_app.api.health"


def when(monkeypatch: pytest.MonkeyPatch, where: t.Any, name: str, seen: t.Callable[[], object]) -> None:
    """Look at something at the moment when the driver calls a function."""
    function = getattr(where, name)

    def looked(*args: t.Any, **kwargs: t.Any) -> t.Any:
        seen()
        return function(*args, **kwargs)

    monkeypatch.setattr(where, name, looked)


def test_a_job_that_does_not_end_is_waited_for_and_then_wins(ground: Ground, found: As) -> None:
    unit = ground.unit(TWO, drain_timeout=2)
    to_do = unit.to_do()
    unit.advance(["prepare"], to_do, undo_on_failure=True)
    job = ground.get(TWO, "start_job?seconds=20&number=900001")
    with pytest.raises(LockstepError, match="jobs did not end within 2 s") as caught:
        unit.advance(PHASES, to_do, undo_on_failure=True)
    assert job in caught.value.detail
    assert caught.value.phase == "freeze"
    assert "users can write" in str(caught.value.left)
    freeze = next(step for step in ground.journal(TWO).steps() if step.phase == "freeze")
    assert freeze.record["seconds"] < 20, "nobody waited for its end"
    found.require()
    wait_until(lambda: ground.get(TWO, "read") == [900001], 60, "the job ends, as if nothing had been")
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write` WHERE number = 900001")


def test_a_job_that_sleeps_on_its_connection_is_not_lost(ground: Ground, found: As) -> None:
    unit = ground.unit(TWO, drain_timeout=60)
    to_do = unit.to_do()
    unit.advance(["prepare"], to_do, undo_on_failure=True)
    ground.get(TWO, "start_job?seconds=12&number=900002")
    unit.advance(PHASES, to_do, undo_on_failure=True)
    assert ground.get(TWO, "version") == "1.0.0"
    assert ground.get(TWO, "read") == [900002], "what it wrote is there"
    assert ground.roll_back(TWO).status == "restored"
    assert ground.get(TWO, "read") == [900002]
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write` WHERE number = 900002")
    found.require()


def test_an_idle_transaction_does_not_keep_the_migration_from_ending(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Session] = []

    def idle() -> None:
        config = ground.site(TWO).config()
        port = ground.stage.services.mariadb.port
        database = Database(config["db_name"], config["db_name"], config["db_password"], host="127.0.0.1", port=port)
        session = Session(database)
        sessions.append(session)
        session.execute("BEGIN")
        session.query("SELECT * FROM `tabCustom Note`")

    when(monkeypatch, impact, "begin", idle)
    assert ground.deploy(TWO).state() == "retired"
    assert ground.get(TWO, "version") == "1.0.0"
    assert len(sessions) == 1, "it was there while the site was migrated"
    monkeypatch.undo()
    assert ground.roll_back(TWO).status == "restored"
    sessions[0].close()
    found.require()


@pytest.mark.parametrize(("freeze", "status"), [("reads", 200), ("full", 503)])
def test_visitors_during_a_freeze(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch, freeze: str, status: int
) -> None:
    port = ground.stage.bench.http_port
    seen = []

    def look() -> None:
        seen.append(ask(port, TWO, "/api/method/custom_app.api.count"))
        seen.append(ask(port, TWO, "/api/method/custom_app.api.write", method="POST", data={"number": 1}))

    when(monkeypatch, impact, "begin", look)
    ground.deploy(TWO, freeze=freeze)
    read, write = seen
    assert (read.status, write.status) == (status, 503)
    assert ("closed for maintenance" in read.body) == (freeze == "full")
    assert not ground.context.traffic(TWO).closed
    assert ground.get(TWO, "version") == "1.0.0"
    ground.write(TWO, 2)
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write`")
    monkeypatch.undo()
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_a_site_that_an_operator_stopped_is_deployed_to_and_taken_back_and_stays_stopped(
    ground: Ground, found: As
) -> None:
    site, own = SiteTrafficState(ground.context, TWO, TWO), ground.context.traffic(TWO).gate
    site.change(Request(gate.STOPPED, by="ada"))
    ground.deploy(TWO, freeze="full")
    assert (own.is_set(gate.CLOSED), own.state()) == (False, gate.STOPPED)
    assert ground.roll_back(TWO).status == "restored"
    assert (own.is_set(gate.CLOSED), own.told(gate.STOPPED)["by"]) == (False, "ada")
    port = ground.stage.bench.http_port
    assert ask(port, TWO, "/api/method/ping").headers["x-lockstep-traffic"] == gate.STOPPED
    assert site.change(Request("live"))
    assert ask(port, TWO, "/api/method/ping").status == 200
    found.require()


def dump_of(ground: Ground, table: str) -> pathlib.Path:
    """The file of a table in the backup of the site's deployment."""
    deployment_id = ground.journal(TWO).deployment_id
    assert deployment_id is not None
    folder = pathlib.Path(ground.context.layout.backups(TWO), deployment_id, "database")
    [path] = folder.glob(f"{table.replace(' ', '*')}*.sql.*")
    return path


def cut_off(path: pathlib.Path) -> None:
    """The file without its last bytes, as a disk or a connection may leave it."""
    path.write_bytes(path.read_bytes()[:-7])


def test_a_dump_that_is_cut_off_ends_the_deployment_before_anything_changes(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    when(monkeypatch, verify, "verify", lambda: cut_off(dump_of(ground, "tabCustom Note")))
    with pytest.raises(LockstepError, match=r"is damaged: .* bytes instead of") as caught:
        ground.deploy(TWO)
    assert caught.value.phase == "backup"
    assert "users can write" in str(caught.value.left)
    assert ground.journal(TWO).status == "restored"
    found.require()


def test_a_site_whose_backup_was_damaged_since_stays_where_its_users_can_work(ground: Ground, found: As) -> None:
    ground.deploy(TWO)
    content = ground.content(TWO)
    path = dump_of(ground, "tabCustom Note")
    whole = path.read_bytes()
    cut_off(path)
    journal = ground.roll_back(TWO, rollback_data=True)
    assert journal.status == "kept"
    assert "is damaged: " in journal.data["reason"]
    assert (ground.get(TWO, "version"), ground.content(TWO)) == ("1.0.0", content)
    assert not ground.site(TWO).is_frozen()
    ground.write(TWO, 9)
    path.write_bytes(whole)
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write` WHERE number = 9")
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_what_the_server_forgot_that_it_was_written_to_is_put_back_by_comparison(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with many tables closes some for others' sake, and forgets when they were written to."""

    def write_and_fail() -> None:
        row = "(name, creation, modified, number) VALUES (900003, NOW(), NOW(), 900003)"
        ground.stage.bench.sql(TWO, f"REPLACE INTO `tabCustom Write` {row}")
        ground.stage.services.mariadb.sql("FLUSH TABLES")
        raise LockstepError("the test says so")

    monkeypatch.setattr(impact.touched, "written", lambda _since, _state, _empty: set())
    when(monkeypatch, SiteHealth, "run_tests", write_and_fail)
    with pytest.raises(LockstepError, match="the test says so"):
        ground.deploy(TWO)
    assert ground.journal(TWO).status == "restored"
    assert ground.get(TWO, "read") == []
    found.require()


def test_a_database_that_is_down_keeps_its_site_from_being_touched(ground: Ground, found: As) -> None:
    before = ground.journal(TWO).content
    ground.stage.services.mariadb.stop()
    try:
        with pytest.raises(LockstepError, match=r"Can't connect to .* server"):
            ground.deploy(TWO)
    finally:
        ground.stage.services.mariadb.start()
    assert ground.journal(TWO).content == before
    found.require()


def test_a_database_that_goes_down_amid_the_change_leaves_the_site_frozen_and_whole(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    when(monkeypatch, impact, "end", ground.stage.services.mariadb.stop)
    try:
        with pytest.raises(LockstepError, match=r"undoing migrate failed: .*does not answer") as caught:
            ground.deploy(TWO)
    finally:
        ground.stage.services.mariadb.start()
    assert "users' writes stay blocked" in str(caught.value.left)
    assert "rollback.yml" in str(caught.value.hint)
    assert ground.journal(TWO).status == "failed"
    assert ground.site(TWO).is_frozen()
    monkeypatch.undo()
    assert ground.roll_back(TWO).status == "restored"
    found.require()
