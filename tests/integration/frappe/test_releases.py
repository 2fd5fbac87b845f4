# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases of other kinds, apps that are new, and what is said where nothing can be undone."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import impact
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import release_id
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import PHASES
from tests.integration.frappe.conftest import DRIVEN, LOST
from tests.integration.frappe.ground import BREAKS_PATCH, OPTIONS, As, Ground
from tests.integration.stage import NEW
from tests.support.asking import ask

pytestmark = pytest.mark.integration

TWO = DRIVEN[1]
OLD = {"frappe": "v15.9.0", "erpnext": "v15.9.0"}
HEALTH = "/api/method/custom_app.api.health"


def test_a_site_in_maintenance_stays_in_maintenance(ground: Ground, found: As) -> None:
    flags = {"maintenance_mode": 1, "allow_reads_during_maintenance": 0}
    site = ground.site(TWO)
    site.change_config(flags)
    try:
        ground.deploy(TWO)
        assert site.flags() == flags
        assert ground.roll_back(TWO).status == "restored"
        assert site.flags() == flags
    finally:
        site.change_config({}, remove=flags)
    found.require()


def test_a_release_that_needs_no_migration_and_is_not_healthy(ground: Ground, found: As) -> None:
    with ground.release(ground.stage.apps({**OLD, "custom_app": "v1.0.0-unhealthy"})) as apps:
        with pytest.raises(LockstepError, match=r"does not serve the site well.*health") as caught:
            ground.deploy(TWO, apps, endpoints=({"path": HEALTH},))
        assert caught.value.phase == "verify"
        assert "users can write" in str(caught.value.left)
        journal = ground.journal(TWO)
        assert journal.status == "restored"
        migrate = next(step for step in journal.steps() if step.phase == "migrate")
        assert migrate.result["migration"] == "skipped"
        # What the new release said of itself stays to be read.
        ground.stage.bench.sql(TWO, "DELETE FROM `tabError Log`")
        found.require()
        # Who asks for no more than that it answers gets it, with the data as it is.
        ground.deploy(TWO, apps)
        assert ground.content(TWO) == found.content
        ground.write(TWO, 3)
        assert ground.roll_back(TWO).status == "restored"
        assert ground.get(TWO, "read") == [3]
        ground.stage.bench.sql(TWO, "DELETE FROM `tabCustom Write`")
        found.require()


def test_additions_only_are_taken_back_with_what_users_wrote_since(ground: Ground, found: As) -> None:
    with ground.release(ground.stage.apps({**OLD, "custom_app": "v1.0.0-additive"})) as apps:
        ground.deploy(TWO, apps)
        assert ground.get(TWO, "version") == "1.0.1"
        ground.write(TWO, 4, "annotate")
        journal = ground.roll_back(TWO)
        assert journal.status == "restored"
        assert journal.data["keep_data"]
        assert ground.get(TWO, "version") == "0.9.0"
        assert ground.get(TWO, "annotations") == [4]
        ground.write(TWO, 5, "annotate")


def test_writes_into_touched_tables_keep_the_release_until_somebody_gives_them_up(ground: Ground, found: As) -> None:
    ground.deploy(TWO)
    ground.write(TWO, 6, "annotate")
    journal = ground.roll_back(TWO)
    assert journal.status == "kept"
    assert journal.data["loss"]["tables"] == ["tabCustom Note"]
    assert journal.data["loss"]["rows"] == 1
    assert journal.data["loss"]["minutes"] is not None
    assert ground.get(TWO, "version") == "1.0.0"
    ground.write(TWO, 7, "annotate")
    assert ground.roll_back(TWO, rollback_data=True).status == "restored"
    assert not {6, 7} & set(ground.get(TWO, "annotations"))
    found.require()


def test_what_the_scheduler_notes_is_no_write_of_users_and_stays(
    ground: Ground, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, known = "tabScheduled Job Type", impact.tables_to_restore
    # Migrations of a real Frappe touch this table whatever they do.
    monkeypatch.setattr(impact, "tables_to_restore", lambda *given, **more: sorted({*(known(*given, **more)), jobs}))
    bench, ran = ground.stage.bench, "2031-02-03 04:05:06.000000"
    before = bench.sql(TWO, f"SELECT name, last_execution FROM `{jobs}` ORDER BY name")
    ground.deploy(TWO)
    bench.sql(TWO, f"UPDATE `{jobs}` SET last_execution = '{ran}' ORDER BY name LIMIT 1")
    assert ground.roll_back(TWO).status == "restored"
    after = bench.sql(TWO, f"SELECT name, last_execution FROM `{jobs}` ORDER BY name")
    assert after == [[before[0][0], ran], *before[1:]], "it must not be due once more"
    restore = "NULL" if before[0][1] == "NULL" else f"'{before[0][1]}'"
    bench.sql(TWO, f"UPDATE `{jobs}` SET last_execution = {restore} WHERE name = '{before[0][0]}'")

    ground.deploy(TWO)
    bench.sql(TWO, f"UPDATE `{jobs}` SET stopped = 1 - stopped ORDER BY name LIMIT 1")
    journal = ground.roll_back(TWO)
    assert (journal.status, journal.data["loss"]["tables"]) == ("kept", [jobs])
    assert ground.roll_back(TWO, rollback_data=True).status == "restored"
    found.require()


def test_files_and_tables_that_users_made_or_changed_since_are_not_undone(ground: Ground, found: As) -> None:
    path = pathlib.Path(ground.site(TWO).folder, "public", "files", "price-list.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("old prices")
    ground.deploy(TWO)
    path.write_text("prices of today")
    ground.stage.bench.sql(TWO, "CREATE TABLE `tabMade Since` (name INT PRIMARY KEY)")
    journal = ground.roll_back(TWO)
    assert journal.status == "kept"
    assert journal.data["loss"]["tables"] == ["tabMade Since"]
    ground.stage.bench.sql(TWO, "DROP TABLE `tabMade Since`")
    assert ground.roll_back(TWO).status == "restored"
    assert path.read_text() == "prices of today"
    found.require()
    ground.deploy(TWO)
    path.write_text("prices of tomorrow")
    assert ground.roll_back(TWO, rollback_data=True).status == "restored"
    assert path.read_text() == "prices of today", "who gives up what was written since, gets the backup"
    path.unlink()


def test_settings_are_put_back_without_a_backup_too(ground: Ground, found: As) -> None:
    unhealthy = ground.stage.apps({**OLD, "custom_app": "v1.0.0-unhealthy"})
    with ground.release(unhealthy) as apps, pytest.raises(LockstepError, match="does not serve the site well"):
        ground.deploy(TWO, apps, backup=False, config={"limit": 9}, endpoints=({"path": HEALTH},))
    ground.stage.bench.sql(TWO, "DELETE FROM `tabError Log`")
    found.require()


def test_a_new_app_is_installed_and_gone_again_and_secrets_stay_where_they_belong(ground: Ground, found: As) -> None:
    secret = "s3cr3t-0b5e55ed"
    ground.site(TWO).change_config({"limit": 3})
    config = ground.site(TWO).config()
    options = {"apps": (*OPTIONS.apps, "extra"), "config": {"limit": 5, "api_secret": secret}}
    with ground.release(ground.stage.apps({**NEW, "extra": "v1.0.0"})) as apps:
        unit = ground.unit(TWO, apps, **options)
        to_do = unit.to_do()
        assert to_do["install"] == ["extra"]
        assert to_do["configure"] == ["api_secret", "limit"]
        unit.advance(PHASES, to_do, undo_on_failure=True)
        installed = ground.context.bench(ground.context.live_release(TWO)).execute(TWO, "frappe.get_installed_apps")
        assert installed == ["frappe", "erpnext", "custom_app", "extra"]
        assert "tabExtra Thing" in ground.content(TWO)
        now = ground.site(TWO).config()
        assert (now["limit"], now["api_secret"]) == (5, secret)
        assert unit.is_done(unit.to_do()), "a second deployment finds nothing to do"
        assert ground.roll_back(TWO).status == "restored"
        ground.require_as_before(TWO, found.content, config)
        told = subprocess.run(["grep", "-rl", secret, ground.context.state_dir], capture_output=True, text=True)
        assert (told.returncode, told.stdout) == (1, ""), "neither journal nor manifest has the secret"
        assert secret not in json.dumps([to_do, unit.journal.events()])
    ground.site(TWO).change_config({}, remove=["limit"])


def test_what_was_set_for_all_sites_since_goes_along_to_the_next_release(ground: Ground, found: As) -> None:
    ground.deploy(TWO)
    serving = ground.context.bench(ground.context.live_release(TWO))
    config, mode = serving.common_config(), os.stat(serving.common_config_path).st_mode
    atomic.write_json(serving.common_config_path, {**config, "mail_server": "mail.example.com"}, mode=0o640)
    try:
        with ground.release(ground.stage.apps({**OLD, "custom_app": "v1.0.0-additive"})) as apps:
            release = ground.context.require_release(release_id(apps))
            built = ground.context.bench(release)
            assert built.common_config()["mail_server"] == "mail.example.com"
            assert built.common_config()["redis_cache"] != config["redis_cache"]
            assert os.stat(built.common_config_path).st_mode & 0o777 == 0o640
            other = ground.stage.context(name="other-bench")
            assert other.group(release) != ground.context.group(release), "benches of a server may have the same apps"
    finally:
        atomic.write_json(serving.common_config_path, config, mode=mode & 0o777)
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_a_release_is_not_stopped_while_a_site_may_have_to_go_back_to_it(ground: Ground, found: As) -> None:
    before, processes = ground.context.live_release(TWO), Processes(ground.context)
    assert processes.awaiting(before) == []
    unit = ground.unit(TWO)
    to_do = unit.to_do()
    unit.advance(PHASES[: PHASES.index("confirm")], to_do, undo_on_failure=True)
    assert processes.awaiting(before) == [TWO]
    unit.advance(PHASES, to_do, undo_on_failure=True)
    assert processes.awaiting(before) == []
    assert ground.roll_back(TWO).status == "restored"
    found.require()


def test_a_domain_that_is_given_to_an_adopted_site_is_served(ground: Ground) -> None:
    port, domain = ground.stage.bench.http_port, "shop.example.com"
    work = ground.bench_work({TWO: [TWO, domain]})
    assert ask(port, domain, "/api/method/ping").status == 404
    assert work.to_do()["domains"] == {TWO: [domain]}
    assert work.run(undo_on_failure=True) == (True, [])
    assert ask(port, domain, "/api/method/ping").status == 200
    assert ask(port, TWO, "/api/method/ping").status == 200
    assert work.to_do()["domains"] == {}

    other = DRIVEN[0]
    with pytest.raises(LockstepError, match=rf"gives to {re.escape(other)}: {re.escape(domain)} by "):
        ground.bench_work({other: [domain]}).run(undo_on_failure=True)
    assert ask(port, domain, "/api/method/ping").status == 200


def test_without_a_backup_a_migration_that_fails_can_not_be_undone_and_nobody_says_otherwise(ground: Ground) -> None:
    ground.stage.bench.sql(LOST, BREAKS_PATCH)
    with pytest.raises(LockstepError, match=r"no backup was taken \(skip_backup\)") as caught:
        ground.deploy(LOST, backup=False)
    assert caught.value.message.startswith("migrate failed: bench migrate failed with return code 1: "), "what began it"
    assert "users' writes stay blocked" in str(caught.value.left)
    journal = ground.journal(LOST)
    assert journal.status == "failed"
    step = journal.last("backup")
    assert step is not None
    assert step.result == {"skipped": True, "reason": "skip_backup"}
    assert ground.site(LOST).is_frozen()
    assert ground.context.locks().describe(LOST)["owner"] == journal.deployment_id


def test_the_users_own_tests_decide_before_traffic_moves(ground: Ground, found: As) -> None:
    passing, failing = (
        ["test", "-d", "apps/custom_app"],
        ["sh", "-c", 'echo "$LOCKSTEP_SITE is not good enough"; exit 3'],
    )
    with pytest.raises(LockstepError, match=r"the test sh -c .* failed with return code 3") as caught:
        ground.deploy(TWO, tests=(passing, failing))
    assert f"{TWO} is not good enough" in str(caught.value.detail)
    found.require()
    ground.deploy(TWO, tests=(passing,))
    assert ground.get(TWO, "version") == "1.0.0"


def test_smoke_tests_are_asked_of_the_new_release_before_traffic_moves(ground: Ground, found: As) -> None:
    new = {"path": "/api/method/custom_app.api.version", "json": {"message": "1.0.0"}}
    old = {"path": "/api/method/custom_app.api.version", "json": {"message": "0.9.0"}}
    with pytest.raises(LockstepError, match=r"the smoke test .*version: message is '1.0.0'") as caught:
        ground.deploy(TWO, smoke_tests=(new, old))
    assert caught.value.phase == "verify"
    assert "users can write" in str(caught.value.left)
    found.require()
    said = ["sh", "-c", 'test -S "$LOCKSTEP_SOCKET"']
    ground.deploy(TWO, smoke_tests=(new,), tests=(said,))
    assert ground.get(TWO, "version") == "1.0.0"
