# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site as a unit: through its phases on the way to a release, as one transaction until its users write again."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import Held
from ansible_collections.lockstep.deploy.plugins.module_utils._core.manifest import Deployment, Manifest
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase, Transaction
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import changes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options, SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, release_id
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import Site
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import shift
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.backup import Backup
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.freeze import (
    Freeze,
    Thaw,
    note_thaw_by_hand,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.migrate import CLONE_TIMEOUT, Migrate
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.prepare import Prepare
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.shift import Shift
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.switch import (
    Confirm,
    Retire,
    Switch,
    Verify,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext

DRIVER = "frappe_site"

#: What a unit is called after the last phase it completed.
_STATES = {
    "prepare": "prepared",
    "freeze": "frozen",
    "backup": "frozen",
    "migrate": "migrated",
    "verify": "verified",
    "switch": "switched",
    "thaw": "live",
    "shift": "live",
    "confirm": "live",
    "retire": "retired",
}

_CLASSES: tuple[type[Phase], ...] = (Prepare, Freeze, Backup, Migrate, Verify, Switch, Thaw, Shift, Confirm, Retire)
PHASES = tuple(phase.name for phase in _CLASSES)


class Identity(t.NamedTuple):
    """Which deployment acts on which unit; ``deployed_by`` and ``version`` are for the manifest."""

    unit: str
    deployment_id: str
    project: str
    environment: str
    version: str
    deployed_by: str
    git_sha: str | None


def phases_of(deployment: SiteDeployment) -> list[Phase]:
    """Every phase of a site, in order."""
    return [phase(deployment) for phase in _CLASSES]  # type: ignore[call-arg]


class SiteUnit:
    """One site in one deployment.

    Args:
        context: The bench.
        site: The site's name.
        identity: Deployment and unit.
        apps: The apps of the release it shall be on.
        options: How it is deployed.
    """

    def __init__(
        self, context: BenchContext, site: str, identity: Identity, apps: t.Sequence[App], options: Options
    ) -> None:
        self._context = context
        self._site = site
        self._identity = identity
        self._target = release_id(apps)
        self._apps = apps
        self._options = options
        self.journal = Journal(context.unit_folder(identity.unit))

    def to_do(self) -> dict[str, t.Any]:
        """What a deployment would do, looked up without changing anything.

        Returns:
            ``from`` and ``to`` (release ids), ``install`` (apps), ``configure`` (keys), ``before`` and ``after``
            (versions). Nothing is to be done when ``from`` equals ``to`` and the lists are empty.
        """
        live = self._live_release()
        installed = self._context.bench(live).execute(self._site, "frappe.get_installed_apps")
        after = {app.name: app.version for app in self._apps}
        return {
            "from": live.id,
            "to": self._target,
            "install": [name for name in self._options.apps if name not in installed],
            "configure": self._differing_settings(),
            "installed": installed,
            "before": live.versions(),
            "after": after,
        }

    def is_done(self, to_do: t.Mapping[str, t.Any]) -> bool:
        """Whether the site is where it shall be and no deployment of it is half-done."""
        same = to_do["from"] == to_do["to"] and not to_do["install"] and not to_do["configure"]
        return same and not self.journal.is_open

    def advance(self, names: t.Sequence[str], to_do: t.Mapping[str, t.Any], *, undo_on_failure: bool) -> bool:
        """Take the site through phases.

        Args:
            names: The phases, in order.
            to_do: What :meth:`to_do` said.
            undo_on_failure: Undo everything when a phase before the thaw fails; else it stays as it is, frozen.

        Returns:
            Whether anything ran.

        Raises:
            LockstepError: A phase failed; says how the site was left.
        """
        locks = self._context.locks()
        with contextlib.closing(locks.at_work(self._identity.unit)):
            self.journal = Journal(self._context.unit_folder(self._identity.unit))
            self.journal.refuse_if_taken_back(self._identity.deployment_id)
            held = locks.acquire(self._identity.unit, self._identity.deployment_id, self._lease())
            try:
                self._open(to_do)
            except BaseException:
                # Nothing was begun, so nothing is left to guard.
                locks.release(held)
                raise
            deployment = SiteDeployment(self._context, self._site, self.journal, self._options)
            transaction = Transaction(
                unit=self._identity.unit,
                journal=self.journal,
                locks=locks,
                held=held,
                phases=phases_of(deployment),
            )
            try:
                ran = transaction.advance(names)
            except LockstepError as error:
                # What can't be found out now, the undo will say.
                with contextlib.suppress(LockstepError):
                    note_thaw_by_hand(deployment)
                raise self._failed(error, transaction, held, undo_on_failure) from error
            if self._serves_everybody():
                self._record_live(deployment)
            if self.journal.completed(PHASES[-1]):
                self.journal.close("live")
                locks.release(held)
            return ran

    def state(self) -> str:
        """What the unit is called now, for people and the ledger."""
        if self.journal.status in ("restored", "kept", "failed"):
            return self.journal.status
        done = [step.phase for step in self.journal.steps() if step.record["status"] == "completed"]
        if done and done[-1] == "thaw" and not self._serves_everybody():
            return "shared"
        return _STATES[done[-1]] if done else "absent"

    def _serves_everybody(self) -> bool:
        """Whether users write on the new release, and no visitor gets to the one before any more."""
        last = Shift.name if self.journal.data["options"].get("steps") else "thaw"
        return self.journal.completed(last)

    def _failed(
        self, error: LockstepError, transaction: Transaction, held: Held, undo_on_failure: bool
    ) -> LockstepError:
        thaw = self.journal.last("thaw")
        if thaw is not None:
            # A share that failed has sent its visitors back, and says so itself.
            error.left = error.left or "users' writes are in it, so it was not touched further"
            error.hint = error.hint or "the deployment's rollback decides by what was written since"
        elif not undo_on_failure:
            error.left = "it stays as it is, writes blocked, because rollback_on_failure is off"
            error.hint = f"playbooks/rollback.yml -e deployment_id={self._identity.deployment_id}"
        else:
            frozen = self.journal.last("freeze") is not None
            transaction.undo(error)
            self.journal.close("restored", reason=error.message)
            self._context.locks().release(held)
            before = f"release {self.journal.data['before']}"
            error.left = f"it is back on {before}, users can write" if frozen else f"its users never left {before}"
        return error

    def _open(self, to_do: t.Mapping[str, t.Any]) -> None:
        if self.journal.is_open and self.journal.deployment_id == self._identity.deployment_id:
            return
        if self._context.traffic(self._site).current() is None:
            raise LockstepError(
                f"site {self._site} was not adopted yet",
                left="nothing was changed",
                hint="deploy its bench along with it",
            )
        live = self._context.require_release(to_do["from"])
        target = self._context.require_release(self._target)
        manifest = Manifest(self._context.state_dir, self._identity.project, self._identity.environment)
        reasons = changes.reasons_to_migrate(self._context.bench(live), self._context.bench(target), live, target)
        self.journal.open(
            unit=self._identity.unit,
            driver=DRIVER,
            deployment_id=self._identity.deployment_id,
            data={
                "site": self._site,
                "before": live.id,
                "after": target.id,
                "project": self._identity.project,
                "environment": self._identity.environment,
                "installed": to_do["installed"],
                "versions": {"before": to_do["before"], "after": to_do["after"]},
                "reasons_to_migrate": reasons,
                "manifest_before": manifest.unit(self._identity.unit),
                # Everything the way back needs but secrets, so that any controller can take it.
                "options": {**self._options._asdict(), "config": sorted(self._options.config)},
            },
        )

    def _record_live(self, deployment: SiteDeployment) -> None:
        identity = self._identity
        live = {
            "release": self._target,
            "apps": {app.name: {"version": app.version, "commit": app.commit} for app in self._apps},
            "backup": deployment.backup_folder if self._options.backup else None,
        }
        deployment.manifest().record(
            identity.unit,
            live,
            Deployment(identity.deployment_id, identity.version, identity.deployed_by, identity.git_sha),
        )

    def _live_release(self) -> Release:
        """The release that serves the site; the bench as it is, where a deployment would adopt the site first."""
        if self._context.traffic(self._site).current() is not None:
            return self._context.live_release(self._site)
        adopted = self._context.adopted
        apps = adopted.apps()
        return Release(release_id(apps), adopted.path, 0, {}, apps, adopted=True, ready=True)

    def _differing_settings(self) -> list[str]:
        folder = os.path.join(self._context.adopted.sites_folder, self._site)
        deployment = SiteDeployment(self._context, self._site, self.journal, self._options)
        site = deployment.site if deployment.placement.is_adopted() else Site(self._site, folder, self._context.user)
        now = site.config()
        return sorted(name for name, value in self._options.config.items() if now.get(name) != value)

    def _lease(self) -> float:
        """Seconds: every phase at its longest. A controller that died leaves the site locked no longer than that."""
        options = self._options
        shared = shift.seconds(options)
        cloned = CLONE_TIMEOUT + options.drain_timeout * 2 if options.green_database == "clone" else 0
        return options.timeout * 2 + options.drain_timeout * 2 + options.wait_time * 2 + shared + cloned + 600
