# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Room for copies of a database where its server keeps it."""

from __future__ import annotations

import os

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import resources
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import scratch
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text


def require_room(admin: Database, database: Database, times: float, purpose: str, instead: str) -> None:
    """Make sure that a copy of a database fits where its server keeps it, if that is on this machine.

    Args:
        admin: Who knows where the server keeps it.
        database: The database, as its own user.
        times: How many times what the database takes has to be free.
        purpose: What the copy is for, for the error.
        instead: What does without it, for the error.

    Raises:
        LockstepError: It doesn't.
    """
    folder = admin.value("SELECT @@datadir") or ""
    if not scratch.is_local(database) or not os.path.isdir(folder):
        return
    size = int(
        database.value(
            "SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES"
            f" WHERE TABLE_SCHEMA = {text(database.name)}"
        )
        or 0
    )
    place = os.statvfs(folder)
    free, wanted = place.f_bavail * place.f_frsize, int(size * times)
    if free < wanted:
        raise LockstepError(
            f"only {resources.size_text(free)} are free on the file system of {folder}, and a copy of {database.name}"
            f" {purpose} needs {resources.size_text(wanted)} ({times:g} times its {resources.size_text(size)})",
            left="nothing was changed",
            hint=f"make room there, or {instead}",
        )
