# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

app_name = "frappe"
app_title = "Frappe Framework"
app_publisher = "The lockstep.deploy authors"
app_description = "Stand-in for the framework"
app_email = "tests@example.invalid"
app_license = "GPL-3.0-or-later"
web_include_js = ["website_script.bundle.js", "frappe-web.bundle.js"]
web_include_css = ["website.bundle.css"]
after_install = "frappe.install.after_install"
scheduler_events = {
    "hourly": ["frappe.tasks.delete_expired_sessions"],
    "daily": ["frappe.tasks.clear_error_logs"],
}
persistent_cache_keys = ["insert_queue_for_*", "global_search_queue"]
