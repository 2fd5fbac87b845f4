# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Migrations: what they change, write down and leave behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess

from tests.contract.subject import OTHER, SITE, Subject
from tests.support.daemons import end, wait_until

PATCHES = "SELECT patch FROM `tabPatch Log` WHERE patch LIKE 'contract_app%' AND skipped = 0 ORDER BY creation"


def _touched(subject: Subject) -> set[str]:
    return set(json.loads(subject.bench.site_file(SITE, "touched_tables.json").read_text()))


def _existing(subject: Subject) -> set[str]:
    return {row[0] for row in subject.bench.sql(SITE, "SHOW TABLES")}


def test_a_migration_with_nothing_to_do_rewrites_its_own_records(changing: Subject) -> None:
    changing.bench.site(SITE, "migrate")
    changing.bench.site(SITE, "migrate")
    assert _touched(changing) & _existing(changing) == {"tabInstalled Application", "tabSingles", "tabVersion"}


def test_a_migration_runs_patches_around_the_model_and_names_what_it_touched(changing: Subject) -> None:
    bench = changing.bench
    bench.checkout("contract_app", "v2.0.0")
    done = bench.site(SITE, "migrate")
    assert "Executing contract_app.patches.v2.raise_amounts" in done.stdout
    rows = bench.sql(SITE, "SELECT DISTINCT state, amount >= 1000 FROM `tabContract Note`")
    assert rows == [["migrated", "1"]]
    assert {"tabContract Note", "tabPatch Log", "tabDocType", "tabDocField"} <= _touched(changing)
    assert "tabContract Label" in _existing(changing)
    logged = [row[0].rpartition(".")[2] for row in bench.sql(SITE, PATCHES)]
    assert logged == ["raise_amounts", "fill_state"]


def test_touched_tables_holds_names_cut_off_at_small_letters_and_names_of_no_table(changing: Subject) -> None:
    changing.bench.checkout("contract_app", "v2.0.0")
    changing.bench.site(SITE, "migrate")
    touched = _touched(changing)
    assert "tabContract" in touched  # no such table
    assert "tabContract Terms of Use" not in touched  # changed, and only found as "tabContract"
    assert "tabContract Label" not in touched  # created, no row written


def test_a_patch_runs_once(changing: Subject) -> None:
    changing.bench.checkout("contract_app", "v2.0.0")
    changing.bench.site(SITE, "migrate")
    assert "contract_app.patches" not in changing.bench.site(SITE, "migrate").stdout


def test_a_new_site_counts_all_patches_as_done(subject: Subject) -> None:
    assert "Executing" not in subject.bench.site(OTHER, "migrate", "--skip-search-index").stdout


def test_a_failing_patch_leaves_earlier_patches_and_all_ddl(changing: Subject) -> None:
    bench = changing.bench
    bench.checkout("contract_app", "v2.0.0-bad")
    done = bench.site(SITE, "migrate", check=False)
    assert done.returncode == 1
    assert "this patch fails on every site" in done.stdout + done.stderr
    assert bench.sql(SITE, PATCHES) == [["contract_app.patches.v2.before"]]
    rows = bench.sql(SITE, "SELECT DISTINCT parts, half_done FROM `tabContract Note`")
    assert rows == [["before", "committed"]]  # the uncommitted rows of the failing patch alone are undone
    assert "tabContract Note" in _touched(changing)


def test_the_second_attempt_forgets_what_the_first_one_touched(changing: Subject) -> None:
    bench = changing.bench
    bench.checkout("contract_app", "v2.0.0-bad")
    bench.site(SITE, "migrate", check=False)
    assert "tabContract Note" in _touched(changing)
    bench.checkout("contract_app", "v1.0.0")
    bench.site(SITE, "migrate")
    assert "tabContract Note" not in _touched(changing)


def test_skip_failing_is_return_code_0_and_remembers_the_patch_as_skipped(changing: Subject) -> None:
    bench = changing.bench
    bench.checkout("contract_app", "v2.0.0-bad")
    bench.site(SITE, "migrate", "--skip-failing")
    rows = bench.sql(SITE, "SELECT patch FROM `tabPatch Log` WHERE skipped = 1")
    assert rows == [["contract_app.patches.v2.half_way"]]


def test_migrate_never_touches_maintenance_mode(changing: Subject) -> None:
    changing.set_config(maintenance_mode=1, allow_reads_during_maintenance=1)
    before = changing.bench.site_config(SITE)
    changing.bench.site(SITE, "migrate")
    assert changing.bench.site_config(SITE) == before


def test_migrate_queues_a_job_unless_told_not_to(changing: Subject) -> None:
    with changing.without("workers:*"):
        changing.bench.site(SITE, "migrate", "--skip-search-index")
        assert "NOT READY" not in changing.bench.site(SITE, "ready-for-migration").stdout
        changing.bench.site(SITE, "migrate")
        assert "NOT READY" in changing.bench.site(SITE, "ready-for-migration", check=False).stdout
        changing.queue().flushall()


def test_migrate_needs_the_cache(changing: Subject) -> None:
    with changing.without("redis:redis-cache"):
        done = changing.bench.site(SITE, "migrate", check=False)
        assert done.returncode == 1
        assert "redis_cache is not running" in done.stdout


def test_a_second_migration_gives_up_soon_and_the_lock_file_stays(changing: Subject) -> None:
    path = changing.bench.site_file(SITE, "locks", "bench_migrate.lock")
    changing.bench.site(SITE, "migrate")
    assert path.exists()  # not stale: nobody holds it
    with path.open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = changing.bench.site(SITE, "migrate", check=False)
        assert done.returncode == 1
        assert "bench_migrate" in done.stdout + done.stderr
    changing.bench.site(SITE, "migrate")


def test_a_killed_migration_frees_its_lock_and_leaves_no_list_of_touched_tables(changing: Subject) -> None:
    bench = changing.bench
    bench.site(SITE, "migrate")
    bench.checkout("contract_app", "v2.0.0-slow")
    process = subprocess.Popen(
        [str(bench.command), "--site", SITE, "migrate"],
        cwd=bench.path,
        env=changing.flavour.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **changing.flavour.identity(),
    )
    slow = "SELECT COUNT(*) FROM `tabContract Note` WHERE parts = 'slow'"
    wait_until(lambda: bench.sql(SITE, slow) == [["10"]], 60, "the patch waits")
    end(process.pid, (signal.SIGKILL,))
    assert not bench.site_file(SITE, "touched_tables.json").exists()
    with bench.site_file(SITE, "locks", "bench_migrate.lock").open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_migrating_all_sites_stops_at_the_first_that_fails(changing: Subject) -> None:
    bench = changing.bench
    bench.checkout("contract_app", "v2.0.0-bad")
    done = bench.run("--site", "all", "migrate", check=False)
    assert done.returncode == 1
    assert f"Migrating {SITE}" in done.stdout
    assert f"Migrating {OTHER}" not in done.stdout


def test_all_sites_are_those_that_are_folders(changing: Subject) -> None:
    bench = changing.bench
    moved = bench.path / "one.moved"
    bench.site_file(SITE).rename(moved)
    os.symlink(moved, bench.site_file(SITE))
    try:
        done = bench.run("--site", "all", "migrate", "--skip-search-index")
        assert f"Migrating {OTHER}" in done.stdout
        assert f"Migrating {SITE}" not in done.stdout
        assert bench.execute(SITE, "frappe.get_installed_apps") == ["frappe", "contract_app"]
    finally:
        bench.site_file(SITE).unlink()
        moved.rename(bench.site_file(SITE))


def test_databases_hold_sequences_and_tables_outside_of_transactions(subject: Subject) -> None:
    kinds = {row[0]: row[1] for row in subject.bench.sql(SITE, "SHOW FULL TABLES")}
    assert kinds["contract_write_id_seq"] == "SEQUENCE"
    engines = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND engine = 'MyISAM'"
    assert {"__global_search", "tabError Log"} <= {row[0] for row in subject.bench.sql(SITE, engines)}
    assert {"__Auth", "__UserSettings", "tabSingles", "tabSeries"} <= set(kinds)
