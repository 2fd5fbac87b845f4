# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search index: one row per page, rebuilt by a job after each migration."""

from __future__ import annotations

import frappe


def build_index_for_all_routes() -> None:
    db = frappe.local.db
    db.sql("DELETE FROM `__global_search` WHERE doctype = 'Web Page'")
    for route in ("login", "about"):
        db.sql(
            "INSERT INTO `__global_search` (doctype, name, title, content, route, published) "
            "VALUES ('Web Page', %s, %s, %s, %s, 1)",
            (route, route.title(), route, route),
        )
