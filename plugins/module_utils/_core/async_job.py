# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that Ansible started with ``async`` on this server: whether it ended, or is gone without a word."""

from __future__ import annotations

import json
import os
import re
import time

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

RUNNING, FINISHED, GONE = "running", "finished", "gone"

#: The name that Ansible gave it, and the number of the process that began it.
_JOB = re.compile(r"(?P<name>j?[0-9]+)\.[0-9]+\Z")
_LOOK_AGAIN = 0.5


class AsyncJob:
    """One such process.

    Args:
        folder: Where results are written (``async_dir``).
        jid: The job's id, as the task that started it returned it.

    Raises:
        LockstepError: It can't be a job's id.
    """

    def __init__(self, folder: str, jid: str) -> None:
        found = _JOB.match(jid)
        if found is None:
            raise LockstepError(f"{jid!r} is no id of a job of Ansible's")
        # It is an argument of the process that waits for the module's end and writes its result.
        self._argument = found["name"].encode()
        self._path = os.path.join(folder, jid)

    def state(self) -> str:
        """``running``, ``finished``, or ``gone``: nobody is there any more who could write a result."""
        # In this order: what it writes before it ends is there when it is seen to have ended.
        alive = self._is_alive()
        if self._has_result():
            return FINISHED
        return RUNNING if alive else GONE

    def wait(self, within: float) -> str:
        """The same, as soon as it runs no more.

        Args:
            within: Seconds after which it is told that it still does.
        """
        deadline = time.monotonic() + within
        while True:
            state = self.state()
            if state == GONE:
                # One look is not believed: a process that is being replaced by another program has no arguments.
                time.sleep(_LOOK_AGAIN)
                state = self.state()
            left = deadline - time.monotonic()
            if state != RUNNING or left <= 0:
                return state
            time.sleep(min(_LOOK_AGAIN, left))

    def _has_result(self) -> bool:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as handle:
                content = json.load(handle)
        except (OSError, ValueError):
            return False
        # Until then there stands only that it began.
        return isinstance(content, dict) and ("started" not in content or bool(content.get("finished")))

    def _is_alive(self) -> bool:
        return any(name.isdigit() and self._argument in _arguments(name) for name in os.listdir("/proc"))


def _arguments(process: str) -> list[bytes]:
    """What one of our own processes was started with; anybody may give his such a name."""
    try:
        if os.stat(f"/proc/{process}").st_uid != os.geteuid():
            return []
        with open(f"/proc/{process}/cmdline", "rb") as handle:
            return handle.read().split(b"\0")
    except OSError:
        # It ended just now, or is of somebody else whose processes we may not see.
        return []
