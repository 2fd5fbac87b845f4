# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rehearsal rehearses on: the last finished backup of a site, with what changed since.

A backup is as old as the last deployment, and of the release before that. A patch may fail on what users wrote
yesterday, and what the last migration changed is no news: so tables that are others by now are taken from the live
database, all of one moment, while its users write on. That the backup can be restored is proved before.
"""

from __future__ import annotations

import datetime
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import backups
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.scratch_site import ScratchSite
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import (
    exchange,
    live_copy,
    load,
    remake,
    tables,
    verify,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database

#: What the result says where there was no backup, or none that can be restored.
LIVE = "live copy"


class Copied(t.Protocol):
    """Something with a database of its own that is to be filled."""

    def make(self, charset: str, collation: str) -> tuple[Database, Database]:
        """Make everything but the content; the empty schema is returned as the admin, and as its own account."""


class Copy(t.NamedTuple):
    """A copy of a site's database, filled.

    Args:
        database: It, as its own account.
        source: The backup's id, or :data:`LIVE`.
        age: Seconds since the backup was taken; 0 of a live copy.
        refreshed: How many tables were taken from the live database.
        seconds: What ``restore`` and ``refresh`` took.
        dump_seconds: How long a backup of the site takes, as far as that can be said.
        warnings: What somebody should know of the backup.
    """

    database: Database
    source: str
    age: float
    refreshed: int
    seconds: dict[str, float]
    dump_seconds: float
    warnings: list[str]


def fill(deployment: SiteDeployment, site: ScratchSite) -> Copy:
    """Make a copy of a site's database.

    Args:
        deployment: The site's deployment.
        site: The scratch site it is for, of which nothing is there yet.

    Raises:
        LockstepError: It can't be made.
    """
    began = time.monotonic()
    folder = backups.newest(deployment.context.layout.backups(deployment.site.name), deployment.backup_folder)
    content, made, warnings = None, None, []
    if folder is not None:
        content = backups.read(folder)
        try:
            *made, _digests = filled(os.path.join(folder, "database"), content["database"], site)
        except LockstepError as error:
            warnings.append(f"the last backup, {os.path.basename(folder)}, could not be restored: {error.message}")
            site.remove()
    live = deployment.database()
    schema, own = made or site.make(*exchange.defaults(live))
    restored = time.monotonic()
    refreshed = live_copy.bring_up_to_date(live, schema, own)
    ended = time.monotonic()
    if content is None or made is None:
        # A dump is all but a backup, and no other has been taken whose time were known.
        load.contents(schema, refreshed)
        dump_seconds = time.monotonic() - ended
        return Copy(own, LIVE, 0.0, len(refreshed), {"restore": ended - began}, dump_seconds, warnings)
    age = (datetime.datetime.now(datetime.timezone.utc) - clock.parse(content["taken_at"])).total_seconds()
    seconds = {"restore": restored - began, "refresh": ended - restored}
    dump_seconds = _dump_seconds(content["database"], live)
    name = os.path.basename(str(folder))
    return Copy(own, name, round(age, 1), len(refreshed), seconds, dump_seconds, warnings)


def filled(folder: str, manifest: dict[str, t.Any], copy: Copied) -> tuple[Database, Database, dict[str, str]]:
    """Restore the tables and sequences of a backup as a restore would do it, and prove that they are what was saved.

    Args:
        folder: The backup of the database.
        manifest: Its manifest.
        copy: What it is for, of which nothing is there yet.

    Returns:
        The schema as the admin, and as its own account, and the digests of its tables (:func:`.load.contents`).

    Raises:
        LockstepError: The backup is damaged, or can't be loaded.
    """
    digests = verify.verify(folder, manifest)
    schema, own = copy.make(manifest["charset"], manifest["collation"])
    remake.make_equal(own, verify.read_objects(folder, manifest), {"sequence"})
    load.load(schema, folder, manifest, digests)
    load.prove(schema, digests)
    return schema, own, digests


def _dump_seconds(manifest: t.Mapping[str, t.Any], live: Database) -> float:
    """What a backup took, for as much as there is now."""
    now = sum(table.bytes for table in tables.listing(live.query, live.name).values())
    then = sum(int(entry["data_bytes"]) for entry in manifest["tables"].values())
    return float(manifest["seconds"]) * max(1.0, now / max(1, then))
