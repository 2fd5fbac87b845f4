# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import frappe


def execute() -> None:
    """Fills the new columns from the items, order by order, and drops an old one."""
    frappe.db.sql("UPDATE `tabSales Order Item` SET amount = qty * rate")
    for (order,) in frappe.db.sql("SELECT name FROM `tabSales Order`"):
        total, count = frappe.db.sql(
            "SELECT COALESCE(SUM(amount), 0), COUNT(*) FROM `tabSales Order Item` WHERE parent = %s", (order,)
        )[0]
        frappe.db.sql(
            "UPDATE `tabSales Order` SET base_total = %s, item_count = %s WHERE name = %s", (total, count, order)
        )
    frappe.db.sql_ddl("ALTER TABLE `tabSales Order Item` DROP COLUMN IF EXISTS obsolete_rate")
