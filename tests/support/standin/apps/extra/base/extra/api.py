# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked from outside."""

from __future__ import annotations

import frappe

from extra import __version__


@frappe.whitelist(allow_guest=True, methods=["GET"])
def version() -> str:
    return __version__
