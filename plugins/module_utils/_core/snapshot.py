# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a folder that can be refreshed in a moment: most of it outside a freeze, the rest inside.

Files that did not change since an older snapshot are hard links to that one's copies, so a snapshot of many gigabytes
costs what changed. They are never links to the live files: whoever writes into an existing file would change them.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

#: Size in bytes and time of the last change in ns, by path below the folder.
Listing = dict[str, tuple[int, int]]


def listing(folder: str) -> Listing:
    """All regular files and symlinks of a folder. Files that go while we look are left out."""
    found: Listing = {}
    for parent, _names, files in os.walk(folder):
        for name in files:
            path = os.path.join(parent, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            found[os.path.relpath(path, folder)] = (status.st_size, status.st_mtime_ns)
    return found


def refresh(source: str, copy: str, older: str | None = None) -> Listing:
    """Make ``copy`` the same as ``source``.

    Args:
        source: The folder; a missing one counts as empty.
        copy: Where the snapshot lies or shall lie.
        older: An older snapshot of the same folder whose unchanged files are linked.

    Returns:
        What the snapshot holds.

    Raises:
        LockstepError: A file can't be read or written (full disk).
    """
    wanted = listing(source)
    have = listing(copy)
    linkable = listing(older) if older else {}
    folders.ensure(copy, mode=0o700)
    try:
        for path in have.keys() - wanted.keys():
            os.unlink(os.path.join(copy, path))
        for path, state in wanted.items():
            if have.get(path) != state:
                reusable = older if older is not None and linkable.get(path) == state else None
                _take(source, copy, path, reusable)
    except OSError as error:
        raise LockstepError(f"{source} could not be copied: {error}") from error
    return wanted


def put_back(copy: str, target: str, user: str | None, keep: t.Container[str] = ()) -> list[str]:
    """Restore the files of a snapshot that are missing or differ; files that came later stay.

    Args:
        copy: The snapshot.
        target: The folder.
        user: Who shall own what is restored.
        keep: Paths below the folder that stay as they are.

    Returns:
        The restored paths.
    """
    saved = listing(copy)
    now = listing(target)
    restored = [path for path, state in sorted(saved.items()) if now.get(path) != state and path not in keep]
    for path in restored:
        destination = os.path.join(target, path)
        folders.ensure(os.path.dirname(destination), user)
        temporary = f"{destination}.lockstep"
        shutil.copy2(os.path.join(copy, path), temporary, follow_symlinks=False)
        folders.give(temporary, user)
        os.rename(temporary, destination)
    return restored


def _take(source: str, copy: str, path: str, older: str | None) -> None:
    destination = os.path.join(copy, path)
    os.makedirs(os.path.dirname(destination), mode=0o700, exist_ok=True)
    temporary = f"{destination}.lockstep"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    try:
        if older is not None:
            os.link(os.path.join(older, path), temporary, follow_symlinks=False)
        else:
            shutil.copy2(os.path.join(source, path), temporary, follow_symlinks=False)
    except FileNotFoundError:
        return
    os.rename(temporary, destination)
