# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import frappe


def execute() -> None:
    """Every order needs its customer from now on."""
    orphans = frappe.db.sql(
        "SELECT o.name, o.customer FROM `tabSales Order` o LEFT JOIN `tabCustomer` c ON c.name = o.customer "
        "WHERE c.name IS NULL LIMIT 1"
    )
    if orphans:
        frappe.throw(f"Sales Order {orphans[0][0]}: customer {orphans[0][1]} does not exist")
