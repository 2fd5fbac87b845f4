# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import frappe


def execute() -> None:
    """Amounts were text; what isn't a number ends the migration."""
    for name, amount in frappe.db.sql("SELECT name, amount FROM `tabCustom Note`"):
        frappe.db.sql("UPDATE `tabCustom Note` SET amount = %s WHERE name = %s", (float(amount or 0), name))
