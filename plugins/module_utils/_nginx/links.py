# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Symlinks that nginx follows with every request, moved in one step."""

from __future__ import annotations

import os

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


def current(link: str) -> str | None:
    """What a link names, as it is written in it; None when there is no link."""
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockstepError(f"{link} should be a symlink: {error.strerror}") from error


def switch(link: str, target: str) -> bool:
    """Point a link somewhere else in one step (``rename(2)``); whether anything changed is returned.

    Raises:
        LockstepError: Something else than a link is there.
    """
    return atomic.replace_symlink(target, link)


def open_folder(path: str) -> None:
    """Make a folder that nginx's workers can read."""
    os.makedirs(path, mode=0o755, exist_ok=True)
    if os.stat(path).st_mode & 0o777 != 0o755:
        os.chmod(path, 0o755)
