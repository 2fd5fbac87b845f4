# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

app_name = "extra"
app_title = "Extra"
app_publisher = "The lockstep.deploy authors"
app_description = "Stand-in for an app that no site has yet"
app_email = "tests@example.invalid"
app_license = "GPL-3.0-or-later"
web_include_js = ["extra.bundle.js"]
