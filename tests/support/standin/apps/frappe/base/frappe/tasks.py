# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scheduler runs."""

from __future__ import annotations

import frappe


def delete_expired_sessions() -> None:
    frappe.local.db.sql("DELETE FROM `tabSessions` WHERE lastupdate < NOW() - INTERVAL 10 DAY")


def clear_error_logs() -> None:
    frappe.local.db.sql("DELETE FROM `tabError Log` WHERE creation < NOW() - INTERVAL 30 DAY")
