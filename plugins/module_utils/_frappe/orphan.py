# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ending a process that a killed module left running."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_PATIENCE = 30.0


def identify(pid: int) -> list[t.Any]:
    """What tells a process from a later one that was given the same id: the id and when it started."""
    return [pid, _start_time(pid)]


def end_orphan(identity: t.Sequence[t.Any] | None) -> bool:
    """End a process group that was written down with :func:`identify`, if it is still there.

    Returns:
        Whether there was anything to end.

    Raises:
        LockstepError: It doesn't end.
    """
    if not identity or _start_time(identity[0]) != identity[1]:
        return False
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(ProcessLookupError):
        os.killpg(identity[0], signal.SIGTERM)
        while _start_time(identity[0]) == identity[1]:
            if time.monotonic() > deadline - _PATIENCE / 2:
                os.killpg(identity[0], signal.SIGKILL)
            if time.monotonic() > deadline:
                raise LockstepError(f"process {identity[0]} doesn't end")
            time.sleep(0.1)
    return True


def _start_time(pid: int) -> str | None:
    """Field 22 of ``/proc/<pid>/stat`` (proc(5)); None when it is gone, or only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            fields = handle.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
