# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of open folders made, copied, moved and removed, never through a link; see :mod:`.beneath`."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shutil
import stat
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import beneath
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20  # bytes
# Others give rights (security.capability), which a copy must not have.
_ATTRIBUTES = ("user.", "system.posix_acl_access")


class Owner(t.NamedTuple):
    """Whom something shall belong to."""

    uid: int
    gid: int


def owner_of(user: str | None) -> Owner | None:
    """A user with that user's group; None where there is nothing to give away: only root can do that.

    Raises:
        LockstepError: There is no such user.
    """
    if user is None or os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise LockstepError(f"there is no user {user} on this server") from None
    return Owner(account.pw_uid, account.pw_gid)


def make_folder(name: str, above: int, mode: int, owner: Owner | None) -> None:
    """Make a folder in an open folder.

    Raises:
        OSError: It can't be made, or is another one by the time it is given away.
    """
    os.mkdir(name, 0o700, dir_fd=above)
    with beneath.child(name, above) as made:
        if owner is not None:
            # Who owns the folder around it could have put something of root's in its place.
            if os.fstat(made).st_uid != os.geteuid() or os.listdir(made):
                raise OSError(errno.EAGAIN, "somebody exchanged it while it was made", name)
            os.fchown(made, *owner)
        os.fchmod(made, mode)


def make_file(name: str, above: int) -> int:
    """Make an empty file of mode 0600 in an open folder; its descriptor is returned.

    Raises:
        FileExistsError: There is something of that name, even a link that leads nowhere.
    """
    return os.open(name, _NEW, 0o600, dir_fd=above)


def make_link(name: str, above: int, target: str, owner: Owner | None) -> None:
    """Make a symlink in an open folder."""
    os.symlink(target, name, dir_fd=above)
    if owner is not None:
        os.chown(name, *owner, dir_fd=above, follow_symlinks=False)


@contextlib.contextmanager
def descend(above: int, path: str, owner: Owner | None = None, mode: int | None = None) -> t.Iterator[int]:
    """A folder some way below an open one.

    Args:
        above: The open folder.
        path: Below it; empty for itself.
        owner: Whom folders shall belong to that have to be made.
        mode: Their mode. With it, what is missing is made, and what is no folder, a link above all, is replaced.

    Raises:
        OSError: It can't be entered or made.
    """
    with contextlib.ExitStack() as stack:
        current = above
        for name in filter(None, path.split("/")):
            if mode is not None and not beneath.is_folder(name, current):
                unlink(name, current)
                make_folder(name, current, mode, owner)
            current = stack.enter_context(beneath.child(name, current))
        yield current


def unlink(name: str, above: int) -> None:
    """Remove a file or link of an open folder; missing is fine."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=above)


def copy(name: str, source: int, new: str, target: int, owner: Owner | None) -> None:
    """Copy a file or symlink of an open folder into another, with its time and its permissions.

    Args:
        name: The entry.
        source: The folder it is in.
        new: The name of the copy, which must not exist.
        target: The folder for the copy.
        owner: Whom the copy shall belong to; us if None.

    Raises:
        OSError: It can't be read or written, or is neither file nor link.
    """
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        make_link(new, target, os.readlink(name, dir_fd=source), owner)
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)
        return
    with open(beneath.open_regular(name, source), "rb") as read, open(make_file(new, target), "wb") as written:
        status = os.fstat(read.fileno())
        shutil.copyfileobj(read, written, _PIECE)
        written.flush()
        if owner is not None:
            os.fchown(written.fileno(), *owner)
        _copy_attributes(read.fileno(), written.fileno())
        # No bit that makes a program run as its owner.
        os.fchmod(written.fileno(), status.st_mode & 0o777)
        os.utime(written.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))


def move(name: str, source: int, target: int) -> None:
    """Move an entry of an open folder into another: folders are merged, and anything else that is there is replaced.

    Raises:
        OSError: A file would replace a folder, or can't be moved.
    """
    from_folder, to_folder = beneath.is_folder(name, source), beneath.is_folder(name, target)
    if from_folder and to_folder:
        with beneath.child(name, source) as inner, beneath.child(name, target) as place:
            for entry in os.listdir(inner):
                move(entry, inner, place)
        os.rmdir(name, dir_fd=source)
        return
    if from_folder:
        # rename(2) puts a folder over nothing but a folder.
        unlink(name, target)
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_far(name, source, target)


def remove(name: str, above: int) -> None:
    """Remove an entry of an open folder with all that is in it; links are removed, not followed. Missing is fine."""
    if not beneath.is_folder(name, above):
        unlink(name, above)
        return
    with contextlib.suppress(FileNotFoundError), beneath.child(name, above) as inner:
        with os.scandir(inner) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for entry_name, is_folder in found:
            if is_folder:
                remove(entry_name, inner)
            else:
                unlink(entry_name, inner)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=above)


def _move_far(name: str, source: int, target: int) -> None:
    """Move to another file system, which somebody mounted among the data."""
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    owner = Owner(status.st_uid, status.st_gid) if os.geteuid() == 0 else None
    if stat.S_ISDIR(status.st_mode):
        make_folder(name, target, status.st_mode & 0o777, owner)
        move(name, source, target)
        return
    temporary = f"{name}.lockstep"
    unlink(temporary, target)
    copy(name, source, temporary, target, owner)
    os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)
    os.unlink(name, dir_fd=source)


def _copy_attributes(source: int, target: int) -> None:
    # Not every file system has them.
    with contextlib.suppress(OSError):
        for name in os.listxattr(source):
            if name.startswith(_ATTRIBUTES):
                os.setxattr(target, name, os.getxattr(source, name))
