# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Returns what a module of the collection would return for a phase; does nothing."""

from __future__ import annotations

import pathlib
import time
import typing as t

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Arguments are the result; ``fail`` makes it fail, ``unreachable`` makes the server not answer."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the arguments, after waiting for the file that ``wait_for`` names."""
        given = dict(self._task.args)
        awaited = given.pop("wait_for", None)
        while awaited and not pathlib.Path(awaited).exists():
            time.sleep(0.02)
        return super().run(tmp, task_vars) | {
            "changed": bool(given.pop("changed", True)),
            "failed": bool(given.pop("fail", False)),
            "unreachable": bool(given.pop("unreachable", False)),
            **given,
        }
