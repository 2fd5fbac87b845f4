# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads on the controller what is to be validated."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_values, validation_choices

_ARGUMENTS: dict[str, t.Any] = {
    "variables": {"type": "dict", "default": {}},
    "deployment_environment": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    """Needs no connection, and changes nothing."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Read the choices; refuse what can't be understood."""
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        _checked, arguments = self.validate_argument_spec(_ARGUMENTS)  # type: ignore[no-untyped-call]
        # Within a task this name means the task's own environment, so no template finds the extra variable.
        environment = load_extra_vars(self._loader).get("environment")
        variables = ansible_values.plain({**arguments["variables"], "environment": environment})
        choices = validation_choices.read(variables, arguments["deployment_environment"])
        result["changed"] = False
        if choices.problems:
            return {**result, "failed": True, "msg": " | ".join(choices.problems)}
        return {**result, "choices": {name: ansible_values.plain(value) for name, value in vars(choices).items()}}
