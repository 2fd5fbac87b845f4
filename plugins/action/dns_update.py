# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes DNS records from the controller, and verifies them at every name server."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_deployment, ansible_values
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns import tasks
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import Change, Goal
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.run import Run
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ansible_action import ControllerAction
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment


class ActionModule(ControllerAction):
    """Sends updates and asks name servers."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "deployment": {"type": "raw"},
        "changes": {"type": "list", "elements": "dict", "required": True},
        "goals": {"type": "list", "elements": "dict", "required": True},
        "sites": {"type": "dict", "default": {}},
    }

    def act(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Change and verify; under check mode only what has not to change is verified."""
        deployment = ansible_deployment.load(self._loader, variables, arguments["deployment"])
        left_out = tasks.left_out(deployment, ansible_values.plain(arguments["sites"]))
        changes = [one for one in tasks.as_changes(arguments["changes"]) if one.unit not in left_out]
        goals = [one for one in tasks.as_goals(arguments["goals"]) if one.unit not in left_out]
        found = self._apply(deployment, changes, goals)
        if left_out and not found.get("failed"):
            msg = "; ".join(f"{unit} was left out: {reason}" for unit, reason in left_out.items())
            found.update(LockstepError(msg, hint=tasks.WITHOUT_RECORD).result(), failed=True)
        return found

    def _apply(self, deployment: Deployment, changes: list[Change], goals: list[Goal]) -> dict[str, t.Any]:
        found: dict[str, t.Any] = {"changed": bool(changes), "diff": [tasks.difference(changes)] if changes else []}
        if self._task.check_mode:
            coming = {change.name for change in changes}
            changes, goals = [], [goal for goal in goals if goal.name not in coming]
        zones = tasks.open_zones(deployment, (goal.zone for goal in goals))
        run = Run(zones, changes, goals, self._display.display)
        try:
            run.apply()
            found["lines"] = tasks.outcome(run, goals)
        except LockstepError as error:
            found.update(error.result(), failed=True, changed=run.updated)
        return {
            **found,
            "entries": run.entries(),
            "safe_after": run.safe_after,
            "switch_after": run.switch_after,
            "name_servers": {name: zone.shown_servers() for name, zone in zones.items()},
        }
