# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import frappe


def execute() -> None:
    """Alters the table, rewrites rows for good, and fails."""
    frappe.db.sql_ddl("ALTER TABLE `tabContract Note` ADD COLUMN IF NOT EXISTS half_done varchar(20)")
    frappe.db.sql("UPDATE `tabContract Note` SET half_done = 'committed'")
    frappe.db.commit()
    frappe.db.sql("UPDATE `tabContract Note` SET half_done = 'not committed'")
    raise RuntimeError("this patch fails on every site")
