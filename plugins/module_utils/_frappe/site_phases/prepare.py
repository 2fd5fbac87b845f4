# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's users don't see: the new release can serve it, and most of its files are copied already."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import folders, snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes

#: Folders of a site with users' files, below its data.
FILE_FOLDERS = ("public", "private/files")


class Prepare(Phase):
    """Link the site into the new release, passive, and copy its files outside of the freeze."""

    name = "prepare"
    timeout = 3600

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        step.note(release=deployment.after.id)
        # It was stopped if the sites that had been on it went back without its bench.
        Processes(deployment.context).start(deployment.after)
        deployment.placement.add_passive(deployment.new)
        if deployment.options.backup:
            copy_files(deployment)
        return {"release": deployment.after.id}

    def undo(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        deployment.placement.remove_passive(deployment.context.bench(deployment.after))
        backups = deployment.context.layout.backups(deployment.site.name)
        if not os.path.exists(os.path.join(deployment.backup_folder, "backup.json")):
            folders.remove_tree(deployment.backup_folder, backups)
        return {}


def copy_files(deployment: SiteDeployment) -> int:
    """Bring the backup's copy of the site's files up to date.

    Returns:
        How many files it holds.
    """
    backups = deployment.context.layout.backups(deployment.site.name)
    folders.ensure(backups, mode=0o700)
    older = _newest_other(backups, deployment.backup_folder)
    folders.ensure(deployment.backup_folder, mode=0o700)
    count = 0
    for name in FILE_FOLDERS:
        copy = os.path.join(deployment.backup_folder, "files", name)
        before = os.path.join(older, "files", name) if older else None
        count += len(snapshot.refresh(os.path.join(deployment.site.folder, name), copy, before))
    return count


def _newest_other(backups: str, ours: str) -> str | None:
    """The finished backup before ours; ids begin with their time, so names sort by age."""
    found = [
        os.path.join(backups, name)
        for name in sorted(os.listdir(backups))
        if os.path.exists(os.path.join(backups, name, "backup.json"))
    ]
    return next((path for path in reversed(found) if path != ours), None)
