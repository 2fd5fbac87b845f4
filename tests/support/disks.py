# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small file systems, which only root can make, and how they get full."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import subprocess
import typing as t

import pytest

_PIECE = 64 * 1024


class Disk:
    """A small file system in memory.

    Args:
        folder: Where it is mounted.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, but: int = 0) -> None:
        """Take all the room that is left.

        Args:
            but: Bytes that stay free.
        """
        with open(self._filler, "ab", buffering=0) as handle:
            for size in (_PIECE, 1):
                with contextlib.suppress(_Full):
                    while True:
                        _write(handle, bytes(size))
        os.truncate(self._filler, self._filler.stat().st_size - but)

    def empty(self) -> None:
        """Give back what :meth:`fill` took."""
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, size: str) -> t.Iterator[Disk]:
    """A file system of its own at a folder, for a while; the test is skipped where none can be had.

    Args:
        folder: Made if missing.
        size: As mount takes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system can't be mounted here")
    try:
        yield Disk(folder)
    finally:
        # What still has a file of it open keeps it alive without its name.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class _Full(Exception):
    """Nothing more can be written."""


def _write(handle: t.IO[bytes], data: bytes) -> None:
    try:
        handle.write(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _Full from error
