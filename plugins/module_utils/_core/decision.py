# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody decided about a unit whose deployment waits for it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock


class Decision:
    """The word that a share which is held waits for.

    Args:
        folder: The unit's folder, with its journal.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "decision.json")

    def of(self, deployment_id: str) -> dict[str, t.Any] | None:
        """What was decided for a deployment: ``promote``, ``by``, ``reason``, ``at``; None if nothing was."""
        found: dict[str, t.Any] | None = atomic.read_json(self._path)
        return found if found and found.get("deployment_id") == deployment_id else None

    def take(self, deployment_id: str, *, promote: bool, by: str, reason: str) -> None:
        """Decide for a deployment; what was decided for another one is of no use any more."""
        content = {"deployment_id": deployment_id, "promote": promote, "by": by, "reason": reason}
        atomic.write_json(self._path, {**content, "at": clock.utc_now()})
