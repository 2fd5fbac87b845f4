# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands of ``bench`` that work on sites."""

from __future__ import annotations

from frappe.commands.maintenance import commands as _maintenance
from frappe.commands.scheduler import commands as _scheduler
from frappe.commands.site import commands as _site
from frappe.commands.utils import commands as _utils

commands = [*_scheduler, *_site, *_maintenance, *_utils]
