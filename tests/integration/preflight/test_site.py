# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found on a site before a deployment, with a real database and real jobs."""

from __future__ import annotations

import fcntl
import json
import pathlib
import subprocess
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import preflight_site
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import compression
from tests.integration.preflight.look import ONE, TWO, Look, refused
from tests.support.daemons import wait_until
from tests.support.services import program

pytestmark = pytest.mark.integration

NO_SCHEDULER = [f"the scheduler of {ONE} is switched off (System Settings)"]


def change_config(look: Look, **changes: t.Any) -> t.ContextManager[None]:
    """The configuration of a site with some other values for a while."""
    config = {**look.stage.bench.site_config(ONE), **changes}
    return look.file(look.stage.bench.site_file(ONE, "site_config.json"), json.dumps(config))


def test_a_healthy_site_may_be_deployed_to(look: Look) -> None:
    found = look.at_site()
    assert (found.failed, found.warnings) == ([], NO_SCHEDULER)


def test_a_scheduler_that_works_is_no_warning(look: Look) -> None:
    look.stage.bench.site(TWO, "enable-scheduler")
    assert look.at_site(TWO).warnings == []


def test_a_site_that_is_not_there_is_told(look: Look) -> None:
    failed = refused(lambda: look.at_site("gone.local"))
    assert len(failed) == 1
    assert f"no such site in {look.stage.bench.path}: gone.local" in failed[0]


@pytest.mark.parametrize("name", ["../site1.local", "a b", "it's", '"; drop', "--help", ".hidden", "x" * 73])
def test_an_odd_name_is_refused(look: Look, name: str) -> None:
    failed = refused(lambda: look.at_site(name))
    assert len(failed) == 1
    assert "is no name for a site" in failed[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"db_password": "x"}'])
def test_a_broken_configuration_is_told(look: Look, text: str) -> None:
    with look.file(look.stage.bench.site_file(ONE, "site_config.json"), text):
        failed = look.at_site().failed
    assert len(failed) == 1
    assert "site_config.json" in failed[0]


def test_a_database_server_that_is_down_is_told(look: Look) -> None:
    with look.without_mariadb():
        found = look.at_site()
        bench = look.at_bench()
    port = look.stage.services.mariadb.port
    assert f"the database server at 127.0.0.1:{port} does not answer" in found.failed
    assert not any("Traceback" in text for text in found.failed)
    assert bench.failed == []
    assert look.at_site().failed == []


def test_a_wrong_password_is_told_and_not_printed(look: Look) -> None:
    with change_config(look, db_password="wrong-secret"):
        failed = look.at_site().failed
    assert any("wrong password or unknown user" in text for text in failed)
    assert "wrong-secret" not in str(failed)


def test_another_kind_of_database_is_refused(look: Look) -> None:
    with change_config(look, db_type="postgres"):
        failed = look.at_site().failed
    assert f"site {ONE} lies in postgres; this version deploys sites on MariaDB" in failed


def test_maintenance_mode_is_a_warning(look: Look) -> None:
    with change_config(look, maintenance_mode=1):
        found = look.at_site()
    assert found.failed == []
    assert f"{ONE} is in maintenance mode already, and will be left in it" in found.warnings


def test_a_paused_scheduler_is_a_warning(look: Look) -> None:
    with change_config(look, pause_scheduler=1):
        assert f"the scheduler of {ONE} is switched off (pause_scheduler, System Settings)" in look.at_site().warnings


def test_a_running_migration_is_a_failure_and_its_old_lock_file_is_none(look: Look) -> None:
    path = look.stage.bench.site_file(ONE, "locks", "bench_migrate.lock")
    with look.file(path, ""):
        assert look.at_site().warnings == NO_SCHEDULER
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            found = look.at_site()
    assert found.failed == [f"a migration of {ONE} is running; wait for it to end"]


def start_jobs(look: Look, count: int, seconds: float) -> None:
    for number in range(count):
        path = f"/api/method/custom_app.api.start_job?seconds={seconds}&number={number}"
        assert look.stage.bench.get(ONE, path).status == 200


def test_queued_jobs_are_a_warning_with_their_number(look: Look) -> None:
    with look.without_program("frappe-bench-workers:*"):
        start_jobs(look, 2, seconds=0)
        assert f"0 jobs of {ONE} are running and 2 are queued" in look.at_site().warnings
        assert not any("jobs" in text for text in look.at_site(TWO).warnings)
    wait_until(lambda: look.at_site().warnings == NO_SCHEDULER, 60, "the jobs have ended", interval=0.5)


def test_a_running_job_is_a_warning(look: Look) -> None:
    start_jobs(look, 1, seconds=10)
    expected = f"1 jobs of {ONE} are running and 0 are queued"
    wait_until(lambda: expected in look.at_site().warnings, 30, expected, interval=0.1)
    wait_until(lambda: look.at_site().warnings == NO_SCHEDULER, 60, "the job has ended", interval=0.5)


def test_an_idle_transaction_is_a_warning(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_site, "_IDLE", 0.2)
    config = look.stage.bench.site_config(ONE)
    options = look.stage.folder / "client.cnf"
    options.touch(0o600)
    options.write_text(f"[client]\nuser={config['db_name']}\npassword={config['db_password']}\nprotocol=tcp\n")
    command = [program("mariadb", "mysql"), f"--defaults-file={options}", "-h127.0.0.1"]
    command += [f"-P{look.stage.services.mariadb.port}", "--unbuffered", config["db_name"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as client:
        assert client.stdin is not None
        client.stdin.write("START TRANSACTION; SELECT COUNT(*) FROM tabUser;\n")
        client.stdin.flush()
        begun = (
            "1 connections to the database of site1.local are older than 0.2 s and may hold up its migration: thread"
        )
        wait_until(lambda: any(text.startswith(begun) for text in look.at_site().warnings), 60, begun, interval=0.3)
        found = look.at_site()
        client.stdin.close()
    assert found.valid
    assert any("idle for" in text for text in found.warnings)
    assert not any("SELECT" in text for text in found.warnings)


def test_an_app_that_the_new_release_lacks_is_told(look: Look) -> None:
    apps = [app for app in look.stage.apps() if app.name != "custom_app"]
    failed = look.at_site(apps=apps).failed
    assert len(failed) == 1
    assert f"{ONE} has custom_app installed, which the new release doesn't have" in failed[0]


def test_a_site_that_does_not_answer_is_told(look: Look) -> None:
    with look.without_program("frappe-bench-web:frappe-bench-frappe-web"):
        failed = look.at_site().failed
    assert any(", accessible: " in text for text in failed)
    assert all(ONE in text for text in failed)


def test_without_zstd_gzip_is_used_and_told(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "best", lambda: compression.by_name("gzip"))
    warnings = look.at_site().warnings
    assert any("compressed by gzip: zstd is missing" in text for text in warnings)
    assert not any("gzip" in text for text in look.at_site(backup=False).warnings)


def test_an_admin_who_may_not_make_schemas_is_a_warning(look: Look) -> None:
    config = look.stage.bench.site_config(ONE)
    admin = {"user": config["db_name"], "password": config["db_password"]}
    found = look.at_site(context=look.stage.context(database={"admin": admin}))
    assert any("may not make schemas" in text for text in found.warnings)
    assert not any(config["db_password"] in text for text in found.warnings + found.failed + found.passed)


def test_an_admin_who_is_not_let_in_is_told(look: Look) -> None:
    admin = {"user": "root", "password": "wrong-secret"}
    failed = look.at_site(context=look.stage.context(database={"admin": admin})).failed
    assert len(failed) == 1
    assert "does not let user root in" in failed[0]


def test_files_that_a_backup_has_already_take_no_room(look: Look, tmp_path: pathlib.Path) -> None:
    context = look.stage.context(backup_dir=str(tmp_path))
    live = preflight_site.LiveSite.find(context, ONE)
    name = "large.bin"
    path = look.stage.bench.site_file(ONE, "public", "files", name)
    before = preflight_site.backup_need(context, live).size
    with look.file(path, "x" * 5_000_000):
        assert preflight_site.backup_need(context, live).size - before >= 5_000_000
        copy = tmp_path / ONE / "20260101T000000Z-000000" / "files" / "public" / "files" / name
        copy.parent.mkdir(parents=True)
        subprocess.run(["cp", "-p", str(path), str(copy)], check=True)
        (tmp_path / ONE / "20260101T000000Z-000000" / "backup.json").write_text("{}")
        known = preflight_site.backup_need(context, live).size
        assert known - before >= 5_000_000, "a backup that was not finished does not count"
        (tmp_path / ONE / "20260101T000000Z-000000" / "backup.json").write_text('{"site": "site1.local"}')
        assert preflight_site.backup_need(context, live).size - before < 5_000_000
