# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one phase that changes data: settings, one migration, apps that are new, and what of it can be undone."""

from __future__ import annotations

import concurrent.futures
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import backups, impact
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache import clear_cache
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green import Green
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green_exchange import GreenExchange
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.orphan import end_orphan, identify
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import FREEZE, is_locked
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import backup
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.freeze import drain_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import restore, verify, watcher

#: Seconds that making a clone may take.
CLONE_TIMEOUT = 3600


class Migrate(Phase):
    """Configure, migrate and install, on the new release, while nobody writes."""

    name = "migrate"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self._seconds = 0.0
        copying = CLONE_TIMEOUT if deployment.clones else 0
        self.timeout = deployment.options.timeout * (1 + len(deployment.options.apps)) + copying + 60

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        end_orphan(step.intent.get("process"))
        new_apps = deployment.new_apps
        needed = bool(deployment.journal.data["reasons_to_migrate"])
        green = Green(deployment)
        cloned = self._cloned(step, green) if deployment.clones else {}
        began = self._began(step)
        step.note(settings=sorted(deployment.options.config), install=new_apps, began=began)
        deployment.green.change_config(deployment.options.config)
        if needed:
            self._bench(step, *deployment.migration)
        for app in new_apps:
            self._bench(step, "install-app", app)
        if not needed and not new_apps:
            clear_cache(deployment.new, deployment.site.name)
            return {"migration": "skipped", "reason": "nothing between the two releases needs one"}
        if deployment.clones:
            step.note(settings=sorted(green.changed_settings()))
            green.await_settings()
        # Migrations and installations clear the caches themselves, and nobody else reads through this release yet.
        return {
            "migration": "done" if needed else "skipped",
            "apps_installed": new_apps,
            "command_seconds": round(self._seconds, 3),
            **cloned,
        }

    def _cloned(self, step: Step, green: Green) -> dict[str, t.Any]:
        """Make a clone, whatever an attempt before had made of one; what a job of a reader's writes is in it."""
        drain_jobs(self._deployment, self._deployment.old)
        made = green.make(step)
        step.note(began=None)
        return made

    def _began(self, step: Step) -> dict[str, t.Any]:
        """What the database looks like before the migration, once no job works on it any more."""
        deployment = self._deployment
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as beside:
            # A request that only reads can still have put a job into the queue; of a clone no job works on anything.
            waits = deployment.needs_migration and not deployment.clones
            drained = beside.submit(drain_jobs, deployment, deployment.old) if waits else None
            # What an attempt before has changed must stay what it is compared with.
            began = step.intent.get("began") or impact.begin(deployment)
            if drained is not None:
                drained.result()
        return t.cast("dict[str, t.Any]", began)

    def undo(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        end_orphan(step.intent.get("process"))
        _await_migration_lock(deployment)
        self._undo_settings(step)
        done = self._undo_clone(step) if deployment.clones else self._undo_data(step)
        # It answered readers all the while, so it may have cached what is no more.
        clear_cache(deployment.old, deployment.site.name)
        return done

    def _undo_clone(self, step: Step) -> dict[str, t.Any]:
        """Drop the clone. The site's own tables are what they were, unless users have written to those of the clone."""
        deployment, exchange = self._deployment, GreenExchange(self._deployment)
        if exchange.is_done():
            done = self._undo_data(step)
        else:
            taken = deployment.journal.last("backup")
            folder = taken.intent.get("folder") if taken else None
            # A file that is missing was nobody's but the migration's doing, or a user's who was let in by hand.
            files = backup.restore_files(deployment, folder, ()) if folder else 0
            done = {"action": "clone dropped", "files": files}
        Green(deployment).remove()
        exchange.drop_blue()
        impact.forget(deployment)
        return done

    def _undo_data(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        if not step.intent.get("began") or deployment.journal.data.get("keep_data"):
            return {"action": "data kept"}
        if not impact.is_expected(deployment):
            return {"action": "nothing to restore"}
        return {"action": "restored", **put_back(deployment, step)}

    def _bench(self, step: Step, *command: str) -> None:
        """Run a command of the new release under the watcher, its process written down before it gets far."""
        deployment = self._deployment

        def started(pid: int) -> None:
            step.note(process=identify(pid))
            watch.of_process(pid)

        began = time.monotonic()
        try:
            with watcher.Watcher(deployment.green_database()) as watch:
                deployment.new.change(
                    deployment.site.name, *command, timeout=deployment.options.timeout, started=started
                )
        finally:
            self._seconds += time.monotonic() - began
            step.note(process=None)

    def _undo_settings(self, step: Step) -> None:
        """Put back the settings we changed, from the backup: values may be secrets, so the journal has only names."""
        deployment = self._deployment
        names = [name for name in step.intent.get("settings", []) if name not in FREEZE]
        saved = atomic.read_json(os.path.join(deployment.backup_folder, "site_config.json"))
        if saved is not None:
            changes = {name: saved[name] for name in names if name in saved}
            deployment.site.change_config(changes, remove=[name for name in names if name not in saved])


def put_back(deployment: SiteDeployment, step: Step) -> dict[str, t.Any]:
    """Restore the tables a migration touched, or everything where that isn't known, and the files.

    Raises:
        LockstepError: There is no backup, or it can't be restored.
    """
    source, content, tables = _needed(deployment, step)
    compare = _compares(deployment, step, tables)
    admin = deployment.admin()
    if admin is None:
        # Tables are dropped and loaded where they are: a reader would meet half of them.
        deployment.traffic.close(deployment.journal.deployment_id)
    folder = os.path.join(source, "database")
    # Users wrote on, and the scheduler worked on, only after a thaw.
    ran = impact.jobs_ran(deployment) if deployment.journal.data.get("kept_since") else {}
    found = restore.restore(deployment.database(), folder, content["database"], tables, compare=compare, admin=admin)
    impact.note_jobs(deployment, ran)
    impact.forget(deployment)
    files = backup.restore_files(deployment, source, tables)
    return {"tables": len(found["restored"]), "dropped": len(found["dropped"]), "way": found["way"], "files": files}


def obstacle(deployment: SiteDeployment) -> str | None:
    """Why the data of before a migration can't be put back; None if it can be, or nothing has to.

    Asked before anything else goes back: old code on migrated data would serve nobody.
    """
    step = deployment.journal.last("migrate")
    if step is None or not step.intent.get("began") or not impact.is_expected(deployment):
        return None
    if deployment.clones and not GreenExchange(deployment).is_done():
        return None
    try:
        source, content, tables = _needed(deployment, step)
        saved = content["database"]["tables"]
        everything = tables is None or _compares(deployment, step, tables)
        chosen = None if everything else [name for name in tables or () if name in saved]
        verify.verify(os.path.join(source, "database"), content["database"], chosen)
    except LockstepError as error:
        return error.message
    return None


def _needed(deployment: SiteDeployment, step: Step) -> tuple[str, dict[str, t.Any], list[str] | None]:
    """The folder of the backup, what it says of itself, and the tables that have to come from it, None for all."""
    taken = deployment.journal.last("backup")
    if taken is None or "folder" not in taken.intent:
        raise LockstepError("the migration changed data and no backup was taken (skip_backup)")
    folder = taken.intent["folder"]
    tables = impact.tables_to_restore(deployment, step.intent["began"], everything=bool(step.intent["install"]))
    return folder, backups.read(folder), tables


def _compares(deployment: SiteDeployment, step: Step, tables: list[str] | None) -> bool:
    """Whether tables must be compared with the backup, since the server may have forgotten what else was written to.

    Not once users have written: what differs may be theirs then.
    """
    if tables is None or deployment.was_thawed:
        return False
    return impact.has_forgotten(deployment.database(), step.intent["began"])


def _await_migration_lock(deployment: SiteDeployment) -> None:
    """Wait until no migration of the site runs: the kernel frees its lock when the process is gone, file or no file."""
    path = os.path.join(deployment.site.folder, "locks", "bench_migrate.lock")
    if is_locked(path):
        raise LockstepError("another migration of this site is running", hint="wait for it to end, or end it yourself")
