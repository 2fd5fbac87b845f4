# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders with the right owner and mode."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.lockstep.deploy.plugins.module_utils._core import beneath, entries
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


def give(path: str, user: str | None) -> None:
    """Make a user (and that user's group) the owner of a path; a link itself, not what it names. Root only."""
    owner = entries.owner_of(user)
    if owner is not None:
        with beneath.parent(path) as (above, name):
            os.chown(name, *owner, dir_fd=above, follow_symlinks=False)


def ensure(path: str, user: str | None = None, mode: int = 0o755) -> bool:
    """Make a folder and what is missing above it, all owned by ``user``.

    Returns:
        Whether it had to be made. An existing one is left as it is.

    Raises:
        LockstepError: It can't be made. Or root wants one for itself alone (a mode without rights for others), and the
            existing one belongs to somebody who could exchange what is in it.
    """
    try:
        return _ensure(os.path.abspath(path), user, mode)
    except OSError as error:
        raise LockstepError(f"folder {path} can't be made: {error.strerror or error}") from error


def _ensure(path: str, user: str | None, mode: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return _enter(path, user, mode)
    above, name = os.path.split(path)
    _ensure_above(above, user, mode)
    try:
        with beneath.entered(above) as place:
            entries.make_folder(name, place, mode, entries.owner_of(user))
    except FileExistsError:
        # Two benches of a server that are deployed to at once, and the other one was first.
        return _enter(path, user, mode)
    return True


def _enter(path: str, user: str | None, mode: int) -> bool:
    with beneath.entered(path) as found:
        if user is None and not mode & 0o077:
            _require_ours(path, found)
        return False


def _ensure_above(path: str, user: str | None, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError), beneath.entered(path):
        return
    _ensure(path, user, mode)


def require_ours(path: str) -> None:
    """Make sure that nobody else made a folder that root believes what is in it.

    Raises:
        LockstepError: It is another user's, or there is none.
    """
    try:
        with beneath.entered(path) as found:
            _require_ours(path, found)
    except OSError as error:
        raise LockstepError(f"folder {path} can't be entered: {error.strerror or error}") from error


def _require_ours(path: str, found: int) -> None:
    owner = os.fstat(found).st_uid
    if os.geteuid() == 0 and owner != 0:
        raise LockstepError(
            f"folder {path} belongs to user {owner} and is to hold what only root may change",
            hint=f"look at what is in it, then remove it or give it to root (chown -R root {path})",
        )


def link(path: str, target: str, user: str | None) -> None:
    """Make a symlink that belongs to a user.

    Raises:
        LockstepError: It can't be made, or there is something already.
    """
    try:
        with beneath.parent(path) as (above, name):
            entries.make_link(name, above, target, entries.owner_of(user))
    except OSError as error:
        raise LockstepError(f"link {path} can't be made: {error.strerror or error}") from error


def remove_link(path: str) -> None:
    """Remove a symlink; anything else stays.

    Raises:
        LockstepError: It can't be removed.
    """
    try:
        with beneath.parent(path) as (above, name):
            if beneath.is_link(name, above):
                entries.unlink(name, above)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LockstepError(f"link {path} can't be removed: {error.strerror or error}") from error


def remove_tree(path: str, inside: str) -> None:
    """Remove a folder that is ours; symlinks are removed, not followed.

    Args:
        path: The folder; missing is fine.
        inside: A folder it must lie in, so that a wrong path can't remove anything else.

    Raises:
        LockstepError: It lies elsewhere, or can't be removed.
    """
    parent = os.path.realpath(os.path.dirname(path))
    if os.path.commonpath([parent, os.path.realpath(inside)]) != os.path.realpath(inside):
        raise LockstepError(f"{path} does not lie in {inside}: not removed")
    try:
        with beneath.parent(path) as (above, name):
            entries.remove(name, above)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LockstepError(f"{path} could not be removed: {error.strerror or error}") from error
