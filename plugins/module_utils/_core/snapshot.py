# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a folder that can be refreshed in a moment: most of it outside a freeze, the rest inside.

Files that did not change since an older snapshot are hard links to that one's copies, so a snapshot of many gigabytes
costs what changed. They are never links to the live files: whoever writes into an existing file would change them.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import beneath, entries, folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

#: Size in bytes and time of the last change in ns, by path below the folder.
Listing = dict[str, tuple[int, int]]


def listing(folder: str) -> Listing:
    """All regular files and symlinks of a folder. Files that go while we look are left out.

    Raises:
        LockstepError: The folder can't be read, or is behind a link that may not be followed.
    """
    try:
        with contextlib.ExitStack() as stack:
            return _listing(_opened(stack, folder))
    except OSError as error:
        raise LockstepError(f"{folder} can't be read: {error.strerror or error}") from error


def _listing(folder: int | None) -> Listing:
    found: Listing = {}
    if folder is None:
        return found
    for parent, _names, files, descriptor in os.fwalk(".", dir_fd=folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                found[os.path.normpath(os.path.join(parent, name))] = (status.st_size, status.st_mtime_ns)
    return found


def _opened(stack: contextlib.ExitStack, folder: str) -> int | None:
    """An open folder; None where there is none."""
    try:
        return stack.enter_context(beneath.folder(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None


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
    folders.ensure(copy, mode=0o700)
    try:
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(beneath.folder(copy))
            known = _opened(stack, older) if older else None
            return _refresh(_opened(stack, source), place, known)
    except OSError as error:
        raise LockstepError(f"{source} could not be copied: {error}") from error


def _refresh(source: int | None, copy: int, older: int | None) -> Listing:
    wanted, have, linkable = _listing(source), _listing(copy), _listing(older)
    for path in have.keys() - wanted.keys():
        above, name = os.path.split(path)
        with entries.descend(copy, above) as place:
            os.unlink(name, dir_fd=place)
    for path, state in wanted.items():
        if source is not None and have.get(path) != state:
            _take(source, copy, path, older if linkable.get(path) == state else None)
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

    Raises:
        LockstepError: A file can't be written, or the folder is behind a link that may not be followed.
    """
    saved, now = listing(copy), listing(target)
    restored = [path for path, state in sorted(saved.items()) if now.get(path) != state and path not in keep]
    if not restored:
        return []
    folders.ensure(target, user)
    try:
        with beneath.folder(copy) as source, beneath.folder(target) as place:
            for path in restored:
                _restore(source, place, path, entries.owner_of(user))
    except OSError as error:
        raise LockstepError(f"{target} could not be restored: {error}") from error
    return restored


def _restore(copy: int, target: int, path: str, owner: entries.Owner | None) -> None:
    """Put one file back. The folder is its user's, who could wait for us with a link in any place."""
    above, name = os.path.split(path)
    temporary = f"{name}.lockstep"
    with entries.descend(copy, above) as source, entries.descend(target, above, owner, 0o755) as place:
        entries.unlink(temporary, place)
        entries.copy(name, source, temporary, place, owner)
        os.rename(temporary, name, src_dir_fd=place, dst_dir_fd=place)


def _take(source: int, copy: int, path: str, older: int | None) -> None:
    above, name = os.path.split(path)
    temporary = f"{name}.lockstep"
    with entries.descend(copy, above, mode=0o700) as place:
        entries.unlink(temporary, place)
        try:
            with entries.descend(source if older is None else older, above) as found:
                if older is None:
                    entries.copy(name, found, temporary, place, None)
                else:
                    os.link(name, temporary, src_dir_fd=found, dst_dir_fd=place, follow_symlinks=False)
        except FileNotFoundError:
            return
        os.rename(temporary, name, src_dir_fd=place, dst_dir_fd=place)
