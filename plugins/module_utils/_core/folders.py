# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders with the right owner and mode."""

from __future__ import annotations

import os
import pwd
import shutil

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


def give(path: str, user: str | None) -> None:
    """Make a user (and that user's group) the owner of a path; a link itself, not what it names. Root only."""
    if user is None or os.geteuid() != 0:
        return
    account = pwd.getpwnam(user)
    os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def ensure(path: str, user: str | None = None, mode: int = 0o755) -> bool:
    """Make a folder and what is missing above it, all owned by ``user``.

    Returns:
        Whether it had to be made. An existing one is left as it is.

    Raises:
        LockstepError: It can't be made.
    """
    missing = []
    current = path
    while not os.path.isdir(current):
        missing.append(current)
        current = os.path.dirname(current)
    try:
        for folder in reversed(missing):
            os.mkdir(folder, mode)
            os.chmod(folder, mode)
            give(folder, user)
    except OSError as error:
        raise LockstepError(f"folder {path} can't be made: {error.strerror or error}") from error
    return bool(missing)


def remove_tree(path: str, inside: str) -> None:
    """Remove a folder that is ours; symlinks are removed, not followed.

    Args:
        path: The folder; missing is fine.
        inside: A folder it must lie in, so that a wrong path can't remove anything else.

    Raises:
        LockstepError: It lies elsewhere.
    """
    parent = os.path.realpath(os.path.dirname(path))
    if os.path.commonpath([parent, os.path.realpath(inside)]) != os.path.realpath(inside):
        raise LockstepError(f"{path} does not lie in {inside}: not removed")
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
