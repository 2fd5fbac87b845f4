# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked from outside: writes with the client's own numbers, so that a lost one is seen."""

from __future__ import annotations

import time

import frappe

from custom_app import __version__


@frappe.whitelist(allow_guest=True, methods=["GET"])
def version() -> str:
    return __version__


@frappe.whitelist(allow_guest=True, methods=["GET"])
def health() -> dict[str, str]:
    """Whether the app works: its tables can be read."""
    count()
    return {"status": "ok", "version": __version__}


@frappe.whitelist(allow_guest=True, methods=["POST"])
def write(number: str, note: str = "") -> dict[str, str | int]:
    """Insert a row and commit; an answer of 200 is the acknowledgement."""
    row = {"doctype": "Custom Write", "number": int(number), "note": note}
    frappe.get_doc(row).insert(ignore_permissions=True)
    frappe.db.commit()
    return {"number": int(number), "version": __version__}


@frappe.whitelist(allow_guest=True, methods=["GET"])
def read(number: str | None = None) -> list[int]:
    """The numbers that were written, all or one."""
    where, values = (" WHERE number = %s", (int(number),)) if number else ("", ())
    rows = frappe.db.sql(f"SELECT number FROM `tabCustom Write`{where} ORDER BY number", values)
    return [row[0] for row in rows]


@frappe.whitelist(allow_guest=True, methods=["GET"])
def count() -> int:
    return int(frappe.db.sql("SELECT COUNT(*) FROM `tabCustom Write`")[0][0])


@frappe.whitelist(allow_guest=True, methods=["POST"])
def annotate(number: str) -> dict[str, str | int]:
    """The same into a table that the next version's migration changes."""
    row = {"doctype": "Custom Note", "title": f"number {int(number)}", "amount": "1"}
    frappe.get_doc(row).insert(ignore_permissions=True)
    frappe.db.commit()
    return {"number": int(number), "version": __version__}


@frappe.whitelist(allow_guest=True, methods=["GET"])
def annotations() -> list[int]:
    """The numbers that were written that way."""
    rows = frappe.db.sql("SELECT title FROM `tabCustom Note` WHERE title LIKE 'number %%'")
    return sorted(int(row[0].split()[1]) for row in rows)


@frappe.whitelist(allow_guest=True, methods=["GET"])
def slow(seconds: str = "5") -> str:
    """A request in flight."""
    time.sleep(min(float(seconds), 60))
    return __version__


@frappe.whitelist(allow_guest=True)
def start_job(seconds: str = "5", number: str = "900001", queue: str = "default") -> str:
    """Queue a job that takes a while and then writes a row. A GET may do this, too; returns the job's id."""
    job = frappe.enqueue("custom_app.api.job", queue=queue, seconds=float(seconds), number=int(number))
    return str(job.id)


def job(seconds: float, number: int) -> None:
    time.sleep(seconds)
    frappe.get_doc({"doctype": "Custom Write", "number": number, "note": "job"}).insert(ignore_permissions=True)
    frappe.db.commit()
