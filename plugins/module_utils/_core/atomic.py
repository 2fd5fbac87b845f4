# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are either the old or the new one, never half of each, also after a power cut."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import secrets
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import beneath, entries
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_RENAME_EXCHANGE = 2


def fsync_dir(path: str) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str, text: str, mode: int = 0o600, owner: str | None = None) -> None:
    """Replace a file as a whole: temporary file beside it, fsync, rename, fsync of the folder.

    Args:
        path: The file; its folder must exist. A symlink is followed, so that the link stays, but not with ``owner``.
        text: The new content, written as UTF-8.
        mode: Permissions of the new file.
        owner: User who shall own it (with that user's group); only root can give files away. Such a user owns the
            folder, too, and could plant a link to a file of somebody else.

    Raises:
        LockstepError: The file can't be written (full disk, missing folder, permission), or is a link that may not be
            followed; see :mod:`.beneath`.
    """
    try:
        with (beneath.located if owner is None else beneath.parent)(path) as (folder, name):
            if beneath.is_link(name, folder):
                raise LockstepError(f"{path} is a symlink: not written", hint="put the file itself in its place")
            _replace(folder, name, text, mode, entries.owner_of(owner))
    except OSError as error:
        raise LockstepError(f"{path} could not be written: {error.strerror or error}") from error


def _replace(folder: int, name: str, text: str, mode: int, owner: entries.Owner | None) -> None:
    temporary = _temporary()
    try:
        with open(entries.make_file(temporary, folder), "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            if owner is not None:
                os.fchown(handle.fileno(), *owner)
            os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:
        entries.unlink(temporary, folder)
        raise


def _temporary() -> str:
    return f".lockstep-{secrets.token_hex(8)}"


def write_json(path: str, data: t.Any, mode: int = 0o600, owner: str | None = None) -> None:
    """Replace a JSON file as a whole; see :func:`write_text`."""
    write_text(path, json.dumps(data, indent=1, sort_keys=False) + "\n", mode=mode, owner=owner)


def read_json(path: str, default: t.Any = None) -> t.Any:
    """Read a JSON file.

    Returns:
        Its content, or ``default`` when there is no such file.

    Raises:
        LockstepError: The file is there and isn't JSON, or can't be read, or is behind a link that may not be followed.
    """
    try:
        with beneath.reading(path) as handle:
            return json.load(handle)
    except FileNotFoundError:
        return default
    except PermissionError as error:
        raise LockstepError(
            f"{path} can't be read: {error.strerror}", hint="tasks must run as root: set become for this server"
        ) from error
    except (OSError, ValueError) as error:
        raise LockstepError(f"{path} can't be read as JSON: {error}") from error


def exchange(one: str, other: str) -> None:
    """Swap two paths of one file system in one step (``renameat2`` with ``RENAME_EXCHANGE``).

    Whoever opens either path meanwhile gets the old or the new one, never nothing.

    Raises:
        LockstepError: One is missing, they lie on different file systems, or the kernel can't do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        with beneath.parent(one) as (folder, name), beneath.parent(other) as (other_folder, other_name):
            paths = folder, os.fsencode(name), other_folder, os.fsencode(other_name)
            if libc.renameat2(*paths, _RENAME_EXCHANGE) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            os.fsync(folder)
            os.fsync(other_folder)
    except OSError as error:
        far = error.errno == errno.EXDEV
        reason = "they lie on different file systems" if far else error.strerror or error
        raise LockstepError(f"{one} and {other} could not be exchanged: {reason}") from error


def replace_symlink(target: str, link: str) -> bool:
    """Point a symlink somewhere else by ``rename(2)``, so that it never is missing.

    Args:
        target: What the link shall name, written into it as it is.
        link: The link; created if missing.

    Returns:
        Whether anything changed.

    Raises:
        LockstepError: There is something else than a symlink at ``link``.
    """
    try:
        with beneath.parent(link) as (folder, name):
            return _point(folder, name, target)
    except FileExistsError:
        raise LockstepError(f"{link} should be a symlink and is not") from None
    except OSError as error:
        raise LockstepError(f"{link} could not be pointed at {target}: {error.strerror}") from error


def _point(folder: int, name: str, target: str) -> bool:
    if beneath.is_link(name, folder):
        if os.readlink(name, dir_fd=folder) == target:
            return False
    elif os.access(name, os.F_OK, dir_fd=folder):
        raise FileExistsError
    temporary = _temporary()
    try:
        os.symlink(target, temporary, dir_fd=folder)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        entries.unlink(temporary, folder)
        raise
    os.fsync(folder)
    return True
