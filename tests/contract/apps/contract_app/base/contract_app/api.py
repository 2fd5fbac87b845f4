# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked from outside."""

from __future__ import annotations

import time

import frappe

from contract_app import __version__


@frappe.whitelist(allow_guest=True, methods=["GET"])
def version() -> str:
    return __version__


@frappe.whitelist(allow_guest=True)
def write(number: str) -> int:
    """Insert a row and commit."""
    frappe.get_doc({"doctype": "Contract Write", "number": int(number)}).insert(ignore_permissions=True)
    frappe.db.commit()
    return int(number)


@frappe.whitelist(allow_guest=True, methods=["GET"])
def read() -> list[int]:
    return [row[0] for row in frappe.db.sql("SELECT number FROM `tabContract Write` ORDER BY number")]


@frappe.whitelist(allow_guest=True, methods=["GET"])
def slow(seconds: str) -> str:
    """A request in flight."""
    time.sleep(float(seconds))
    return __version__


@frappe.whitelist(allow_guest=True)
def start_job(seconds: str, number: str, queue: str = "default") -> str:
    """Queue a job that takes a while and then writes a row; returns its id."""
    return str(frappe.enqueue("contract_app.api.job", queue=queue, seconds=float(seconds), number=int(number)).id)


@frappe.whitelist()
def for_users() -> str:
    return "pong"


def job(seconds: float, number: int) -> None:
    time.sleep(seconds)
    frappe.get_doc({"doctype": "Contract Write", "number": number}).insert(ignore_permissions=True)


def seed() -> int:
    """Rows for a migration to change."""
    for number in range(10):
        frappe.get_doc({"doctype": "Contract Note", "title": f"note {number}", "amount": number}).insert(
            ignore_permissions=True
        )
    frappe.get_doc({"doctype": "Contract Terms of Use", "title": "terms"}).insert(ignore_permissions=True)
    frappe.db.commit()
    return 10


def nothing() -> None:
    """Returns nothing."""
