# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing a site to what its bench's code expects."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t

import frappe
from frappe.install import sync_languages
from frappe.model.sync import sync_all
from frappe.modules import patch_handler
from frappe.utils import filelock


class SiteMigration:
    """One migration. It never looks at maintenance mode.

    Args:
        skip_failing: Remember failing patches as skipped and go on.
        skip_search_index: Don't queue the rebuilding of the search index.
    """

    def __init__(self, skip_failing: bool = False, skip_search_index: bool = False) -> None:
        self.skip_failing = skip_failing
        self.skip_search_index = skip_search_index

    def run(self, site: str) -> None:
        frappe.init(site=site)
        frappe.connect()
        if not frappe.local.cache.connected():
            print("Service redis_cache is not running.")
            print("\nCannot run bench migrate without the services running.\n")
            raise SystemExit(1)
        with filelock("bench_migrate", timeout=1):
            self._begin()
            try:
                self._hooks("before_migrate")
                self._schema()
                self._rest()
            finally:
                self._end()
                frappe.destroy()

    def _begin(self) -> None:
        frappe.local.flags.touched_tables = set()
        frappe.clear_cache()
        path = frappe.get_site_path("touched_tables.json")
        if os.path.exists(path):
            os.remove(path)
        frappe.local.flags.in_migrate = True

    def _end(self) -> None:
        frappe.clear_cache()
        with open(frappe.get_site_path("touched_tables.json"), "w", encoding="utf-8") as handle:
            json.dump(list(frappe.local.flags.touched_tables), handle, sort_keys=True, indent=4)
        if not self.skip_search_index:
            print(f"Queued rebuilding of search index for {frappe.local.site}")
            frappe.enqueue("frappe.search.website_search.build_index_for_all_routes", queue="long")
        frappe.local.flags.in_migrate = False

    def _hooks(self, name: str) -> None:
        for app in frappe.get_installed_apps():
            for function in frappe.get_hooks(name, app_name=app):
                frappe.get_attr(function)()
        frappe.local.db.commit()

    def _schema(self) -> None:
        db = frappe.local.db
        try:
            patch_handler.run_all(patch_handler.PRE, skip_failing=self.skip_failing)
            sync_all()
            patch_handler.run_all(patch_handler.POST, skip_failing=self.skip_failing)
            db.commit()
        except Exception:
            db.rollback()
            raise

    def _rest(self) -> None:
        sync_jobs()
        sync_languages()
        _sync_menu()
        update_versions()
        frappe.local.db.commit()
        self._hooks("after_migrate")


def sync_jobs() -> None:
    """One Scheduled Job Type for each function in ``scheduler_events``."""
    wanted = {method: (frequency, cron) for frequency, cron, method in _scheduled()}
    db = frappe.local.db
    for method, (frequency, cron) in wanted.items():
        name = method.partition(".")[2] if method.count(".") > 1 else method
        known = db.sql("SELECT frequency, cron_format FROM `tabScheduled Job Type` WHERE method = %s", (method,))
        if known and tuple(known[0]) != (frequency, cron):
            db.sql(
                "UPDATE `tabScheduled Job Type` SET frequency = %s, cron_format = %s WHERE method = %s",
                (frequency, cron, method),
            )
        elif not known:
            fields = {"name": name, "method": method, "frequency": frequency, "cron_format": cron, "stopped": 0}
            frappe.get_doc({"doctype": "Scheduled Job Type", **fields}).insert(ignore_permissions=True)
    for row in frappe.get_all("Scheduled Job Type", fields=["name", "method"]):
        if row.method not in wanted:
            db.delete("Scheduled Job Type", row.name)


def _scheduled() -> t.Iterator[tuple[str, str | None, str]]:
    events = frappe.get_hooks("scheduler_events", {})
    for frequency, methods in events.items():
        if frequency == "cron":
            for cron, inner in methods.items():
                yield from (("Cron", cron, method) for method in inner)
        else:
            yield from ((frequency.replace("_", " ").title(), None, method) for method in methods)


def _sync_menu() -> None:
    frappe.local.db.set_single_value("Portal Settings", "modified", frappe.utils.now_datetime())


def update_versions() -> None:
    """Write down which apps are installed in which version: ``list-apps`` reads this, and only this."""
    db = frappe.local.db
    db.sql("DELETE FROM `tabInstalled Application` WHERE parent = 'Installed Applications'")
    for number, app in enumerate(frappe.get_installed_apps(), start=1):
        frappe.get_doc(
            {
                "doctype": "Installed Application",
                "parent": "Installed Applications",
                "parenttype": "Installed Applications",
                "parentfield": "installed_applications",
                "idx": number,
                "app_name": app,
                "app_version": frappe.get_module(app).__version__,
                "git_branch": git_branch(app),
            }
        ).insert(ignore_permissions=True)
    db.set_single_value("Installed Applications", "modified", frappe.utils.now_datetime())
    frappe.get_doc(
        {"doctype": "Version", "ref_doctype": "Installed Applications", "docname": "Installed Applications"}
    ).insert(ignore_permissions=True)


def git_branch(app: str) -> str:
    """The branch of an app's repository; ``HEAD`` on a tag."""
    return _git(app, "rev-parse", "--abbrev-ref", "HEAD")


def git_commit(app: str) -> str:
    return _git(app, "rev-parse", "--short=7", "HEAD")


def _git(app: str, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", frappe.get_app_source_path(app), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
