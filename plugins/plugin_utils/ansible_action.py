# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks that the controller does by itself."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


class ControllerAction(ActionBase):
    """A task that needs no connection, with its arguments checked and its errors told as modules tell theirs.

    Attributes:
        ARGUMENTS: What it takes, as an argument spec.
    """

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {}

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Do it."""
        variables = task_vars or {}
        result: dict[str, t.Any] = super().run(tmp, variables)
        _checked, arguments = self.validate_argument_spec(self.ARGUMENTS)  # type: ignore[no-untyped-call]
        result["changed"] = False
        try:
            result.update(self.act(arguments, variables))
        except LockstepError as error:
            result.update(self.failure(error), failed=True)
        return result

    def act(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the task is for.

        Args:
            arguments: The task's, defaults filled in.
            variables: The task's variables.

        Returns:
            What is added to the result; nothing has changed unless it says so.

        Raises:
            LockstepError: It failed.
        """
        raise NotImplementedError

    def failure(self, error: LockstepError) -> dict[str, t.Any]:
        """What an error adds to the result."""
        return error.result()
