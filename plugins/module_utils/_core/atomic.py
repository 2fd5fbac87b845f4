# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are either the old or the new one, never half of each, also after a power cut."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import pwd
import tempfile
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_AT_FDCWD = -100
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
        path: The file; its folder must exist. A symlink is followed, so that the link stays.
        text: The new content, written as UTF-8.
        mode: Permissions of the new file.
        owner: User who shall own it (with that user's group); only root can give files away.

    Raises:
        LockstepError: The file can't be written (full disk, missing folder, permission).
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".lockstep-", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fchmod(handle.fileno(), mode)
            if owner is not None and os.geteuid() == 0:
                account = pwd.getpwnam(owner)
                os.fchown(handle.fileno(), account.pw_uid, account.pw_gid)
            os.fsync(handle.fileno())
        os.rename(temporary, target)
        fsync_dir(folder)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise LockstepError(f"{path} could not be written: {error.strerror or error}") from error


def write_json(path: str, data: t.Any, mode: int = 0o600, owner: str | None = None) -> None:
    """Replace a JSON file as a whole; see :func:`write_text`."""
    write_text(path, json.dumps(data, indent=1, sort_keys=False) + "\n", mode=mode, owner=owner)


def read_json(path: str, default: t.Any = None) -> t.Any:
    """Read a JSON file.

    Returns:
        Its content, or ``default`` when there is no such file.

    Raises:
        LockstepError: The file is there and isn't JSON, or can't be read.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            return json.load(handle)
    except FileNotFoundError:
        return default
    except (OSError, ValueError) as error:
        raise LockstepError(f"{path} can't be read as JSON: {error}") from error


def exchange(one: str, other: str) -> None:
    """Swap two paths of one file system in one step (``renameat2`` with ``RENAME_EXCHANGE``).

    Whoever opens either path meanwhile gets the old or the new one, never nothing.

    Raises:
        LockstepError: One is missing, they lie on different file systems, or the kernel can't do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        fsync_dir(os.path.dirname(one) or ".")
        fsync_dir(os.path.dirname(other) or ".")
        return
    number = ctypes.get_errno()
    reason = "they lie on different file systems" if number == errno.EXDEV else os.strerror(number)
    raise LockstepError(f"{one} and {other} could not be exchanged: {reason}")


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
    if os.path.islink(link):
        if os.readlink(link) == target:
            return False
    elif os.path.lexists(link):
        raise LockstepError(f"{link} should be a symlink and is not")
    temporary = f"{link}.{os.getpid()}.new"
    try:
        os.symlink(target, temporary)
        os.rename(temporary, link)
    except OSError as error:
        if os.path.islink(temporary):
            os.unlink(temporary)
        raise LockstepError(f"{link} could not be pointed at {target}: {error.strerror}") from error
    fsync_dir(os.path.dirname(link) or ".")
    return True
