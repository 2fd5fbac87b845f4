# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules do with a bench: tell what is to be done, do it, take it back."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Transaction
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import bench_unit
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.adoption import Adoption
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, release_id
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.release import Builder
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.retirement import Retirement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext

DRIVER = "frappe_bench"

#: Seconds: a build with everything to download on a slow line.
_LEASE = 7200.0

#: Seconds beyond a phase's own deadline that the way back waits for who is at work.
_PATIENCE = 30.0


class BenchWork:
    """One bench in one deployment.

    Args:
        context: The bench.
        unit: The unit's name.
        deployment_id: The deployment.
        apps: The apps of the release that shall be there.
        sites: The sites of this deployment, with their domains.
        force: Whether our file of nginx is written although somebody changed it by hand.
    """

    def __init__(
        self,
        context: BenchContext,
        unit: str,
        deployment_id: str,
        apps: t.Sequence[App],
        sites: t.Mapping[str, t.Sequence[str]],
        force: bool = False,
    ) -> None:
        self._context = context
        self._unit = unit
        self._deployment_id = deployment_id
        self._apps = apps
        self._release = release_id(apps)
        self._adoption = Adoption(context, sites, force)
        self.journal = Journal(context.unit_folder(unit))

    def to_do(self) -> dict[str, t.Any]:
        """What a deployment would do, looked up without changing anything.

        Returns:
            ``release``, ``adopt`` (sites that move into our care), ``domains`` (that adopted sites get), ``nginx`` (how
            its file differs from the records), ``build``, ``start``, ``missing_sources`` (names), ``before`` and
            ``after`` (versions).
        """
        self._context.adopted.require()
        known = self._known()
        running = known is not None and Processes(self._context).running(known)
        return {
            "release": self._release,
            "adopt": self._adoption.missing(),
            "domains": self._adoption.added(),
            "nginx": self._adoption.drift(),
            "build": known is None,
            "start": not running,
            "missing_sources": []
            if known
            else [app.name for app in Builder(self._context).missing_sources(self._apps)],
            "before": self._newest_versions(),
            "after": {app.name: app.version for app in self._apps},
        }

    def _known(self) -> Release | None:
        """The release, if it is built already; the bench that is to be adopted counts."""
        if self._context.record.exists():
            release = self._context.record.release(self._release)
            return release if release is not None and release.ready else None
        apps = self._context.adopted.apps()
        if release_id(apps) != self._release:
            return None
        return Release(self._release, self._context.adopted.path, 0, {}, apps, adopted=True, ready=False)

    def _newest_versions(self) -> dict[str, str | None]:
        releases = [release for release in self._context.record.releases() if release.id != self._release]
        return releases[-1].versions() if releases else {app.name: app.version for app in self._context.adopted.apps()}

    def run(self, *, undo_on_failure: bool) -> tuple[bool, list[str]]:
        """Adopt, build and start.

        Args:
            undo_on_failure: Remove what was built when its start fails.

        Returns:
            Whether anything changed, and what an administrator should know.

        Raises:
            LockstepError: It failed. The adopted bench serves as before.
        """
        self._context.prepare_state()
        locks = self._context.locks()
        with contextlib.ExitStack() as stack:
            for name in (self._unit, self._context.layout.identity):
                stack.enter_context(contextlib.closing(locks.at_work(name)))
            self.journal = Journal(self._context.unit_folder(self._unit))
            self.journal.refuse_if_taken_back(self._deployment_id)
            held = locks.acquire(self._unit, self._deployment_id, _LEASE)
            to_do = self.to_do()
            adopts = self._adoption.needed()
            try:
                warnings = self._adoption.run()
                self._open(to_do)
            except BaseException:
                # Nothing was begun, so nothing is left to guard.
                locks.release(held)
                raise
            phases = [
                bench_unit.Prepare(self._context, self._release, self._apps),
                bench_unit.Verify(self._context, self._release),
            ]
            transaction = Transaction(unit=self._unit, journal=self.journal, locks=locks, held=held, phases=phases)
            try:
                transaction.advance([phase.name for phase in phases])
            except LockstepError as error:
                if undo_on_failure:
                    transaction.undo(error)
                    self.journal.close("restored", reason=error.message)
                    locks.release(held)
                    error.left = error.left or "the release that serves was not touched"
                raise
            self.journal.close("live")
            locks.release(held)
            retirement = Retirement(self._context)
            retirement.end(retirement.due())
            return adopts or to_do["build"] or to_do["start"], warnings

    def _open(self, to_do: t.Mapping[str, t.Any]) -> None:
        if self.journal.is_open and self.journal.deployment_id == self._deployment_id:
            return
        self.journal.open(
            unit=self._unit,
            driver=DRIVER,
            deployment_id=self._deployment_id,
            data={"release": self._release, "versions": {"before": to_do["before"], "after": to_do["after"]}},
        )


def may_roll_back(journal: Journal, deployment_id: str) -> bool:
    """Whether a deployment did anything to a bench that is not undone yet."""
    if journal.deployment_id == deployment_id:
        return journal.status != "restored"
    return journal.can_recall(deployment_id)


def _was_built(journal: Journal) -> bool:
    step = journal.last("prepare")
    return step is not None and bool(step.intent.get("built"))


def roll_back(context: BenchContext, unit: str, deployment_id: str) -> tuple[bool, Journal, list[dict[str, t.Any]]]:
    """Remove the release that a deployment built, unless a site is active in it.

    Returns:
        Whether anything changed, the unit's journal, and what was done per phase.

    Raises:
        LockstepError: It could not be removed.
    """
    journal = Journal(context.unit_folder(unit))
    if not may_roll_back(journal, deployment_id):
        return False, journal, []
    locks = context.locks()
    # Whoever still builds finds the lease taken over and stops at its next phase; its present one may end.
    wait = journal.seconds_left() + _PATIENCE
    held, at_work = locks.seize(unit, deployment_id, _LEASE, wait)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(at_work))
        try:
            stack.enter_context(contextlib.closing(locks.at_work(context.layout.identity, wait)))
        except LockstepError:
            locks.release(held)
            raise
        journal = Journal(context.unit_folder(unit))
        if not may_roll_back(journal, deployment_id):
            locks.release(held)
            return False, journal, []
        if journal.deployment_id != deployment_id:
            journal.recall(deployment_id)
        release = journal.data["release"]
        phases = [bench_unit.Prepare(context, release, []), bench_unit.Verify(context, release)]
        transaction = Transaction(unit=unit, journal=journal, locks=locks, held=held, phases=phases)
        needed = context.record.release(release)
        # A release that another deployment built is not this one's to take back, whoever is on it.
        if needed is not None and _was_built(journal) and Processes(context).in_use(needed):
            journal.close("kept", reason=f"sites stay on release {release}")
            locks.release(held)
            return False, journal, []
        done = transaction.undo()
        journal.close("restored")
        locks.release(held)
        return True, journal, done
