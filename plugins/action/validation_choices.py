# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads on the controller what is to be validated."""

from __future__ import annotations

import typing as t

from ansible.utils.vars import load_extra_vars

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_values, validation_choices
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ansible_action import ControllerAction


class ActionModule(ControllerAction):
    """Changes nothing."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "variables": {"type": "dict", "default": {}},
        "deployment_environment": {"type": "str", "required": True},
    }

    def act(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Read the choices; refuse what can't be understood."""
        # Within a task this name means the task's own environment, so no template finds the extra variable.
        environment = load_extra_vars(self._loader).get("environment")
        given = ansible_values.plain({**arguments["variables"], "environment": environment})
        choices = validation_choices.read(given, arguments["deployment_environment"])
        if choices.problems:
            raise LockstepError(" | ".join(choices.problems))
        return {"choices": {name: ansible_values.plain(value) for name, value in vars(choices).items()}}
