# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

app_name = "contract_child"
app_title = "Contract Child"
app_publisher = "The lockstep.deploy authors"
app_description = "An app that requires another"
app_email = "tests@example.invalid"
app_license = "GPL-3.0-or-later"
web_include_js = ["contract_child.bundle.js"]

required_apps = ["contract_app"]
