# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

app_name = "custom_app"
app_title = "Custom App"
app_publisher = "The lockstep.deploy authors"
app_description = "Stand-in for a company's own app: numbered writes, notes"
app_email = "tests@example.invalid"
app_license = "GPL-3.0-or-later"
web_include_js = ["custom_app.bundle.js"]

required_apps = ["frappe/erpnext"]
after_migrate = ["custom_app.tasks.after_migrate"]
scheduler_events = {"hourly": ["custom_app.tasks.heartbeat"]}
