# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans a deployment on the controller."""

from __future__ import annotations

import os
import typing as t

from ansible.inventory.manager import InventoryManager

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import (
    account,
    ansible_deployment,
    deployment,
    plan,
    plan_render,
    schedule,
)
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ansible_action import ControllerAction
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.sources import Sources

_RED = "red"


class ActionModule(ControllerAction):
    """Reads the deployment, pins its apps and lays out the units. Changes nothing but the files that are asked for."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "deployment": {"type": "raw"},
        "plan_file": {"type": "str"},
        "plan_graph": {"type": "str"},
        "strategy": {"type": "str"},
        "show": {"type": "bool", "default": False},
        "export": {"type": "bool", "default": False},
        "installed": {"type": "dict", "default": {}},
        "history": {"type": "dict", "default": {}},
        "cache": {"type": "str"},
        "timeout": {"type": "float", "default": 600.0},
    }

    def failure(self, error: LockstepError) -> dict[str, t.Any]:
        """What an error adds to the result; what is wrong with a deployment is shown, too."""
        if not isinstance(error, DeploymentError):
            return super().failure(error)
        self._say([f"{error.summary}:", *(f"  {line}" for line in error.lines)], _RED)
        more = {"resolution": error.resolution} if isinstance(error, plan.PlanError) else {}
        return {"msg": error.summary, "errors": error.lines, **more}

    def act(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Plan, show and write as asked."""
        around = plan.Surroundings(
            servers=set(variables.get("groups", {}).get("all", ())),
            limit=self._limit(variables),
            installed={str(name): version and str(version) for name, version in arguments["installed"].items()},
            history={str(name): float(seconds) for name, seconds in arguments["history"].items()},
        )
        sources = Sources(arguments["cache"], arguments["timeout"])
        try:
            given, strategy = arguments["deployment"], arguments["strategy"]
            found = ansible_deployment.load(self._loader, variables, given, strategy)
        except deployment.RefusedDeployment as error:
            further = plan.find_further_problems(error, sources, around)
            raise DeploymentError([*error.problems, *further], error.what) from error
        planned = plan.make_plan(found, sources, around)
        if arguments["show"]:
            self._say(plan_render.as_lines(planned))
        written = {} if self._task.check_mode else _write(arguments, planned)
        if arguments["export"]:
            written["archives"] = {app["name"]: sources.export(app["commit"]) for app in planned["apps"]}
        window = schedule.window(found.strategy, found.options)
        return {"plan": planned, "window": window, "user": account.name(), **written}

    def _limit(self, variables: dict[str, t.Any]) -> set[str] | None:
        """The hosts that --limit leaves."""
        limit = variables.get("ansible_limit")
        if not limit:
            return None
        manager = InventoryManager(self._loader, parse=False)
        for group, hosts in variables.get("groups", {}).items():
            manager.add_group(group)
            for host in hosts:
                manager.add_host(host, group=group)
        manager.subset(str(limit))
        return {host.name for host in manager.get_hosts("all")}

    def _say(self, lines: t.Iterable[str], color: str | None = None) -> None:
        for line in lines:
            self._display.display(line, color=color)


def _write(arguments: dict[str, t.Any], planned: dict[str, t.Any]) -> dict[str, t.Any]:
    """Write the plan where that was asked; an empty path counts as absent."""
    written: dict[str, t.Any] = {}
    if arguments["plan_file"]:
        written["plan_file"] = _place(arguments["plan_file"])
        atomic.write_json(written["plan_file"], planned, mode=0o644)
    if arguments["plan_graph"]:
        written["plan_graph"] = _place(arguments["plan_graph"])
        atomic.write_text(written["plan_graph"], plan_render.as_mermaid(planned), mode=0o644)
    return written


def _place(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
