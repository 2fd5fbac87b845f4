# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rehearsal rehearses on: the last finished backup of a site, or its database as it is."""

from __future__ import annotations

import datetime
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import backups
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.scratch_site import ScratchSite
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import live_copy, load, remake, tables, verify
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text

#: What the result says where there was no backup to take.
LIVE = "live copy"


class Source:
    """Where the data of a copy come from.

    Attributes:
        name: The backup's id, or :data:`LIVE`.
        age: Seconds since the data were as they are.
        stale: Whether they are those of another release than the one that is live.
        dump_seconds: How long a backup of the site takes, as far as that is known.
    """

    name: str
    age: float = 0.0
    stale: bool = False
    dump_seconds: float = 0.0

    def fill(self, site: ScratchSite) -> Database:
        """Make a copy of the site's database.

        Returns:
            It, as the copy's own account.

        Raises:
            LockstepError: It can't be made, or is not what it should be.
        """
        raise NotImplementedError


class FromBackup(Source):
    """The last finished backup: that it can be restored is proved along with it.

    Args:
        deployment: The site's deployment.
        folder: The backup's folder.
    """

    def __init__(self, deployment: SiteDeployment, folder: str) -> None:
        self._folder = os.path.join(folder, "database")
        content = backups.read(folder)
        self._manifest: dict[str, t.Any] = content["database"]
        self.name = os.path.basename(folder)
        taken = clock.parse(content["taken_at"])
        self.age = round((datetime.datetime.now(datetime.timezone.utc) - taken).total_seconds(), 1)
        self.stale = content["apps"] != deployment.before.commits()
        now = sum(table.bytes for table in _listing(deployment).values())
        then = sum(int(entry["data_bytes"]) for entry in self._manifest["tables"].values())
        self.dump_seconds = float(self._manifest["seconds"]) * max(1.0, now / max(1, then))

    def fill(self, site: ScratchSite) -> Database:
        digests = verify.verify(self._folder, self._manifest)
        wanted = verify.read_objects(self._folder, self._manifest)
        schema, own = site.make(self._manifest["charset"], self._manifest["collation"])
        # As the copy's account: what acts in somebody's name must not act in that of the site's own user.
        remake.make_equal(own, wanted, {"sequence"})
        load.load(schema, self._folder, self._manifest, digests)
        load.prove(schema, digests)
        remake.make_equal(own, wanted)
        return own


class FromLive(Source):
    """The database as it is at one moment, while its users write on.

    Args:
        deployment: The site's deployment.
    """

    name = LIVE

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment

    def fill(self, site: ScratchSite) -> Database:
        began = time.monotonic()
        database = self._deployment.database()
        wanted = live_copy.definitions(database)
        charset, collation = _defaults(database)
        schema, own = site.make(charset, collation)
        remake.make_equal(own, wanted, {"sequence"})
        live_copy.copy_tables(database, schema)
        remake.make_equal(own, wanted)
        self.dump_seconds = time.monotonic() - began
        return own


def candidates(deployment: SiteDeployment) -> list[Source]:
    """What there is to rehearse on, the best first."""
    folder = backups.newest(deployment.context.layout.backups(deployment.site.name), deployment.backup_folder)
    live = FromLive(deployment)
    return [live] if folder is None else [FromBackup(deployment, folder), live]


def _listing(deployment: SiteDeployment) -> dict[str, tables.Table]:
    database = deployment.database()
    return tables.listing(database.query, database.name)


def _defaults(database: Database) -> tuple[str, str]:
    row = database.query(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
        f" WHERE SCHEMA_NAME = {text(database.name)}"
    )[0]
    return str(row[0]), str(row[1])
