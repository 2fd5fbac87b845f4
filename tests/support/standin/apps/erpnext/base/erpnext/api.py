# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked from outside."""

from __future__ import annotations

import frappe

from erpnext import __version__


@frappe.whitelist(allow_guest=True, methods=["GET"])
def version() -> str:
    return __version__


@frappe.whitelist(allow_guest=True, methods=["GET"])
def orders() -> dict[str, float]:
    """How many orders there are and what they are worth: reads rows, as users do."""
    count, total = frappe.db.sql("SELECT COUNT(*), COALESCE(SUM(grand_total), 0) FROM `tabSales Order`")[0]
    return {"count": int(count), "total": float(total)}
