# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

app_name = "erpnext"
app_title = "ERPNext"
app_publisher = "The lockstep.deploy authors"
app_description = "Stand-in for a large app: orders, their items, stock"
app_email = "tests@example.invalid"
app_license = "GPL-3.0-or-later"
web_include_js = ["erpnext.bundle.js"]

required_apps = ["frappe/frappe"]
scheduler_events = {"daily": ["erpnext.tasks.close_old_orders"]}
