# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site begins with."""

from __future__ import annotations

import secrets

import frappe
from frappe.auth import update_password


def after_install() -> None:
    for user in ("Administrator", "Guest"):
        frappe.get_doc({"doctype": "User", "name": user, "email": f"{user.lower()}@example.com", "enabled": 1}).insert(
            ignore_if_duplicate=True
        )
    update_password("Administrator", frappe.local.flags.admin_password or secrets.token_hex(16))
    frappe.local.db.set_single_value("System Settings", "time_zone", "Asia/Kolkata")
    frappe.local.db.set_single_value("System Settings", "setup_complete", 0)
    sync_languages()


def sync_languages() -> None:
    """Add the languages that are missing; every migration does so, too."""
    for code, name in (("en", "English"), ("de", "Deutsch"), ("hi", "हिन्दी")):
        frappe.get_doc({"doctype": "Language", "name": code, "language_name": name}).insert(ignore_if_duplicate=True)
