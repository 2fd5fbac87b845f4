# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints lines as they are, and writes the data behind them."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_values
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ansible_action import ControllerAction


class ActionModule(ControllerAction):
    """Changes nothing but the file that is asked for."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "lines": {"type": "list", "elements": "str", "default": []},
        "color": {"type": "str", "choices": ["red", "yellow", "green"]},
        "warnings": {"type": "list", "elements": "str", "default": []},
        "data": {"type": "raw"},
        "file": {"type": "str"},
    }

    def act(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Print, and write as asked."""
        for line in arguments["lines"]:
            self._display.display(fields.shown(line), color=arguments["color"])
        told = {"warnings": arguments["warnings"]} if arguments["warnings"] else {}
        # An empty path counts as absent: AWX sends one for a survey question that was left empty.
        if not arguments["file"] or self._task.check_mode:
            return told
        file = os.path.abspath(os.path.expanduser(arguments["file"]))
        try:
            atomic.write_json(file, ansible_values.plain(arguments["data"]), mode=0o644)
        except LockstepError as error:
            return {**told, "file": file, **error.result(), "failed": True}
        return {**told, "file": file}
