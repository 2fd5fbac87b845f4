# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Visitors taken to the new release step by step, each step judged by what they see, and all of them back if it fails.

It runs on the server from the first step to the last, in one call: whatever becomes of the controller, a release that
serves its visitors badly loses them at once.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.decision import Decision
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache_relay import CacheRelay
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options, SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.judging import Judging
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.switch import (
    await_jobs,
    await_requests,
    move,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.split import Both, compare, told
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules

#: Seconds that a share may be held for until somebody decides; a month.
LONGEST_HOLD = 31 * 24 * 3600.0
_MARGIN = 900.0


def seconds(options: Options) -> float:
    """How long it may take at most."""
    # A step that says too little is watched for longer.
    longest = options.step_wait + min(options.step_wait, Rules.from_mapping(options.rules).reach)
    return len(options.steps) * longest + (LONGEST_HOLD if options.hold else 0.0)


class Shift(Phase):
    """Raise the new release's share of the visitors until it has all of them."""

    name = "shift"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self._judging: Judging | None = None
        self.timeout = seconds(deployment.options) + _MARGIN

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        if not deployment.steps:
            return {"skipped": True, "reason": "all visitors were taken to the new release at once"}
        with contextlib.ExitStack() as together:
            try:
                database = deployment.database().name
                relay = CacheRelay.between(deployment.old, deployment.new, deployment.site.name, database)
                together.enter_context(relay)
                # Where an attempt died that had taken all of them along, they have to stay.
                if deployment.traffic.current() != deployment.context.runtime(deployment.after).folder:
                    self._take_along(step)
            except Exception as error:
                raise self._sent_back(error, step) from error
            leads = deployment.traffic.slots.sides()
            move(deployment, deployment.before, deployment.after)
            # Who is still at work in the release that was left may change what this one has cached.
            await_requests(deployment)
            await_jobs(deployment)
        return {"release": deployment.after.id, "percent": 100, "judgement": self._summary(leads, step)}

    def undo(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        move(deployment, deployment.after, deployment.before)
        return {"action": "visitors sent back", "release": deployment.before.id}

    def _take_along(self, step: Step) -> None:
        deployment, options = self._deployment, self._deployment.options
        judging = self._judging = Judging(deployment, seconds(options))
        # An attempt that died has taken visitors along already; they are not sent back only to come again.
        reached = deployment.traffic.slots.percent()
        for percent in deployment.steps:
            if percent >= reached:
                step.note(percent=percent, since=clock.utc_now())
                deployment.traffic.share(deployment.context.runtime(deployment.after).folder, percent, options.sticky)
                judging.follow()
                judging.concluded(options.step_wait, until=lambda: self._is_called_back)
                if self._is_called_back:
                    raise self._ended()
        if options.hold:
            self._hold(judging, step)

    def _hold(self, judging: Judging, step: Step) -> None:
        """Keep the share under the same rules until somebody ends it.

        Raises:
            LockstepError: It was ended with all visitors back, or a rule took the new release back.
        """
        step.note(holding=True)
        judging.watch(LONGEST_HOLD, until=lambda: self._decided() is not None)
        found = self._decided()
        if found is None or not found["promote"]:
            raise self._ended()

    def _decided(self) -> dict[str, t.Any] | None:
        """What somebody decided for this deployment."""
        journal = self._deployment.journal
        decision = Decision(self._deployment.context.unit_folder(str(journal.content["unit"])))
        return decision.of(str(journal.deployment_id))

    @property
    def _is_called_back(self) -> bool:
        """Whether a rollback waits for the end of this share."""
        found = self._decided()
        return found is not None and not found["promote"]

    def _ended(self) -> LockstepError:
        found = self._decided()
        return LockstepError(f"{found['by']} ended it: {found['reason']}" if found else "nobody ended it in time")

    def _sent_back(self, error: Exception, step: Step) -> LockstepError:
        """Everybody is on the release before, by one rename; what was seen is looked up after that."""
        deployment = self._deployment
        share = deployment.traffic.slots.percent()
        leads = deployment.traffic.slots.sides()
        deployment.traffic.switch(deployment.context.runtime(deployment.before).folder)
        with contextlib.suppress(LockstepError):
            step.note(judgement=self._summary(leads, step))
        said = error.message if isinstance(error, LockstepError) else f"{type(error).__name__}: {error}"
        return LockstepError(
            f"with {share} % of the visitors: {said}; all of them are back on release {deployment.before.id}",
            left="what they wrote is still there",
            detail=getattr(error, "detail", None),
        )

    def _summary(self, leads: t.Mapping[str, str], step: Step) -> dict[str, t.Any]:
        """What the watch came to, and what visitors of both sides saw in the last share.

        Args:
            leads: Where each way into the site led while they were shared out.
            step: The phase.
        """
        deployment = self._deployment
        if "since" not in step.intent:
            return {}
        both = Both(deployment.after, deployment.before, leads)
        begun = clock.parse(step.intent["since"]).timestamp()
        rules = Rules.from_mapping(deployment.options.rules)
        seen = compare(deployment.context, deployment.site.name, both, begun, rules)
        watched = self._judging.summary() if self._judging else {}
        shared = {"percent": step.intent["percent"], "candidate": told(both.candidate), "live": told(both.live)}
        return {**seen["judgement"], **watched, **shared, "sides": seen["sides"]}
