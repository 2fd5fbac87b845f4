# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: what it prints and returns, above all where that is misleading."""

from __future__ import annotations

import gzip
import json
import re

import pytest
import redis

from tests.contract.subject import OTHER, SITE, Subject


def test_version_of_bench_is_a_bare_number(subject: Subject) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", subject.bench.run("--version").stdout.strip())


def test_unknown_site_is_return_code_1(subject: Subject) -> None:
    done = subject.bench.site("nowhere.test", "list-apps", check=False)
    assert done.returncode == 1
    assert "Site nowhere.test does not exist!" in done.stdout


def test_no_site_is_return_code_1(subject: Subject) -> None:
    done = subject.bench.run("migrate", check=False)
    assert done.returncode == 1
    assert "Please specify --site sitename" in done.stdout


def test_unknown_command_is_return_code_2(subject: Subject) -> None:
    assert subject.bench.site(SITE, "no-such-command", check=False).returncode == 2


def test_a_site_is_not_made_twice(subject: Subject) -> None:
    done = subject.bench.run("new-site", SITE, "--db-root-password", "none", "--admin-password", "none", check=False)
    assert done.returncode == 1
    assert f"Site {SITE} already exists" in done.stdout


def test_version_names_commit_branch_and_version_of_every_app(subject: Subject) -> None:
    found = json.loads(subject.bench.run("version", "--format", "json").stdout)
    app = next(one for one in found if one["app"] == "contract_app")
    assert {one["app"] for one in found} == {"frappe", "contract_app", "contract_child"}
    assert app["version"] == "1.0.0"
    assert app["branch"] == "HEAD"  # on a tag
    assert subject.bench.git("contract_app", "rev-parse", "HEAD").startswith(app["commit"])
    assert len(app["commit"]) == 7


def test_list_apps_is_empty_on_a_site_that_was_never_migrated(subject: Subject) -> None:
    assert json.loads(subject.bench.site(OTHER, "list-apps", "--format", "json").stdout) == {OTHER: []}


def test_execute_prints_the_installed_apps_as_json(subject: Subject) -> None:
    done = subject.bench.site(SITE, "execute", "frappe.get_installed_apps")
    assert json.loads(done.stdout) == ["frappe", "contract_app"]


def test_execute_prints_nothing_for_nothing(subject: Subject) -> None:
    done = subject.bench.site(SITE, "execute", "contract_app.api.nothing")
    assert done.stdout.strip() == ""


def test_list_apps_is_stale_after_install_app_until_the_next_migrate(changing: Subject) -> None:
    bench = changing.bench
    bench.site(SITE, "migrate")
    bench.site(SITE, "install-app", "contract_child")
    assert bench.execute(SITE, "frappe.get_installed_apps") == ["frappe", "contract_app", "contract_child"]
    listed = json.loads(bench.site(SITE, "list-apps", "--format", "json").stdout)
    assert listed == {SITE: ["frappe", "contract_app"]}
    bench.site(SITE, "migrate")
    assert "contract_child" in json.loads(bench.site(SITE, "list-apps", "--format", "json").stdout)[SITE]


def test_installing_an_installed_app_is_a_silent_success(subject: Subject) -> None:
    done = subject.bench.site(SITE, "install-app", "contract_app")
    assert "already installed" in done.stdout


def test_installing_an_unknown_app_is_return_code_1_with_a_traceback_on_stdout(subject: Subject) -> None:
    done = subject.bench.site(SITE, "install-app", "nowhere", check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stdout
    assert "An error occurred while installing nowhere" in done.stdout


def test_an_app_that_requires_another_by_its_bare_name_can_not_be_installed_offline(changing: Subject) -> None:
    changing.bench.checkout("contract_child", "v1.0.0-bare")
    try:
        offline = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
        command = ["env", *(f"{name}={value}" for name, value in offline.items()), str(changing.bench.command)]
        done = changing.flavour.run([*command, "--site", SITE, "install-app", "contract_child"], changing.bench.path)
        assert done.returncode == 1
        assert "api.github.com" in done.stdout
    finally:
        changing.bench.checkout("contract_child", "v1.0.0")


def test_uninstalling_what_is_not_installed_is_return_code_0(subject: Subject) -> None:
    done = subject.bench.site(SITE, "uninstall-app", "contract_child", "--yes", "--no-backup")
    assert "not installed" in done.stdout


def test_uninstalling_what_another_app_needs_is_refused_with_return_code_0(changing: Subject) -> None:
    bench = changing.bench
    bench.site(SITE, "install-app", "contract_child")
    done = bench.site(SITE, "uninstall-app", "contract_app", "--yes", "--no-backup")
    assert "is a dependency of contract_child" in done.stdout
    assert "contract_app" in bench.execute(SITE, "frappe.get_installed_apps")


def test_uninstalling_drops_the_tables_of_the_app(changing: Subject) -> None:
    changing.bench.site(SITE, "uninstall-app", "contract_app", "--yes", "--no-backup")
    assert changing.bench.sql(SITE, "SHOW TABLES LIKE 'tabContract%'") == []
    assert changing.bench.execute(SITE, "frappe.get_installed_apps") == ["frappe"]


@pytest.mark.parametrize("setting", ["maintenance_mode", "pause_scheduler", "disable_scheduler"])
def test_the_scheduler_is_called_disabled_also_when_paused_or_in_maintenance(
    configuring: Subject, setting: str
) -> None:
    bench = configuring.bench
    bench.site(SITE, "enable-scheduler")
    status = bench.site(SITE, "scheduler", "status", "-f", "json").stdout
    assert json.loads(status) == {"status": "enabled", "site": SITE}
    configuring.set_config(SITE, **{setting: 1})
    status = bench.site(SITE, "scheduler", "status", "-f", "json").stdout
    assert json.loads(status) == {"status": "disabled", "site": SITE}


def test_maintenance_mode_is_written_into_the_site_config(configuring: Subject) -> None:
    bench = configuring.bench
    bench.site(SITE, "set-maintenance-mode", "on")
    assert bench.site_config(SITE)["maintenance_mode"] == 1
    bench.site(SITE, "set-maintenance-mode", "off")
    assert bench.site_config(SITE)["maintenance_mode"] == 0


def test_set_config_truncates_and_writes_the_same_file(configuring: Subject) -> None:
    path = configuring.bench.site_file(SITE, "site_config.json")
    before = path.stat().st_ino
    configuring.bench.site(SITE, "set-config", "some_key", "some value")
    assert configuring.bench.site_config(SITE)["some_key"] == "some value"
    assert path.stat().st_ino == before  # not replaced: a reader can find it empty


def test_set_config_parses_values_only_when_told(configuring: Subject) -> None:
    bench = configuring.bench
    bench.site(SITE, "set-config", "text", "[1]")
    bench.site(SITE, "set-config", "-p", "parsed", "[1]")
    bench.site(SITE, "set-config", "number", "1")
    config = bench.site_config(SITE)
    assert (config["text"], config["parsed"], config["number"]) == ("[1]", [1], 1)


def test_clear_cache_is_silent_with_redis_down(subject: Subject) -> None:
    with subject.without("redis:redis-cache"):
        assert subject.bench.site(SITE, "clear-cache").returncode == 0


def test_clear_cache_leaves_what_waits_to_be_written_to_the_database(configuring: Subject) -> None:
    bench = configuring.bench
    start = f"{bench.site_config(SITE)['db_name']}|"
    record = json.dumps({"doctype": "Access Log", "export_from": "nothing"})
    with redis.Redis.from_url(bench.config["redis_cache"]) as cache:
        cache.rpush(f"{start}insert_queue_for_Access Log", record)
        cache.set(f"{start}some_cache", "1")
        bench.site(SITE, "clear-cache")
        assert cache.lrange(f"{start}insert_queue_for_Access Log", 0, -1) == [record.encode()]
        assert cache.get(f"{start}some_cache") is None
        cache.delete(f"{start}insert_queue_for_Access Log")


def test_hooks_say_which_keys_are_no_cache(subject: Subject) -> None:
    args = json.dumps(["persistent_cache_keys", ["none"]])
    done = subject.bench.site(SITE, "execute", "frappe.get_hooks", "--args", args)
    assert {"insert_queue_for_*", "global_search_queue"} <= set(json.loads(done.stdout.splitlines()[-1]))
    args = json.dumps(["no_such_hook", ["none"]])
    done = subject.bench.site(SITE, "execute", "frappe.get_hooks", "--args", args)
    assert json.loads(done.stdout.splitlines()[-1]) == ["none"]


def test_doctor_and_show_pending_jobs_are_return_code_0(configuring: Subject) -> None:
    configuring.set_config(maintenance_mode=1)
    done = configuring.bench.site(SITE, "doctor")
    assert f"Maintenance mode on for {SITE}" in done.stdout
    assert re.search(r"Workers online: \d", done.stdout)
    assert "Pending Jobs" in configuring.bench.site(SITE, "show-pending-jobs").stdout


def test_readiness_with_the_queue_down_is_return_code_1_but_says_nothing_of_not_ready(subject: Subject) -> None:
    with subject.without("workers:*", "redis:redis-queue"):
        done = subject.bench.site(SITE, "ready-for-migration", check=False)
        assert done.returncode == 1
        assert "READY" not in done.stdout


def test_restoring_a_truncated_dump_leaves_the_site_broken(changing: Subject) -> None:
    bench, ping = changing.bench, "/api/method/ping"
    assert changing.ask(ping).status == 200
    dump = bench.path / "logs" / "broken.sql"
    bench.site(SITE, "backup", "--backup-path-db", f"{dump}.gz")
    text = gzip.decompress(dump.with_name("broken.sql.gz").read_bytes()).decode()
    rows = text.index("INSERT INTO `tabDocField` VALUES")
    dump.write_text(text[: text.index("),\n", rows) + 3] + "\n-- __Auth\n")
    changing.flavour.give(dump)
    root = ("--db-root-password", changing.services.mariadb.root_password)
    done = bench.site(SITE, "restore", str(dump), *root, check=False)
    assert done.returncode == 1
    assert "INSERT INTO `tabDocField` VALUES" in done.stdout  # users' rows in what a log would keep
    assert changing.ask("/login").status == 500
    assert changing.ask(ping).status == 200  # all that it asks for is cached still
    with redis.Redis.from_url(bench.config["redis_cache"]) as cache:
        cache.delete(*cache.scan_iter(f"{changing.database(SITE)}|*"))
    assert changing.ask(ping).status == 500


def test_restoring_a_whole_dump_brings_the_site_back(changing: Subject) -> None:
    bench = changing.bench
    dump = bench.path / "logs" / "whole.sql.gz"
    bench.site(SITE, "backup", "--backup-path-db", str(dump))
    bench.sql(SITE, "DELETE FROM `tabContract Note`")
    root = ("--db-root-password", changing.services.mariadb.root_password)
    bench.site(SITE, "restore", str(dump), *root)
    assert bench.sql(SITE, "SELECT COUNT(*) FROM `tabContract Note`") == [["10"]]
    database = bench.site_config(SITE)["db_name"]
    hosts = bench.services.mariadb.sql(f"SELECT Host FROM mysql.global_priv WHERE User = '{database}' ORDER BY Host")
    assert hosts == [["%"], ["localhost"]]  # a second account beside the site's own
    bench.services.mariadb.sql(f"DROP USER '{database}'@'localhost'")
