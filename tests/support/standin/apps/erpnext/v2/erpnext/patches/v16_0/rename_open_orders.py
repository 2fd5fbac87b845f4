# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import frappe


def execute() -> None:
    """Rewrites the status of open orders, and the terms."""
    frappe.db.sql("UPDATE `tabSales Order` SET status = 'To Deliver' WHERE status = 'Open'")
    frappe.db.sql("UPDATE `tabTerms and Conditions` SET terms = CONCAT(terms, ', net')")
