# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at queues and workers."""

from __future__ import annotations

import collections

from rq import Worker

import frappe
from frappe.utils import get_sites
from frappe.utils.background_jobs import get_queue, get_redis_conn, queue_names
from frappe.utils.scheduler import is_scheduler_disabled, is_scheduler_inactive


def any_job_pending(site: str) -> bool:
    """Whether a job of the site waits in a queue; one that runs has left its queue and isn't seen."""
    return any(job_id.startswith(site) for name in queue_names() for job_id in get_queue(name).get_job_ids())


def pending_jobs(site: str | None) -> dict[str, list[str]]:
    found = collections.defaultdict(list)
    for name in queue_names():
        for job in get_queue(name).jobs:
            if site is None or job.kwargs["site"] == site:
                found[name].append(f"{job.kwargs['method']} {job.kwargs['kwargs'] or ''}".strip())
    return found


def doctor(site: str | None) -> None:
    """Print what can be seen; it never fails for what it finds."""
    with frappe.init_site(site):
        workers = len(Worker.all(connection=get_redis_conn()))
        jobs = pending_jobs(site)
    print("-----Checking scheduler status-----")
    for one in [site] if site else get_sites("."):
        frappe.init(one)
        frappe.connect()
        if is_scheduler_disabled():
            print("Scheduler disabled for", one)
        if frappe.local.conf.maintenance_mode:
            print("Maintenance mode on for", one)
        if frappe.local.conf.pause_scheduler:
            print("Scheduler paused for", one)
        if is_scheduler_inactive():
            print("Scheduler inactive for", one)
        frappe.destroy()
    print("Workers online:", workers)
    print(f"-----{site} Jobs-----")
    for name in queue_names():
        if jobs[name]:
            print("Queue:", name)
            print("Number of Jobs: ", len(jobs[name]))
            print("Methods:")
            for method, count in collections.Counter(jobs[name]).items():
                print(f"{method} : {count}")
            print("------------")
