# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patches: which an app lists, which have run, running those that have not."""

from __future__ import annotations

import time

import frappe

PRE = "pre_model_sync"
POST = "post_model_sync"


class PatchError(Exception):
    pass


def patches_of(app: str, section: str | None = None) -> list[str]:
    """Lines of an app's ``patches.txt``; one without sections counts as patches before the model is synced."""
    found: dict[str, list[str]] = {PRE: [], POST: []}
    current = PRE
    try:
        with open(frappe.get_app_path(app, "patches.txt"), encoding="utf-8") as handle:
            lines = handle.read().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            current = text[1:-1]
        elif text and not text.startswith("#"):
            found.setdefault(current, []).append(text)
    return found[section] if section else found[PRE] + found[POST]


def run_all(section: str, skip_failing: bool = False) -> None:
    """Run what is listed in a section and has not run.

    Raises:
        Exception: Whatever the first failing patch raises; later patches don't run.
    """
    done = set(frappe.get_all("Patch Log", filters={"skipped": 0}, pluck="patch"))
    for app in frappe.get_installed_apps():
        for patch in patches_of(app, section):
            if patch not in done:
                _run_or_skip(patch, skip_failing)


def _run_or_skip(patch: str, skip_failing: bool) -> None:
    try:
        run_single(patch)
    except Exception:
        if not skip_failing:
            raise
        print("Failed to execute patch")
        trace = frappe.get_traceback()
        print(trace, end="\n\n")
        write_log(patch, skipped=True, trace=trace)


def run_single(patch: str, force: bool = False) -> bool:
    """Run one patch in a transaction of its own: of a failing one only its own uncommitted rows are undone."""
    db = frappe.local.db
    if not force and db.get_value("Patch Log", {"patch": patch, "skipped": 0}):
        return True
    db.commit()
    if patch.startswith("execute:"):
        source = patch.partition("execute:")[2]
        title = ""
    else:
        function = frappe.get_attr(f"{patch.split(maxsplit=1)[0]}.execute")
        title = f"\n\t{function.__doc__.strip()}" if function.__doc__ else ""
    print(f"Executing {patch} in {frappe.local.site} ({db.cur_db_name}){title}")
    began = time.monotonic()
    db.begin()
    try:
        if patch.startswith("execute:"):
            exec(source, {"frappe": frappe})  # what such a line is: Python
        else:
            function()
        write_log(patch)
    except Exception:
        db.rollback()
        raise
    db.commit()
    print(f"Success: Done in {round(time.monotonic() - began, 3)}s")
    return True


def write_log(patch: str, skipped: bool = False, trace: str | None = None) -> None:
    """Remember that a patch ran, or was skipped."""
    frappe.get_doc({"doctype": "Patch Log", "patch": patch, "skipped": int(skipped), "traceback": trace}).insert(
        ignore_permissions=True
    )


def set_all_as_done(app: str) -> None:
    """What a fresh installation does: its data never was old."""
    for patch in patches_of(app):
        write_log(patch)
    frappe.local.db.commit()
