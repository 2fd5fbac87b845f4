# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data to migrate: ``bench --site S execute custom_app.demo.seed --kwargs '{"notes": 500}'``."""

from __future__ import annotations

import frappe


def seed(notes: int = 100) -> int:
    """Add notes with amounts as people type them; returns how many there are then."""
    have = int(frappe.db.sql("SELECT COUNT(*) FROM `tabCustom Note`")[0][0])
    for number in range(have, have + int(notes)):
        _add(f"note {number}", f" {number}.50 ")
    frappe.db.commit()
    return have + int(notes)


def spoil() -> str:
    """A customer's own data: an amount that is none. The next major release can't migrate it."""
    _add("spoilt", "12 pieces")
    frappe.db.commit()
    return "12 pieces"


def _add(title: str, amount: str) -> None:
    row = {"doctype": "Custom Note", "title": title, "amount": amount, "state": "New"}
    frappe.get_doc(row).insert(ignore_permissions=True)
