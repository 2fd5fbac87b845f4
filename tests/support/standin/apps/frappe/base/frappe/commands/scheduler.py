# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands about jobs, the scheduler and maintenance mode."""

from __future__ import annotations

import sys
import typing as t

import click

import frappe
from frappe.commands.context import all_sites, connected, get_site, pass_context
from frappe.site_config import update_site_config


def _toggle(context: t.Any, enable: bool) -> None:
    from frappe.utils.scheduler import toggle_scheduler

    for site in all_sites(context):
        with connected(site):
            toggle_scheduler(enable)
            frappe.local.db.commit()
            print("Enabled for" if enable else "Disabled for", site)


@click.command("enable-scheduler")
@pass_context
def enable_scheduler(context: t.Any) -> None:
    _toggle(context, True)


@click.command("disable-scheduler")
@pass_context
def disable_scheduler(context: t.Any) -> None:
    _toggle(context, False)


@click.command("scheduler")
@click.option("--site")
@click.argument("state", type=click.Choice(["pause", "resume", "disable", "enable", "status"]))
@click.option("--format", "-f", "form", default="text", type=click.Choice(["json", "text"]))
@click.option("--verbose", "-v", is_flag=True)
@pass_context
def scheduler(context: t.Any, state: str, form: str, verbose: bool, site: str | None) -> None:
    """Show or change the scheduler's state; disabled also means paused or in maintenance."""
    from frappe.utils.scheduler import is_scheduler_inactive, toggle_scheduler

    site = site or get_site(context)
    frappe.init(site=site or "")
    status = f"{state}d"
    if state == "status":
        frappe.connect()
        status = "disabled" if is_scheduler_inactive() else "enabled"
    elif state in ("pause", "resume"):
        update_site_config("pause_scheduler", state == "pause")
    else:
        frappe.connect()
        toggle_scheduler(state == "enable")
        frappe.local.db.commit()
    frappe.destroy()
    json_form = f'{{"status": "{status}", "site": "{site}"}}'
    print(json_form if form == "json" else f"Scheduler is {status} for site {site}")


@click.command("set-maintenance-mode")
@click.option("--site")
@click.argument("state", type=click.Choice(["on", "off"]))
@pass_context
def set_maintenance_mode(context: t.Any, state: str, site: str | None) -> None:
    frappe.init(site=site or get_site(context) or "")
    try:
        update_site_config("maintenance_mode", int(state == "on"))
    finally:
        frappe.destroy()


@click.command("doctor")
@click.option("--site")
@pass_context
def doctor(context: t.Any, site: str | None) -> None:
    from frappe.utils.doctor import doctor as look

    look(site or get_site(context, raise_err=False))


@click.command("show-pending-jobs")
@click.option("--site")
@pass_context
def show_pending_jobs(context: t.Any, site: str | None) -> None:
    from frappe.utils.doctor import pending_jobs

    site = site or get_site(context)
    with frappe.init_site(site):
        found = pending_jobs(site)
    print("-----Pending Jobs-----")
    for queue, jobs in found.items():
        print(f"-----Queue :{queue}-----")
        print("\n".join(jobs))


@click.command("purge-jobs")
@click.option("--site")
@click.option("--queue")
@click.option("--event")
def purge_jobs(site: str | None, queue: str | None, event: str | None) -> None:
    from frappe.utils.background_jobs import get_queue, queue_names

    count = 0
    with frappe.init_site(site):
        for name in [queue] if queue else queue_names():
            for job in get_queue(name).jobs:
                if site in (None, job.kwargs["site"]) and event in (None, job.kwargs["event"]):
                    job.delete()
                    count += 1
    print(f"Purged {count} jobs")


@click.command("ready-for-migration")
@click.option("--site")
@pass_context
def ready_for_migration(context: t.Any, site: str | None) -> None:
    from frappe.utils.doctor import any_job_pending

    site = site or get_site(context) or ""
    with frappe.init_site(site):
        pending = any_job_pending(site)
    if pending:
        print(f"NOT READY for migration: site {site} has pending background jobs")
        sys.exit(1)
    print(f"READY for migration: site {site} does not have any background jobs")


@click.command("trigger-scheduler-event")
@click.argument("event")
@pass_context
def trigger_scheduler_event(context: t.Any, event: str) -> None:
    from frappe.utils.scheduler import run_scheduled_job

    code = 0
    for site in all_sites(context):
        with connected(site):
            name = frappe.local.db.get_value("Scheduled Job Type", {"method": event})
            if name:
                run_scheduled_job(name)
                frappe.local.db.commit()
            else:
                click.secho(f"Event {event} does not exist!", fg="red")
                code = 1
    sys.exit(code)


@click.command("schedule")
def schedule() -> None:
    from frappe.utils.scheduler import start_scheduler

    start_scheduler()


@click.command("worker")
@click.option("--queue")
@click.option("--quiet", is_flag=True)
@click.option("-u", "--rq-username")
@click.option("-p", "--rq-password")
@click.option("--burst", is_flag=True)
@click.option("--strategy", type=click.Choice(["round_robin", "random"]))
def worker(queue: str | None, quiet: bool, burst: bool, **_: t.Any) -> None:
    from frappe.utils.background_jobs import start_worker

    start_worker(queue, quiet=quiet, burst=burst)


commands = [
    disable_scheduler,
    doctor,
    enable_scheduler,
    purge_jobs,
    ready_for_migration,
    schedule,
    scheduler,
    set_maintenance_mode,
    show_pending_jobs,
    trigger_scheduler_event,
    worker,
]
