# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Database, files and configuration at one point in time, verified before anything changes."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock, folders, snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import impact
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import FREEZE
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.prepare import (
    FILE_FOLDERS,
    copy_files,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import dump, verify


class Backup(Phase):
    """Back the site up while nobody writes."""

    name = "backup"
    timeout = 3600

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        folder = deployment.backup_folder
        if deployment.clones:
            # A clone is as old as what it is made of; what somebody writes since is not in it.
            step.note(moment=impact.moment(deployment.database()))
        if not deployment.options.backup:
            # Settings are put back all the same.
            folders.ensure(os.path.dirname(folder), mode=0o700)
            folders.ensure(folder, mode=0o700)
            _save_config(deployment)
            return {"skipped": True, "reason": "skip_backup"}
        step.note(folder=folder)
        take(deployment)
        return {"backup": os.path.basename(folder)}


def take(deployment: SiteDeployment) -> dict[str, t.Any]:
    """Take and verify a backup of a site that nobody writes to.

    Returns:
        What ``backup.json`` holds.

    Raises:
        LockstepError: It could not be taken or is not whole.
    """
    folder = deployment.backup_folder
    database_folder = os.path.join(folder, "database")
    folders.remove_tree(database_folder, folder)
    taken = dump.backup(deployment.database(), database_folder, admin=deployment.admin())
    verify.verify(database_folder, taken)
    content = {
        "site": deployment.site.name,
        "deployment_id": deployment.journal.deployment_id,
        "taken_at": clock.utc_now(),
        "release": deployment.before.id,
        "apps": deployment.before.commits(),
        "files": copy_files(deployment),
        "database": taken,
    }
    _save_config(deployment)
    atomic.write_json(os.path.join(folder, "backup.json"), content)
    return content


def restore_files(deployment: SiteDeployment, folder: str, tables: t.Collection[str] | None) -> int:
    """Put back files that are missing or differ since a backup, but for what users did since they could write again.

    Args:
        deployment: The site's deployment. Its journal says since when, or that what users did is given up.
        folder: The backup.
        tables: The tables that are restored, None for all: a file that is missing was the migration's doing, and not
            a user's, only if the table of files goes back, too.

    Returns:
        How many files were put back.
    """
    since = deployment.journal.data.get("kept_since")
    restored = 0
    for name in FILE_FOLDERS:
        copy, target = os.path.join(folder, "files", name), os.path.join(deployment.site.folder, name)
        keep = set() if since is None else _of_users(copy, target, clock.parse(since).timestamp(), tables)
        restored += len(snapshot.put_back(copy, target, deployment.context.user, keep=keep))
    return restored


def _of_users(copy: str, target: str, since: float, tables: t.Collection[str] | None) -> set[str]:
    """The files of a backup that users have changed or removed since a moment (s since 1970)."""
    files_go_back = tables is None or "tabFile" in tables
    found = set()
    for path in snapshot.listing(copy):
        try:
            changed = os.lstat(os.path.join(target, path)).st_ctime
        except OSError:
            if not files_go_back:
                found.add(path)
            continue
        if changed >= since:
            found.add(path)
    return found


def _save_config(deployment: SiteDeployment) -> None:
    """The site's configuration with the maintenance settings its user had, not ours."""
    config = {name: value for name, value in deployment.site.config().items() if name not in FREEZE}
    freeze = deployment.journal.last("freeze")
    config.update(freeze.intent["flags"] if freeze else deployment.site.flags())
    atomic.write_json(os.path.join(deployment.backup_folder, "site_config.json"), config)
