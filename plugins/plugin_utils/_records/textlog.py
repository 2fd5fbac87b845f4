# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text log per deployment, one line per event, for people and for grep."""

from __future__ import annotations

import os
import pathlib
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields


class TextLog:
    """Appends lines to ``<folder>/<deployment id>.log``; folder 0700, files 0600.

    Args:
        folder: Where the logs lie; made when the first line is written.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def path(self, deployment_id: str) -> str:
        """The file of a deployment.

        Raises:
            LockstepError: The id can't be a file's name.
        """
        if not fields.is_identifier(deployment_id):
            raise LockstepError("a deployment's id is made of letters, digits, dots, dashes and underscores")
        return os.path.join(self.folder, f"{deployment_id}.log")

    def append(self, deployment_id: str, lines: t.Iterable[str]) -> None:
        """Write lines at the end, each in one piece, also while another process does.

        Raises:
            OSError: The file can't be written.
        """
        path = self.path(deployment_id)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            for line in lines:
                os.write(descriptor, (line + "\n").encode("utf-8", errors="replace"))
        finally:
            os.close(descriptor)

    def read(self, deployment_id: str) -> list[str]:
        """The lines of a deployment; none when there is no log of it."""
        try:
            return pathlib.Path(self.path(deployment_id)).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []


def line(at: str, level: str, message: str, unit: str | None = None, phase: str | None = None) -> str:
    """An event as one line: time, level, where, message; its form is stable."""
    where = "/".join(part for part in (unit, phase) if part) or "-"
    return f"{at} {level.upper():<7} {where} {' '.join(message.split())}"
