# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a site that releases serve for a while, and that nobody but us asks.

It is passive, so no scheduler sees it. It sends no mail. What it queues lies under a bench id of its own, which no
worker goes by. Its database account reaches its own schema and no other.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache import forget_database
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.jobs import discard_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import short_id
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import FREEZE
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import account
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database

#: Two purposes of scratch schemas don't meet.
_PURPOSE = "rehearsal"

#: As `bench new-site` makes them. Users' files are not copied: a patch that misses one finds none.
_FOLDERS = ("public/files", "private/files", "private/backups", "locks", "logs")

#: Nothing leaves the machine, nothing is written to the release's apps, and patches can ask where they are.
_QUIET = {
    "mute_emails": 1,
    "pause_scheduler": 1,
    "disable_scheduler": 1,
    "developer_mode": 0,
    "lockstep_rehearsal": 1,
}

#: Names by which users reach the site itself, and what it is like while it is frozen.
_OF_THE_SITE = ("domains", "host_name", *FREEZE)

_LONGEST = 72
_TIME = "%Y%m%d%H%M%S"


def copy_name(site: str, now: datetime.datetime) -> str:
    """The name of a copy of a site: ``<site>_green_<timestamp>``, and never longer than a name may be."""
    suffix = f"_green_{now.strftime(_TIME)}"
    left = _LONGEST - len(suffix)
    if len(site) <= left:
        return site + suffix
    # Cut off, two sites could have one name.
    digest = short_id(site)
    return f"{site[: left - len(digest) - 1]}-{digest}{suffix}"


def do_all(*parts: t.Callable[[], None]) -> None:
    """Remove parts of something one after another, each of them whatever becomes of the others.

    Raises:
        LockstepError: The first that was raised.
    """
    failed: list[LockstepError] = []
    for part in parts:
        try:
            part()
        except LockstepError as error:
            failed.append(error)
    if failed:
        raise failed[0]


class ScratchSite:
    """The copy of one site.

    Args:
        deployment: The site's deployment.
        admin: Who may make schemas and accounts.
        name: The copy's name.
    """

    def __init__(self, deployment: SiteDeployment, admin: Database, name: str) -> None:
        self._deployment = deployment
        self.name = name
        self.folder = os.path.join(deployment.context.layout.rehearsals, name)
        self._own = account.OwnSchema(admin, deployment.database(), _PURPOSE)

    def make(self, charset: str, collation: str) -> tuple[Database, Database]:
        """Make everything but the content: schema, account, folder.

        Args:
            charset: Default character set of the database it is a copy of.
            collation: Its default collation.

        Returns:
            The empty schema as the admin, and as the account that the copy has.
        """
        schema, own = self._own.make(charset, collation)
        user = self._deployment.context.user
        for name in _FOLDERS:
            folders.ensure(os.path.join(self.folder, name), user)
        text = json.dumps(self._config(own), indent=1, sort_keys=True)
        atomic.write_text(os.path.join(self.folder, "site_config.json"), text, owner=user)
        return schema, own

    def _config(self, own: Database) -> dict[str, t.Any]:
        deployment = self._deployment
        config = {**deployment.site.config(), **deployment.options.config, **_QUIET}
        for name in _OF_THE_SITE:
            config.pop(name, None)
        place = {"db_name": own.name, "db_user": own.user, "db_password": own.password}
        return {**config, **place, "bench_id": self.name}

    def link(self, bench: Bench) -> None:
        """Let a bench serve it, and its commands reach it."""
        folders.link(self._place(bench), self.folder, self._deployment.context.user)

    def _unlink(self, bench: Bench) -> None:
        """Take it out of a bench, with the jobs it queued there and what the cache knows of it."""
        folders.remove_link(self._place(bench))
        # Where Redis is down, so are the jobs, which no worker would take in any case.
        with contextlib.suppress(LockstepError):
            discard_jobs(bench, self.name, self.name)
        with contextlib.suppress(LockstepError):
            forget_database(bench, self._own.name)

    def remove(self) -> None:
        """Remove all of it, however far it was made.

        Raises:
            LockstepError: Something could not be removed; all else was.
        """
        do_all(
            lambda: self._unlink(self._deployment.new),
            self._remove_folder,
            self._own.drop_account,
            self._own.drop,
        )

    def _remove_folder(self) -> None:
        if os.path.isdir(self.folder):
            folders.remove_tree(self.folder, self._deployment.context.layout.rehearsals)

    def _place(self, bench: Bench) -> str:
        return os.path.join(bench.sites_folder, self.name)
