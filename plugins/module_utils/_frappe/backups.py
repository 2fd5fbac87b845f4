# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backups of one site, each in a folder named after the deployment that took it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

#: What a backup says of itself; written last, so that a backup that has it is finished.
RECORD = "backup.json"


def read(folder: str) -> dict[str, t.Any]:
    """The record of a finished backup.

    Raises:
        LockstepError: There is none in this folder.
    """
    content = atomic.read_json(os.path.join(folder, RECORD))
    if content is None:
        raise LockstepError(f"{folder} holds no finished backup")
    return dict(content)


def newest(folder: str, but: str | None = None) -> str | None:
    """The newest finished backup of a site.

    Args:
        folder: Where the site's backups lie.
        but: One that doesn't count.
    """
    # Ids begin with their time, so names sort by age.
    names = sorted(os.listdir(folder), reverse=True) if os.path.isdir(folder) else []
    paths = [os.path.join(folder, name) for name in names]
    return next((path for path in paths if path != but and _is_finished(path)), None)


def _is_finished(folder: str) -> bool:
    try:
        return bool(atomic.read_json(os.path.join(folder, RECORD)))
    except LockstepError:
        return False
