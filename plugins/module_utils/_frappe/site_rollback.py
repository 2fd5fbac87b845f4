# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's way back, from its journal alone: how far it may go is decided by what users wrote since."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.decision import Decision
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import CLOSED, Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Transaction
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import claims, impact, split
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options, SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green_exchange import GreenExchange
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import migrate
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.freeze import (
    is_as_found,
    let_writes_in,
    note_thaw_by_hand,
    stop_writes,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import phases_of
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext

#: Seconds that a way back may take; a controller that died leaves the site locked no longer than that.
_LEASE = 7200.0

#: Seconds beyond a phase's own deadline that the way back waits for who is at work.
_PATIENCE = 30.0


class SiteRollback:
    """Takes one site back to the release it was on before a deployment.

    Args:
        context: The bench.
        unit: The unit's name.
        site: The site's name.
        deployment_id: The deployment to undo.
        reason: Why, for the journal.
        rollback_data: Restore even what users wrote since the thaw.
    """

    def __init__(
        self, context: BenchContext, *, unit: str, site: str, deployment_id: str, reason: str, rollback_data: bool
    ) -> None:
        self._context = context
        self._unit = unit
        self._site = site
        self._deployment_id = deployment_id
        self._reason = reason
        self._rollback_data = rollback_data
        self.journal = Journal(context.unit_folder(unit))

    def needed(self) -> bool:
        """Whether this deployment did anything to the site that is not undone yet.

        Raises:
            LockstepError: A later deployment came after it: that one has to go back first.
        """
        if self.journal.deployment_id == self._deployment_id:
            return self.journal.status != "restored"
        if self.journal.can_recall(self._deployment_id):
            return True
        if self._deployment_id in self.journal.history():
            raise LockstepError(
                f"deployment {self.journal.deployment_id} came after {self._deployment_id}",
                unit=self._unit,
                left="nothing was changed",
                hint=f"roll that one back first: playbooks/rollback.yml -e deployment_id={self.journal.deployment_id}",
            )
        return False

    def run(self) -> list[dict[str, t.Any]]:
        """Go back as far as the rule allows, and leave the site serving.

        Returns:
            What was done, per phase. The journal's status says how it ended: ``restored`` or ``kept``.

        Raises:
            LockstepError: It failed half-way: the site stays locked, and another run goes on from there.
        """
        locks = self._context.locks()
        # Whoever still goes forward finds the lease taken over and stops at its next phase; its present one may end.
        wait = self.journal.seconds_left() + _PATIENCE
        self._call_back()
        held, at_work = locks.seize(self._unit, self._deployment_id, _LEASE, wait)
        with contextlib.closing(at_work):
            self.journal = Journal(self._context.unit_folder(self._unit))
            if not self.needed():
                locks.release(held)
                return []
            closed = self.journal.status in CLOSED
            try:
                before = self._take_up()
            except BaseException:
                # Nobody knows that anything was begun, so nobody may be kept out for it.
                if closed:
                    locks.release(held)
                raise
            options = Options.recorded(self.journal)
            deployment = SiteDeployment(self._context, self._site, self.journal, options)
            transaction = Transaction(
                unit=self._unit, journal=self.journal, locks=locks, held=held, phases=phases_of(deployment)
            )
            note_thaw_by_hand(deployment)
            try:
                stays = self.journal.last("thaw") is not None and not self._may_go_back(deployment)
            except BaseException:
                # It is what it was, and must not refuse the next deployment as if it were half-done.
                if before in CLOSED and is_as_found(deployment):
                    self._never_begun(before)
                    locks.release(held)
                raise
            done = [{"phase": "rollback", "action": "kept"}] if stays else self._go_back(deployment, transaction)
            locks.release(held)
            if not stays:
                # Its bench may stay as it is, as with only=SITE; a release that no site is on has nothing to run for.
                Processes(self._context).stop_if_unused(deployment.after)
            return done

    def _take_up(self) -> str:
        """Write down that the deployment is taken back from now on; what its status was."""
        if self.journal.deployment_id != self._deployment_id:
            self.journal.recall(self._deployment_id)
        before = self.journal.status
        self.journal.content["status"] = "open"
        self.journal.data.update(rollback_reason=self._reason)
        self.journal.save()
        return before

    def _call_back(self) -> None:
        """Have who shares visitors out at this moment take them all back: a share may be held for weeks."""
        sharing = self.journal.last(split.PHASE)
        if self.journal.deployment_id != self._deployment_id or sharing is None:
            return
        if sharing.record["status"] == "started" and claims.at_work(self._context.state_dir, self._unit) is not None:
            decision = Decision(self._context.unit_folder(self._unit))
            decision.take(self._deployment_id, promote=False, by="a rollback", reason=self._reason)

    def _never_begun(self, status: str) -> None:
        self.journal.content["status"] = status
        self.journal.data.pop("rollback_reason")
        self.journal.save()

    def _go_back(self, deployment: SiteDeployment, transaction: Transaction) -> list[dict[str, t.Any]]:
        done = transaction.undo()
        if self.journal.last("freeze") is None and not deployment.site.is_frozen():
            SiteHealth(deployment).from_outside(self._context.live_release(self._site))
        deployment.manifest().restore(self._unit, self._deployment_id, self.journal.data.get("manifest_before"))
        self.journal.close("restored", reason=self._reason)
        return done

    def _may_go_back(self, deployment: SiteDeployment) -> bool:
        """Stop writes and judge; when users' writes forbid it, let them in again on the release they are on.

        So it is where the data can't be put back: its backup was damaged since, or none was taken.
        """
        obstacle = migrate.obstacle(deployment)
        processes = Processes(self._context)
        started = processes.start(deployment.before)
        live = self._context.live_release(self._site)
        freeze = self.journal.last("freeze")
        if freeze is None:
            raise LockstepError("the journal does not know how the site was frozen", left="nothing was changed")
        try:
            stop_writes(deployment, self._context.serving(self._site))
            judged = _judged(deployment)
        except BaseException:
            let_writes_in(deployment, freeze.intent["flags"])
            raise
        thaw = self.journal.last("thaw")
        # Where two releases have shared the data, the old code works on it: no backup is needed to go back.
        keep_data = judged.keep_data or (obstacle is not None and impact.was_shared(deployment))
        self.journal.data["keep_data"] = keep_data and not self._rollback_data
        self.journal.data["loss"] = judged.loss
        self.journal.data["kept_since"] = None if self._rollback_data or thaw is None else thaw.intent.get("thawed_at")
        hindered = obstacle if not self.journal.data["keep_data"] else None
        self.journal.data["obstacle"] = hindered
        if (judged.may_go_back or self._rollback_data) and hindered is None:
            self.journal.save()
            return True
        # Nobody watches a share that is left of a process that died.
        deployment.traffic.switch(self._context.runtime(live).folder)
        let_writes_in(deployment, freeze.intent["flags"])
        SiteHealth(deployment).from_outside(live)
        if deployment.clones:
            # What can't be dropped now, the next deployment drops.
            with contextlib.suppress(LockstepError):
                GreenExchange(deployment).drop_blue()
        self.journal.close("kept", reason=hindered or judged.reason, kept_at=clock.utc_now())
        if started:
            processes.stop_if_unused(deployment.before)
        return False


def _judged(deployment: SiteDeployment) -> impact.Judgement:
    if deployment.clones and not GreenExchange(deployment).is_done():
        return impact.Judgement(True, True, "only a clone of its database was migrated", {})
    return impact.judge(deployment)
