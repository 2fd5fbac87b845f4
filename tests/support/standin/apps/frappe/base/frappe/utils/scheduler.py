# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scheduler: one process per bench that queues what is due on sites that are real folders."""

from __future__ import annotations

import datetime
import time
import typing as t

from croniter import croniter

import frappe
from frappe.utils import cint, get_sites, now_datetime

_CRONS = {
    "Hourly": "0 * * * *",
    "Hourly Long": "0 * * * *",
    "Daily": "0 0 * * *",
    "Daily Long": "0 0 * * *",
    "Weekly": "0 0 * * 0",
    "Weekly Long": "0 0 * * 0",
    "Monthly": "0 0 1 * *",
}


def start_scheduler() -> t.NoReturn:
    tick = cint(frappe.get_conf().scheduler_tick_interval) or 60
    while True:
        time.sleep(tick)
        enqueue_events_for_all_sites()


def enqueue_events_for_all_sites() -> None:
    with frappe.init_site():
        sites = get_sites()
    for site in sites:
        try:
            _enqueue_events(site)
        except Exception as error:
            print(f"Failed to enqueue events for site: {site}: {error}", flush=True)


def _enqueue_events(site: str) -> None:
    frappe.init(site=site)
    try:
        frappe.connect()
        if is_scheduler_inactive():
            return
        for job in frappe.get_all("Scheduled Job Type", filters={"stopped": 0}, fields="*"):
            if _due(job):
                _enqueue(job)
    finally:
        frappe.destroy()


def _due(job: t.Any) -> bool:
    interval = (cint(frappe.local.conf.scheduler_interval) or 240) // 60
    cron = job.cron_format or _CRONS.get(job.frequency) or f"*/{max(interval, 1)} * * * *"
    last = job.last_execution or job.creation
    return now_datetime() >= croniter(cron, last).get_next(datetime.datetime)


def _enqueue(job: t.Any) -> None:
    from frappe.utils.background_jobs import create_job_id, get_queue

    queue = "long" if "Long" in (job.frequency or "") else "default"
    name = f"scheduled_job::{job.method}"
    if create_job_id(name) in get_queue(queue).get_job_ids():
        return
    run = "frappe.utils.scheduler.run_scheduled_job"
    frappe.enqueue(run, queue=queue, job_id=name, job_name=job.method, job_type=job.name)


def run_scheduled_job(job_type: str) -> None:
    """What the worker does: the job's function, and when it ran."""
    db = frappe.local.db
    db.sql("UPDATE `tabScheduled Job Type` SET last_execution = %s WHERE name = %s", (now_datetime(), job_type))
    db.commit()
    frappe.get_attr(db.get_value("Scheduled Job Type", job_type, "method"))()
    frappe.get_doc({"doctype": "Scheduled Job Log", "scheduled_job_type": job_type, "status": "Complete"}).insert(
        ignore_permissions=True
    )


def is_scheduler_disabled() -> bool:
    conf = frappe.local.conf
    return bool(conf.disable_scheduler) or not cint(
        frappe.local.db.get_single_value("System Settings", "enable_scheduler")
    )


def is_scheduler_inactive() -> bool:
    """Also while the site is in maintenance, or paused."""
    conf = frappe.local.conf
    return bool(conf.maintenance_mode or conf.pause_scheduler) or is_scheduler_disabled()


def toggle_scheduler(enable: bool) -> None:
    frappe.local.db.set_single_value("System Settings", "enable_scheduler", int(enable))
