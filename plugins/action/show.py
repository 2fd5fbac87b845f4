# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints lines as they are, and writes the data behind them."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_values
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields

_ARGUMENTS: dict[str, t.Any] = {
    "lines": {"type": "list", "elements": "str", "default": []},
    "color": {"type": "str", "choices": ["red", "yellow", "green"]},
    "warnings": {"type": "list", "elements": "str", "default": []},
    "data": {"type": "raw"},
    "file": {"type": "str"},
}


class ActionModule(ActionBase):
    """Needs no connection, and changes nothing but the file that is asked for."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Print, and write as asked."""
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        _checked, arguments = self.validate_argument_spec(_ARGUMENTS)  # type: ignore[no-untyped-call]
        for line in arguments["lines"]:
            self._display.display(fields.shown(line), color=arguments["color"])
        result["changed"] = False
        if arguments["warnings"]:
            result["warnings"] = arguments["warnings"]
        # An empty path counts as absent: AWX sends one for a survey question that was left empty.
        if arguments["file"] and not self._task.check_mode:
            result["file"] = os.path.abspath(os.path.expanduser(arguments["file"]))
            try:
                atomic.write_json(result["file"], ansible_values.plain(arguments["data"]), mode=0o644)
            except LockstepError as error:
                result.update(failed=True, **error.result())
        return result
