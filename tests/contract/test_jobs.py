# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Background jobs: names in Redis, who sees them, what runs when."""

from __future__ import annotations

from tests.contract.subject import OTHER, SITE, Subject
from tests.support.daemons import wait_until

START = "/api/method/contract_app.api.start_job"


def _slug(subject: Subject) -> str:
    return str(subject.bench.path).strip("/").replace("/", "-")


def test_ids_begin_with_the_site_and_queues_with_the_benchs_path(changing: Subject) -> None:
    with changing.without("workers:*"):
        job = str(changing.ask(f"{START}?seconds=0&number=1&queue=long").message)
        assert job.startswith(SITE + "::")
        queue = changing.queue()
        assert queue.lrange(f"rq:queue:{_slug(changing)}:long", 0, -1) == [job]
        assert f"rq:queue:{_slug(changing)}:long" in queue.smembers("rq:queues")
        assert queue.hget(f"rq:job:{job}", "status") == "queued"
    changing.await_job(1)


def test_a_running_job_is_named_by_its_worker_and_in_no_queue(changing: Subject) -> None:
    job = changing.await_running(2, seconds=3)
    queue = changing.queue()
    worker = next(str(one) for one in queue.smembers("rq:workers") if queue.hget(one, "current_job") == job)
    assert worker.startswith("rq:worker:")
    assert queue.hget(worker, "state") == "busy"
    assert queue.hget(f"rq:job:{job}", "status") == "started"
    assert queue.lrange(f"rq:queue:{_slug(changing)}:default", 0, -1) == []
    changing.await_job(2)


def test_a_site_with_a_queued_job_is_not_ready_and_with_a_running_one_it_is_called_ready(changing: Subject) -> None:
    with changing.without("workers:*"):
        changing.ask(f"{START}?seconds=0&number=3")
        queued = changing.bench.site(SITE, "ready-for-migration", check=False)
        assert (queued.returncode, "NOT READY" in queued.stdout) == (1, True)
        assert "contract_app.api.job" in changing.bench.site(SITE, "show-pending-jobs").stdout
        other = changing.bench.site(OTHER, "ready-for-migration")
        assert "READY" in other.stdout
    changing.await_job(3)
    job = changing.await_running(4, seconds=6)
    running = changing.bench.site(SITE, "ready-for-migration")
    assert job in changing.running()
    assert "NOT READY" not in running.stdout
    changing.await_job(4)


def test_queued_jobs_run_in_maintenance(changing: Subject) -> None:
    with changing.without("workers:*"):
        changing.ask(f"{START}?seconds=0&number=5")
        changing.set_config(maintenance_mode=1)
    changing.await_job(5)


def test_a_get_may_queue_a_job_while_only_reads_are_allowed_and_the_job_writes(changing: Subject) -> None:
    changing.set_config(maintenance_mode=1, allow_reads_during_maintenance=1)
    assert changing.ask(f"{START}?seconds=0&number=6").status == 200
    changing.await_job(6)


def test_a_migration_queues_the_building_of_the_search_index_unless_it_is_told_not_to(changing: Subject) -> None:
    queue, key = changing.queue(), f"rq:queue:{_slug(changing)}:long"
    with changing.without("workers:*"):
        before = set(queue.lrange(key, 0, -1))
        changing.bench.site(SITE, "migrate", "--skip-search-index")
        assert set(queue.lrange(key, 0, -1)) == before
        changing.bench.site(SITE, "migrate")
        [job] = set(queue.lrange(key, 0, -1)) - before
        assert "build_index_for_all_routes" in queue.hget(f"rq:job:{job}", "description")
    changing.bench.site(SITE, "execute", "frappe.search.website_search.build_index_for_all_routes")


def test_the_scheduler_queues_what_is_due_on_folders_and_leaves_out_symlinked_sites(changing: Subject) -> None:
    bench = changing.bench
    for site in (SITE, OTHER):
        bench.site(site, "enable-scheduler")
    moved = bench.path / "two.moved"
    bench.site_file(OTHER).rename(moved)
    bench.site_file(OTHER).symlink_to(moved)
    method = "frappe.tasks.delete_expired_sessions" if not changing.flavour.real else _hourly(changing)
    common = bench.path / "sites" / "common_site_config.json"
    before = common.read_text()
    try:
        common.write_text(before.replace("{", '{\n "scheduler_tick_interval": 1,', 1))
        for site in (SITE, OTHER):
            statement = f"UPDATE `tabScheduled Job Type` SET last_execution = '2020-01-01' WHERE method = '{method}'"
            bench.sql(site, statement)
        changing.restart("workers:frappe-schedule")
        wait_until(lambda: _ran(changing, SITE, method), 60, "the scheduled job of the first site ran")
        assert not _ran(changing, OTHER, method)
    finally:
        common.write_text(before)
        bench.site_file(OTHER).unlink()
        moved.rename(bench.site_file(OTHER))
        changing.restart("workers:frappe-schedule")


def _hourly(subject: Subject) -> str:
    statement = "SELECT method FROM `tabScheduled Job Type` WHERE frequency LIKE 'Hourly%' ORDER BY method LIMIT 1"
    return subject.bench.sql(OTHER, statement)[0][0]


def _ran(subject: Subject, site: str, method: str) -> bool:
    statement = f"SELECT last_execution > '2021-01-01' FROM `tabScheduled Job Type` WHERE method = '{method}'"
    return subject.bench.sql(site, statement) == [["1"]]
