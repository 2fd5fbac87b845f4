# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which patches an app declares, and which of them a site ran: return codes of migrations are not believed."""

from __future__ import annotations

import glob
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import beneath
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database

_NO_PATCH = ("#", ";", "[")


def declared_patches(bench: Bench, app: str) -> list[str]:
    """The lines of an app's ``patches.txt`` that name a patch, as Frappe writes them into its Patch Log: verbatim."""
    found: list[str] = []
    for path in glob.glob(os.path.join(glob.escape(os.path.join(bench.path, "apps", app)), "*", "patches.txt")):
        with beneath.reading(path) as handle:
            lines = [line.strip() for line in handle]
        found += [line for line in lines if line and not line.startswith(_NO_PATCH)]
    return found


def missing_patches(bench: Bench, database: Database, apps: t.Iterable[str]) -> list[str]:
    """Patches of these apps that the site's Patch Log doesn't have, or has as skipped."""
    skips = database.query(
        "SELECT 1 FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = 'tabPatch Log' AND column_name = 'skipped'"
    )
    condition = " WHERE skipped = 0" if skips else ""
    ran = {row[0] for row in database.query(f"SELECT patch FROM `tabPatch Log`{condition}")}
    return [patch for app in apps for patch in declared_patches(bench, app) if patch not in ran]
