# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import frappe


def execute() -> None:
    """Fills the new table and the new column."""
    frappe.get_doc({"doctype": "Custom Label", "title": "migrated"}).insert(ignore_permissions=True)
    frappe.db.sql("UPDATE `tabCustom Note` SET label = 'migrated', state = 'Done'")
    frappe.db.sql("UPDATE `tabCustom Label` SET notes = (SELECT COUNT(*) FROM `tabCustom Note`)")
