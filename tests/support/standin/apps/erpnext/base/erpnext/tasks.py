# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scheduler runs."""

from __future__ import annotations

import frappe


def close_old_orders() -> None:
    frappe.db.sql("UPDATE `tabSales Order` SET status = 'Closed' WHERE creation < NOW() - INTERVAL 365 DAY")
