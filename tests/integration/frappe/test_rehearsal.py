# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A migration rehearsed on a copy tells what the real one will do, and neither users nor the server notice."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import impact, redis, rehearsal, room
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.scratch_site import ScratchSite
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import account, live_copy, load
from tests.integration.frappe.conftest import DRIVEN
from tests.integration.frappe.ground import BREAKS_PATCH, As, Ground
from tests.integration.frappe.test_site import cut_off, dump_of, when
from tests.integration.stage import NEW
from tests.support.asking import ask
from tests.support.client import TOUCHED, Client

pytestmark = pytest.mark.integration

ONE, TWO = DRIVEN
OLD = {"frappe": "v15.9.0", "erpnext": "v15.9.0"}
ADDITIVE = {**OLD, "custom_app": "v1.0.0-additive"}


def rehearse(ground: Ground, site: str, release: t.Any = None, **options: t.Any) -> dict[str, t.Any]:
    """Take a site through the phase that users don't notice, and say what the journal has of its rehearsal."""
    unit = ground.unit(site, release, rehearsal="always", **options)
    unit.advance(["prepare"], unit.to_do(), undo_on_failure=True)
    return dict(unit.journal.data["rehearsal"])


def require_nothing_left(ground: Ground) -> None:
    """Whatever a rehearsal makes is gone: schemas, accounts, folders, links, jobs, what caches know, processes."""
    sql = ground.stage.services.mariadb.sql
    assert sql("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '\\\\_lockstep%'") == []
    assert sql("SELECT User FROM mysql.global_priv WHERE User LIKE '\\\\_lockstep%'") == []
    assert sql("SELECT User FROM mysql.db WHERE User LIKE '\\\\_lockstep%'") == []
    assert sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER LIKE '\\\\_lockstep%'") == []
    folder = pathlib.Path(ground.context.layout.rehearsals)
    assert not folder.exists() or list(folder.iterdir()) == []
    for release in ground.context.record.releases():
        bench = ground.context.bench(release)
        assert [name for name in os.listdir(bench.sites_folder) if "_green_" in name] == []
        assert keys(ground, bench, "redis_queue", "*_green_*") == 0
        assert keys(ground, bench, "redis_cache", "*_lockstep_*") == 0
    here = str(ground.stage.folder)
    assert [line for line in arguments() if "_green_" in line and here in line] == []


def keys(ground: Ground, bench: t.Any, service: str, pattern: str) -> int:
    """How many keys, and names of queues, a bench's Redis has of a pattern."""
    script = """
        local count = #redis.call('KEYS', ARGV[1])
        for _, queue in ipairs(redis.call('SMEMBERS', 'rq:queues')) do
          if string.find(queue, '_green_', 1, true) then count = count + 1 end
        end
        return count
    """
    try:
        return int(redis.ask(bench.common_config()[service], "EVAL", script, "0", pattern).lstrip(":"))
    except LockstepError:
        return 0  # a release that is stopped


def arguments() -> list[str]:
    """The command lines of all processes."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


def forget_notes(ground: Ground) -> None:
    """Remove what users of these tests wrote."""
    ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Note` WHERE CAST(SUBSTRING(title, 8) AS UNSIGNED) > 1000000")


def test_what_a_migration_changes_is_known_before_any_user_notices(ground: Ground, found: As) -> None:
    # Those of other tests: it is a site's first deployment that has no backup to rehearse on.
    shutil.rmtree(ground.context.layout.backups(TWO), ignore_errors=True)
    with Client(ground.stage.bench.http_port, [TWO], TOUCHED) as client:
        told = rehearse(ground, TWO)
    seen = client.sites[TWO]
    assert (seen.failed_reads, seen.failed_writes, seen.refused, client.lost(TWO)) == ([], [], 0, [])
    assert len(seen.acknowledged) > 10
    assert not ground.site(TWO).is_frozen()
    assert ground.get(TWO, "version") == "0.9.0"
    assert (told["source"], told["additive"]) == ("live copy", False)
    assert any(reason.startswith("table tabCustom Note: column amount: type ") for reason in told["reasons"])
    assert "table tabSales Order Item: column obsolete_rate is gone" in told["reasons"]
    assert {"tabCustom Note", "tabCustom Label", "tabSales Order Item"} <= set(told["touched_tables"])
    assert "tabCustom Label" in told["schema_difference"]["tables"]["added"]
    assert set(told["seconds"]) == {"restore", "migrate", "verify"}
    assert told["checks"]["failed"] == []
    assert {"accessible", "login_page", "release", "patches"} <= set(told["checks"]["passed"])
    require_nothing_left(ground)
    # Nothing of it makes the real one different, and the estimate is of the right size.
    unit = ground.unit(TWO, deployment_id=ground.journal(TWO).deployment_id)
    unit.advance(["freeze", "backup", "migrate", "verify", "switch", "thaw"], unit.to_do(), undo_on_failure=True)
    frozen = unit.journal.data["freeze_seconds"]
    assert frozen / 3 < told["freeze_seconds"] < 3 * frozen + 2
    assert ground.roll_back(TWO, rollback_data=True).status == "restored"
    forget_notes(ground)
    found.require()


def test_additions_only_are_known_as_such(ground: Ground, found: As) -> None:
    with ground.release(ground.stage.apps(ADDITIVE)) as apps:
        told = rehearse(ground, TWO, apps)
        assert (told["additive"], told["reasons"]) == (True, [])
        added = told["schema_difference"]["tables"]["changed"]["tabCustom Note"]["columns"]["added"]
        assert added == ["colour"]
        require_nothing_left(ground)
        assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_an_app_that_is_new_is_installed_on_the_copy_and_not_on_the_site(ground: Ground, found: As) -> None:
    with ground.release(ground.stage.apps({**OLD, "custom_app": "v0.9.0", "extra": "v1.0.0"})) as apps:
        told = rehearse(ground, TWO, apps, apps=("frappe", "erpnext", "custom_app", "extra"))
        assert told["schema_difference"]["tables"]["added"] == ["tabExtra Thing"]
        assert "app_extra_installed" in told["checks"]["passed"]
        assert told["additive"], told["reasons"]
        require_nothing_left(ground)
        assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_a_failing_patch_ends_the_deployment_before_any_user_notices(ground: Ground, found: As) -> None:
    ground.stage.bench.sql(TWO, BREAKS_PATCH)
    fails = "rehearsed on a copy of the site and fails there: bench migrate failed with return code 1: .*'a dozen'"
    try:
        with (
            Client(ground.stage.bench.http_port, [TWO], TOUCHED) as client,
            pytest.raises(LockstepError, match=fails) as caught,
        ):
            ground.deploy(TWO, freeze="auto")
    finally:
        ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Note` WHERE name = 'own'")
    seen = client.sites[TWO]
    assert (seen.failed_reads, seen.failed_writes, seen.refused, client.lost(TWO)) == ([], [], 0, [])
    assert len(seen.acknowledged) > 10
    assert caught.value.phase == "prepare"
    journal = ground.journal(TWO)
    assert (journal.status, [step.phase for step in journal.steps()]) == ("restored", ["prepare"])
    require_nothing_left(ground)
    forget_notes(ground)
    found.require()


def test_a_migration_that_has_nothing_to_do_needs_no_rehearsal(ground: Ground, found: As) -> None:
    with ground.release(ground.stage.apps({**OLD, "custom_app": "v0.9.1"})) as apps:
        unit = ground.deploy(TWO, apps, freeze="auto", rehearsal="always")
        assert unit.journal.data["rehearsal"]["additive"]
        assert rehearsal.told(unit.journal.data["rehearsal"]).startswith("The migration has nothing to do")
        assert ground.roll_back(TWO).status == "restored"
    found.require()


@pytest.mark.parametrize(("tags", "status"), [(NEW, 503), (ADDITIVE, 200)], ids=["more", "additions only"])
def test_freeze_auto_lets_readers_read_only_if_things_are_only_added(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], status: int
) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(ask(ground.stage.bench.http_port, TWO, "/api/method/custom_app.api.count").status)

    def deploy(apps: t.Any) -> None:
        when(monkeypatch, impact, "begin", look)
        ground.deploy(TWO, apps, freeze="auto")
        monkeypatch.undo()
        assert seen == [status]
        assert ground.roll_back(TWO).status == "restored"

    if tags is NEW:
        deploy(None)
    else:
        with ground.release(ground.stage.apps(tags)) as apps:
            deploy(apps)
    found.require()


def test_the_last_backup_is_restored_for_it_and_brought_up_to_date(ground: Ground, found: As) -> None:
    with ground.release(ground.stage.apps(ADDITIVE)) as apps:
        first = ground.deploy(TWO, apps).journal.deployment_id
        ground.write(TWO, 1_000_031, "annotate")
        told = rehearse(ground, TWO)
        assert told["source"] == first
        assert told["source_age"] > 0
        assert 1 <= told["refreshed"] < len(ground.content(TWO)) / 2
        assert told["warnings"] == []
        assert "amount" in told["schema_difference"]["tables"]["changed"]["tabCustom Note"]["columns"]["changed"]
        assert "colour" not in json.dumps(told["schema_difference"]), "what the last migration did is no news"
        require_nothing_left(ground)
        assert ground.roll_back(TWO).status == "restored"
        forget_notes(ground)
        assert ground.roll_back(TWO, first, rollback_data=True).status == "restored"
    found.require()


def test_a_backup_that_can_not_be_restored_is_told_and_the_rehearsal_goes_on_without_it(
    ground: Ground, found: As
) -> None:
    ground.deploy(TWO)
    path = dump_of(ground, "tabCustom Note")
    assert ground.roll_back(TWO).status == "restored"
    whole = path.read_bytes()
    cut_off(path)
    told = rehearse(ground, TWO)
    assert told["source"] == "live copy"
    assert len(told["warnings"]) == 1
    assert "is damaged" in told["warnings"][0]
    path.write_bytes(whole)
    require_nothing_left(ground)
    assert ground.roll_back(TWO).status == "restored"
    found.require()


@pytest.fixture
def no_backup(ground: Ground) -> t.Iterator[None]:
    """The site as if it had never been backed up."""
    folder = pathlib.Path(ground.context.layout.backups(TWO))
    for record in list(folder.glob("*/backup.json")):
        record.rename(record.with_name("hidden.json"))
    yield
    for record in list(folder.glob("*/hidden.json")):
        record.rename(record.with_name("backup.json"))


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [
        pytest.param(account, "create", False, id="schema made"),
        pytest.param(live_copy, "bring_up_to_date", True, id="filled and in no bench"),
        pytest.param(rehearsal, "identify", True, id="the migration goes on alone"),
        pytest.param(account, "drop", False, id="half removed"),
    ],
)
@pytest.mark.usefixtures("no_backup")
def test_a_killed_rehearsal_is_cleaned_up_by_the_next_run(
    ground: Ground, found: As, where: t.Any, name: str, after: bool
) -> None:
    ground.die(ground.unit(TWO, freeze="auto"), where, name, after=after)
    journal = ground.journal(TWO)
    assert journal.steps()[-1].intent["rehearsal"] is not None
    again = ground.unit(TWO, deployment_id=journal.deployment_id, freeze="auto")
    again.advance(["prepare"], again.to_do(), undo_on_failure=True)
    assert again.journal.data["rehearsal"]["source"] == "live copy"
    require_nothing_left(ground)
    assert ground.roll_back(TWO).status == "restored"
    found.require()


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [
        pytest.param(rehearsal, "identify", True, id="the migration goes on alone"),
        pytest.param(ScratchSite, "link", True, id="linked"),
        pytest.param(SiteHealth, "look", True, id="asked"),
    ],
)
@pytest.mark.usefixtures("no_backup")
def test_and_by_the_way_back(ground: Ground, found: As, where: t.Any, name: str, after: bool) -> None:
    ground.die(ground.unit(TWO, freeze="auto"), where, name, after=after)
    assert ground.roll_back(TWO).status == "restored"
    require_nothing_left(ground)
    found.require()


def test_a_killed_restore_is_cleaned_up_too(ground: Ground, found: As) -> None:
    ground.deploy(TWO)
    assert ground.roll_back(TWO).status == "restored"
    ground.die(ground.unit(TWO, freeze="auto"), load, "prove")
    assert ground.roll_back(TWO).status == "restored"
    require_nothing_left(ground)
    found.require()


def test_the_copy_sends_nothing_and_has_secrets_of_its_own(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "k3y-0f-3ncrypt10n"
    ground.site(TWO).change_config({"encryption_key": key, "host_name": "https://shop.example.com"})
    known: dict[str, t.Any] = {}
    create, look = account.create, SiteHealth.look

    def created(*given: t.Any) -> t.Any:
        known["account"] = create(*given)
        return known["account"]

    def looked(health: SiteHealth, release: t.Any) -> t.Any:
        folder = pathlib.Path(ground.context.layout.rehearsals)
        [path] = folder.glob("*/site_config.json")
        known["config"], known["mode"] = json.loads(path.read_text()), path.stat().st_mode & 0o777
        known["name"] = path.parent.name
        bench = ground.context.bench(release)
        known["passive"] = os.path.islink(os.path.join(bench.sites_folder, known["name"]))
        known["queued"] = keys(ground, bench, "redis_queue", f"rq:queue:{known['name']}:*")
        known["jobs"] = keys(ground, bench, "redis_queue", f"rq:job:{known['name']}*")
        known["arguments"] = arguments()
        return look(health, release)

    monkeypatch.setattr(account, "create", created)
    monkeypatch.setattr(SiteHealth, "look", looked)
    sql = ground.stage.services.mariadb.sql
    log = ground.stage.folder / "general.log"
    sql(f"SET GLOBAL general_log_file = '{log}'")
    sql("SET GLOBAL general_log = 1")
    try:
        told = rehearse(ground, TWO)
    finally:
        sql("SET GLOBAL general_log = 0")
    monkeypatch.undo()
    config, own = known["config"], known["account"]
    assert (config["mute_emails"], config["pause_scheduler"], config["encryption_key"]) == (1, 1, key)
    assert "host_name" not in config
    assert known["name"].startswith(f"{TWO}_green_2")
    assert (config["db_name"], config["db_user"], config["db_password"]) == (own.name, own.user, own.password)
    assert config["db_name"].startswith("_lockstep_")
    assert (known["mode"], known["passive"]) == (0o600, True)
    assert known["queued"] >= 1, "what the migration queued was taken by no worker"
    assert known["jobs"] >= 1
    live = ground.site(TWO).config()
    for secret in (own.password, live["db_password"], ground.stage.services.mariadb.root_password):
        told_in = subprocess.run(
            ["grep", "-rlF", secret, ground.context.state_dir], capture_output=True, text=True, check=False
        )
        assert (told_in.returncode, told_in.stdout) == (1, "")
        assert secret not in json.dumps([told, ground.journal(TWO).events()])
        assert [line for line in known["arguments"] if secret in line] == []
        assert secret not in log.read_text(errors="replace")
    require_nothing_left(ground)
    log.unlink()
    assert ground.roll_back(TWO).status == "restored"
    ground.site(TWO).change_config({}, remove=["encryption_key", "host_name"])
    ground.site(TWO).change_config(found.config)
    found.require()


def test_the_account_of_a_copy_can_not_reach_the_site_itself(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, tried = account.create, []

    def created(*given: t.Any) -> t.Any:
        own = create(*given)
        with pytest.raises(LockstepError, match=r"denied|may not use"):
            own.query(f"SELECT COUNT(*) FROM `{ground.site(TWO).config()['db_name']}`.tabSingles")
        tried.append(own.query("SELECT 1"))
        return own

    monkeypatch.setattr(account, "create", created)
    rehearse(ground, TWO)
    assert tried == [[["1"]]]
    monkeypatch.undo()
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_where_nobody_may_make_schemas_what_depends_on_it_is_refused_or_told(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SiteDeployment, "admin", lambda _deployment: None)
    with pytest.raises(LockstepError, match="nobody is known who may make a scratch schema") as caught:
        rehearse(ground, TWO)
    assert "database.admin" in str(caught.value.hint)
    seen: list[int] = []

    def look() -> None:
        seen.append(ask(ground.stage.bench.http_port, TWO, "/api/method/custom_app.api.count").status)

    when(monkeypatch, impact, "begin", look)
    unit = ground.deploy(TWO, freeze="auto")
    assert seen == [503], "what is not known is treated as if it were more than additions"
    prepare = unit.journal.last("prepare")
    assert prepare is not None
    assert prepare.result["rehearsal"] == "not rehearsed"
    assert "nobody is known" in prepare.result["warnings"][0]
    monkeypatch.undo()
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_a_copy_that_would_not_fit_is_not_begun(ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch) -> None:
    statvfs = os.statvfs
    full = os.statvfs_result((4096, 4096, 10**9, 10, 10, 10**6, 10**6, 10**6, 0, 255))
    data = str(ground.stage.services.mariadb.data)
    monkeypatch.setattr(room.os, "statvfs", lambda path: full if str(path).rstrip("/") == data else statvfs(path))
    with pytest.raises(LockstepError, match=r"only less than 1 MB are free .* needs .*1\.5 times") as caught:
        rehearse(ground, TWO)
    assert caught.value.phase == "prepare"
    monkeypatch.undo()
    require_nothing_left(ground)
    found.require()


def test_rehearsals_of_two_sites_at_once_do_not_disturb_each_other(ground: Ground, found: As) -> None:
    first = As(ground, ONE)
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as both:
        results = list(both.map(lambda site: rehearse(ground, site), DRIVEN))
    assert [told["additive"] for told in results] == [False, False]
    assert results[0]["touched_tables"] == results[1]["touched_tables"]
    require_nothing_left(ground)
    for site in DRIVEN:
        assert ground.roll_back(site).status == "restored"
    first.require()
    found.require()


def test_a_release_that_serves_the_copy_badly_gets_no_site(ground: Ground, found: As) -> None:
    with ground.release(ground.stage.apps({**ADDITIVE, "frappe": "v16.0.0-additive"})) as apps:
        endpoints = ({"path": "/api/method/custom_app.api.no_such"},)
        with pytest.raises(LockstepError, match="does not serve a migrated copy of the site well: endpoint_") as caught:
            rehearse(ground, TWO, apps, endpoints=endpoints)
        assert caught.value.phase == "prepare"
        require_nothing_left(ground)
    assert not ground.migrations(TWO)
    found.require()
