# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths through folders of other users, who could plant symlinks in them.

Root acts in benches, whose folders their users own. A path is therefore walked once, folder by folder, and what is done
at its end is done relative to the open folder: what its owner renames meanwhile leads nobody elsewhere. A link of root
is followed. A link of another user is followed only to what that user owns, who gains nothing by it then. Who isn't
root has only rights of their own to lose: their links are followed like everywhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
# Linux has it, and so have all managed nodes. A controller need not: there, files are the caller's own.
_O_PATH: int | None = getattr(os, "O_PATH", None)
# As the kernel's own limit (path_resolution(7)).
_MOST_LINKS = 40


@contextlib.contextmanager
def folder(path: str) -> t.Iterator[int]:
    """An open folder, as a descriptor to read it, to sync it, and for ``dir_fd``.

    Raises:
        OSError: There is none, or it may not be entered.
        LockstepError: A link on the way may not be followed.
    """
    with _closing(_reach(path)) as place, _closing(_open_again(place)) as found:
        yield found


@contextlib.contextmanager
def entered(path: str) -> t.Iterator[int]:
    """Like :func:`folder`, for ``dir_fd`` alone: a folder that can be entered need not be readable."""
    with _closing(_reach(path)) as place:
        yield place


@contextlib.contextmanager
def parent(path: str) -> t.Iterator[tuple[int, str]]:
    """The open folder of an entry that need not exist, and the entry's name in it; it may be a link itself."""
    above, name = os.path.split(os.path.abspath(path))
    with folder(above) as found:
        yield found, name


@contextlib.contextmanager
def located(path: str) -> t.Iterator[tuple[int, str]]:
    """Like :func:`parent`, of the entry that a path leads to if it is a link itself."""
    if _O_PATH is None:
        path = os.path.realpath(path)
    with contextlib.ExitStack() as stack:
        above, name = stack.enter_context(parent(path))
        walk = _Walk(path)
        while walk.is_link(above, name):
            reached, name = walk.follow(above, name)
            with _closing(reached):
                above = stack.enter_context(_closing(_open_again(reached)))
        yield above, name


@contextlib.contextmanager
def reading(path: str) -> t.Iterator[t.TextIO]:
    """An open text file (UTF-8).

    Raises:
        OSError: There is none, or it is no regular file.
        LockstepError: A link on the way may not be followed.
    """
    with located(path) as (above, name):
        descriptor = open_regular(name, above)
    with open(descriptor, encoding="utf-8") as handle:
        yield handle


def open_regular(name: str, above: int) -> int:
    """Open a file of an open folder for reading; not a link, and not a pipe, which would keep us waiting.

    Raises:
        OSError: It is no regular file.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK, dir_fd=above)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", name)
    return descriptor


@contextlib.contextmanager
def child(name: str, above: int) -> t.Iterator[int]:
    """A folder in an open folder, never through a link.

    Raises:
        NotADirectoryError: It is a link, or no folder.
    """
    with _closing(os.open(name, _FOLDER | _NO_LINK, dir_fd=above)) as found:
        yield found


def is_folder(name: str, above: int) -> bool:
    """Whether an entry of an open folder is a folder, and no link to one."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def is_link(name: str, above: int) -> bool:
    """Whether an entry of an open folder is a symlink."""
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _closing(descriptor: int) -> t.Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _reach(path: str) -> int:
    if _O_PATH is None:
        return os.open(path, _FOLDER)
    return _Walk(path).enter(None, os.path.abspath(path))


def _open_again(place: int) -> int:
    """A descriptor of the same folder that can be read."""
    return os.open(".", _FOLDER, dir_fd=place)


class _Walk:
    """One path on its way.

    Args:
        path: What was asked for, for messages.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._links = 0
        self._flags = (_O_PATH or 0) | _NO_LINK

    def enter(self, start: int | None, path: str) -> int:
        """The descriptor of a folder, from an open one; the caller closes it."""
        current = os.open("/" if path.startswith("/") else ".", self._flags | os.O_DIRECTORY, dir_fd=start)
        for name in filter(None, path.split("/")):
            try:
                reached = self._step(current, name)
            finally:
                os.close(current)
            current = reached
        return current

    def is_link(self, above: int, name: str) -> bool:
        return _O_PATH is not None and is_link(name, above)

    def follow(self, above: int, name: str) -> tuple[int, str]:
        """Where a link leads that is the last part of a path: an open folder, which the caller closes, and a name."""
        with _closing(os.open(name, self._flags, dir_fd=above)) as link:
            target = self._target(link)
            folder_path, entry = os.path.split(target)
            reached = self.enter(above, folder_path or ".")
            try:
                owner = os.fstat(link).st_uid
                self._require_same(owner, reached)
                if not _trusted(owner):
                    self._require(owner, os.stat(entry, dir_fd=reached, follow_symlinks=False).st_uid)
            except BaseException:
                os.close(reached)
                raise
            return reached, entry

    def _step(self, current: int, name: str) -> int:
        descriptor = os.open(name, self._flags, dir_fd=current)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            return descriptor
        with _closing(descriptor):
            if not stat.S_ISLNK(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
            reached = self.enter(current, self._target(descriptor))
            try:
                self._require_same(status.st_uid, reached)
            except BaseException:
                os.close(reached)
                raise
            return reached

    def _target(self, link: int) -> str:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        # By the descriptor, so that it is the link whose owner is asked.
        return os.readlink("", dir_fd=link)

    def _require_same(self, owner: int, reached: int) -> None:
        if not _trusted(owner):
            self._require(owner, os.fstat(reached).st_uid)

    def _require(self, owner: int, found: int) -> None:
        if owner != found:
            raise LockstepError(
                f"{self._path} leads through a symlink of user {owner} to what belongs to user {found}: not followed",
                hint="make it a folder or file of that user, or let root own the link (chown -h root)",
            )


def _trusted(owner: int) -> bool:
    return owner == 0 or os.geteuid() != 0
