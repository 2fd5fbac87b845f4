# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds out, on the controller, what has to change about DNS records."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_deployment, ansible_values
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns import changes, run, tasks
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ansible_action import ControllerAction


class ActionModule(ControllerAction):
    """Asks the primary name servers, and changes nothing."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "deployment": {"type": "raw"},
        "state": {"type": "str", "choices": list(changes.STATES), "default": "present"},
        "sites": {"type": "dict", "required": True},
    }

    def act(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Look, and decide."""
        deployment = ansible_deployment.load(self._loader, variables, arguments["deployment"])
        sites = ansible_values.plain(arguments["sites"])
        left_out = tasks.left_out(deployment, sites)
        wanted = tasks.wanted_names(deployment, {unit: one for unit, one in sites.items() if unit not in left_out})
        if left_out and not wanted:
            raise LockstepError(next(iter(left_out.values())), left=changes.UNTOUCHED, hint=tasks.WITHOUT_RECORD)
        if not wanted:
            raise LockstepError(
                "none of the selected sites has DNS records",
                left=changes.UNTOUCHED,
                hint="A site's records are said in the deployment file, under its dns",
            )
        zones = tasks.open_zones(deployment, (one.zone for one in wanted))
        decided = run.look(arguments["state"], zones, wanted)
        found = [decision.change for decision in decided if decision.change is not None]
        entries: dict[str, dict[str, t.Any]] = {}
        for change in found:
            entries.setdefault(change.unit, {})[change.name] = change.entry
        return {
            "changes": [tasks.as_data(change) for change in found],
            "goals": [tasks.as_data(decision.goal) for decision in decided],
            "entries": entries,
            "warnings": [warning for decision in decided for warning in decision.warnings],
            "lines": [line for change in found for line in tasks.lines(change)],
            "diff": [tasks.difference(found)],
        }
