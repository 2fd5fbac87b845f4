# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's users don't see: the new release can serve it, and most of its files are copied already."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import folders, snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import backups
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green import Green
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.rehearsal import (
    NotRehearsed,
    Rehearsal,
    is_wanted,
)

#: Folders of a site with users' files, below its data.
FILE_FOLDERS = ("public", "private/files")

#: What events tell of a rehearsal.
_TOLD = ("copy", "source", "source_age", "additive", "reasons", "touched_tables", "warnings")


class Prepare(Phase):
    """Link the site into the new release, passive, rehearse its migration, copy its files: outside of the freeze."""

    name = "prepare"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        commands = 2 + 2 * len(deployment.options.apps)
        self.timeout = 3600 + (deployment.options.timeout * commands if is_wanted(deployment.options) else 0)

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        if deployment.clones:
            Green(deployment).require_possible()
        step.note(release=deployment.after.id)
        # It was stopped if the sites that had been on it went back without its bench.
        Processes(deployment.context).start(deployment.after)
        deployment.placement.add_passive(deployment.new)
        rehearsed = self._rehearse(step) if is_wanted(deployment.options) else {}
        if rehearsed and deployment.steps:
            self._require_sharing()
        if deployment.options.backup:
            copy_files(deployment)
        return {"release": deployment.after.id, **rehearsed}

    def undo(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        Rehearsal(deployment).remove(step)
        deployment.placement.remove_passive(deployment.context.bench(deployment.after))
        if not os.path.exists(os.path.join(deployment.backup_folder, backups.RECORD)):
            folders.remove_tree(deployment.backup_folder, deployment.context.layout.backups(deployment.site.name))
        return {}

    def _rehearse(self, step: Step) -> dict[str, t.Any]:
        """Rehearse the migration, if it has anything to do; the journal has all that was found."""
        deployment = self._deployment
        found: dict[str, t.Any] = {"additive": True, "reasons": [], "touched_tables": []}
        if deployment.needs_migration:
            try:
                found = Rehearsal(deployment).run(step)
            except NotRehearsed as error:
                if deployment.options.rehearsal == "always" or deployment.steps:
                    raise
                deployment.journal.data["rehearsal"] = {"additive": None, "reason": error.message}
                told = f"the migration was not rehearsed, so readers are kept out of the freeze, too: {error}"
                return {"rehearsal": "not rehearsed", "reason": error.message, "warnings": [told]}
        deployment.journal.data["rehearsal"] = found
        if "source" not in found:
            return {"rehearsal": "not needed", "additive": True}
        failed = found["checks"]["failed"]
        if failed:
            raise LockstepError(
                f"release {deployment.after.id} does not serve a migrated copy of the site well: {failed[0]}",
                left="nothing was changed",
                detail=failed,
            )
        return _told(found)

    def _require_sharing(self) -> None:
        """Refuse to share visitors out over a migration that the old code can't live with, before anything is frozen.

        Raises:
            LockstepError: The rehearsal found more than additions.
        """
        found = self._deployment.journal.data["rehearsal"]
        if found["additive"]:
            return
        told = f"its migration does more than add things: {found['reasons'][0]}"
        instead = f"which blocks writes for about {found['freeze_seconds']:.0f} s"
        raise LockstepError(
            f"two releases can't share this site's visitors, {told}",
            left="nothing was changed",
            hint=f"deploy it with traffic_strategy=instant, {instead}",
            detail=found["reasons"],
        )


def _told(found: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What of a rehearsal leaves the server, under the names of events."""
    seconds = found["seconds"]
    return {
        "rehearsal": "passed",
        **{name: found[name] for name in _TOLD},
        **{f"{part}_seconds": seconds[part] for part in ("restore", "migrate", "verify")},
        "checks": len(found["checks"]["passed"]),
        "freeze_estimate": found["freeze_seconds"],
    }


def copy_files(deployment: SiteDeployment) -> int:
    """Bring the backup's copy of the site's files up to date.

    Returns:
        How many files it holds.
    """
    folder = deployment.context.layout.backups(deployment.site.name)
    folders.ensure(folder, mode=0o700)
    older = backups.newest(folder, deployment.backup_folder)
    folders.ensure(deployment.backup_folder, mode=0o700)
    count = 0
    for name in FILE_FOLDERS:
        copy = os.path.join(deployment.backup_folder, "files", name)
        before = os.path.join(older, "files", name) if older else None
        count += len(snapshot.refresh(os.path.join(deployment.site.folder, name), copy, before))
    return count
