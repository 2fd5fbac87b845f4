# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for a process on a server, without a word until it ended."""

from __future__ import annotations

import os
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.lockstep.deploy.plugins.module_utils._core.async_job import FINISHED, GONE
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.waiting import LATE, RELEASED, ConnectionLost, Waiting

_ARGUMENTS: dict[str, t.Any] = {
    "jid": {"type": "str", "required": True},
    "timeout": {"type": "float"},
    "patience": {"type": "float", "default": 600.0},
    "together": {"type": "str", "default": ""},
}
# Seconds that the server is asked for at a time: it answers when the job ends, not before.
_EVERY = 30.0
# Between two questions nothing is heard of the others.
_EVERY_TOGETHER = 8.0


class ActionModule(ActionBase):
    """Asks the server again and again, and has Ansible's own module fetch the result."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Wait, and return what the job returned."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(_ARGUMENTS)  # type: ignore[no-untyped-call]
        self._variables = task_vars or {}
        self._jid = str(arguments["jid"])
        self._folder = self._remote_expand_user(self.get_shell_option("async_dir", default="~/.ansible_async"))
        others = _Others(arguments["together"])
        waiting = Waiting(
            self._ask,
            every=_EVERY_TOGETHER if arguments["together"] else _EVERY,
            timeout=arguments["timeout"],
            patience=arguments["patience"],
            released=others.failed,
        )
        try:
            state, found = waiting.run(), {}
            if state == FINISHED:
                found = self._result()
                state = FINISHED if found else GONE
            if state in (FINISHED, GONE):
                self._async_status("cleanup")
            found = found or _problem(state, arguments["timeout"])
        except ConnectionLost as lost:
            raise AnsibleConnectionFailure(str(lost)) from lost
        except LockstepError as error:
            state, found = GONE, {"failed": True, **error.result()}
        if found.get("failed") and state == FINISHED:
            others.tell()
        return {**result, **found, "job": state, "released": state == RELEASED}

    def _ask(self, within: float) -> str:
        answer = self._module("lockstep.deploy.job_info", folder=self._folder, within=within)
        if answer.get("failed"):
            raise LockstepError(f"the job could not be looked at: {answer.get('msg')}", detail=_output(answer))
        return str(answer["state"])

    def _result(self) -> dict[str, t.Any]:
        """What the job returned; nothing where it was killed before that."""
        found = self._async_status("status")
        # What starts the module for Ansible says only that it could not read its answer.
        killed = found.get("failed") and "cmd" in found and "data" in found and not str(found["data"]).strip()
        return {} if killed else found

    def _async_status(self, mode: str) -> dict[str, t.Any]:
        return self._module("ansible.legacy.async_status", mode=mode, _async_dir=self._folder)

    def _module(self, name: str, **arguments: t.Any) -> dict[str, t.Any]:
        given = {"jid": self._jid, **arguments}
        try:
            found: dict[str, t.Any] = self._execute_module(
                module_name=name, module_args=given, task_vars=self._variables
            )
        except AnsibleConnectionFailure as error:
            raise ConnectionLost(str(error)) from error
        return found


class _Others:
    """What waits of one run have in common: a folder of the controller's that is gone when the run is."""

    def __init__(self, name: str) -> None:
        folder: str = C.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined]  # constants are made of the configuration
        self._path = os.path.join(folder, f"lockstep-{name}.failed") if name else ""

    def failed(self) -> bool:
        return bool(self._path) and os.path.exists(self._path)

    def tell(self) -> None:
        if self._path:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))


def _problem(state: str, timeout: float | None) -> dict[str, t.Any]:
    """Why there is no result; empty where that is no failure."""
    if state == GONE:
        error = LockstepError(
            "its process on the server is gone and left no result: it was killed, or went down with its server",
            left="as its records on the server say",
            hint="look at playbooks/status.yml",
        )
    elif state == LATE:
        error = LockstepError(f"it did not end within {timeout:g} s", left="its process goes on")
    else:
        return {}
    return {"failed": True, **error.result()}


def _output(answer: t.Mapping[str, t.Any]) -> list[str]:
    """The end of what a module said that did not answer."""
    said = f"{answer.get('stdout') or answer.get('module_stdout') or ''}\n{answer.get('stderr') or ''}"
    return said.strip().splitlines()[-20:]
