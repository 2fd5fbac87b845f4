# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Visitors taken to the new release step by step, each step judged by what they see, and all of them back if it fails.

It runs on the server from the first step to the last, in one call: whatever becomes of the controller, a release that
serves its visitors badly loses them at once.
"""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options, SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.switch import move

#: Seconds that a share may be held for until somebody decides; a month.
LONGEST_HOLD = 31 * 24 * 3600.0
_MARGIN = 900.0


def seconds(options: Options) -> float:
    """How long it may take at most."""
    return len(options.steps) * options.step_wait + (LONGEST_HOLD if options.hold else 0.0)


class Shift(Phase):
    """Raise the new release's share of the visitors until it has all of them."""

    name = "shift"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self.timeout = seconds(deployment.options) + _MARGIN

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        if not deployment.options.steps:
            return {"skipped": True, "reason": "all visitors were taken to the new release at once"}
        try:
            # An attempt that died has taken visitors along already; they are not sent back only to come again.
            reached = deployment.traffic.slots.percent()
            for percent in deployment.options.steps:
                if percent >= reached:
                    self._raise_to(percent, step)
        except Exception as error:
            raise self._sent_back(error) from error
        move(deployment, deployment.before, deployment.after)
        return {"release": deployment.after.id, "percent": 100}

    def undo(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        move(deployment, deployment.after, deployment.before)
        return {"action": "visitors sent back", "release": deployment.before.id}

    def _raise_to(self, percent: int, step: Step) -> None:
        deployment = self._deployment
        step.note(percent=percent, since=clock.utc_now())
        folder = deployment.context.runtime(deployment.after).folder
        deployment.traffic.share(folder, percent, deployment.options.sticky)
        SiteHealth(deployment).watch(deployment.after, deployment.options.step_wait)

    def _sent_back(self, error: Exception) -> LockstepError:
        """Everybody is on the release before, by one rename."""
        deployment = self._deployment
        share = deployment.traffic.slots.percent()
        deployment.traffic.switch(deployment.context.runtime(deployment.before).folder)
        told = error.message if isinstance(error, LockstepError) else f"{type(error).__name__}: {error}"
        return LockstepError(
            f"with {share} % of the visitors: {told}; all of them are back on release {deployment.before.id}",
            detail=getattr(error, "detail", None),
        )
