# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compressing by zstd, or by gzip where it is missing: as child processes, so that every core can work."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import subprocess
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_FILES_AT_ONCE = 500  # keeps argument lists far below the kernel's limit


@dataclasses.dataclass(frozen=True)
class Compression:
    """A program that compresses.

    Attributes:
        name: As manifests write it.
        suffix: Of compressed files.
        program: Its path.
    """

    name: str
    suffix: str
    program: str
    _compress: tuple[str, ...]
    _replace: tuple[str, ...]
    _decompress: tuple[str, ...]

    def stream(self, output: int) -> subprocess.Popen[bytes]:
        """Compress what is written to the child's standard input.

        Args:
            output: Descriptor of the file it writes.
        """
        return subprocess.Popen(
            [self.program, *self._compress], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE
        )

    def replace(self, paths: t.Sequence[str]) -> None:
        """Put compressed files, with the suffix, in the place of plain ones; modes are kept.

        Raises:
            LockstepError: The disk is full, or a file can't be read.
        """
        for at in range(0, len(paths), _FILES_AT_ONCE):
            done = subprocess.run(
                [self.program, *self._replace, "--", *paths[at : at + _FILES_AT_ONCE]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
            )
            if done.returncode != 0:
                raise self.error(done.stderr, os.path.dirname(paths[at]))

    def expand(self, paths: t.Sequence[str]) -> subprocess.Popen[bytes]:
        """The content of files, one after the other, on the child's standard output."""
        return subprocess.Popen(
            [self.program, *self._decompress, "--", *paths],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def error(self, complaints: bytes, folder: str) -> LockstepError:
        """What the program printed when it failed, as an error."""
        printed = complaints.decode("utf-8", "replace").strip()
        if os.strerror(errno.ENOSPC) in printed:
            return disk_full(folder)
        last = printed.splitlines()[-1] if printed else "it was ended"
        return LockstepError(f"{self.name} failed in {folder}: {last}", detail=printed[-2000:] or None)


def disk_full(folder: str) -> LockstepError:
    """The error for a full disk, with what is free on it."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder) or "/"
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize >> 20
    return LockstepError(
        f"the disk of {folder} is full ({free} MiB free)", hint="free space there, or put backups elsewhere"
    )


# The fastest levels: writes are blocked meanwhile, and dumps hardly get smaller with slower ones.
_KNOWN = (
    ("zstd", ".zst", ("-q", "-1", "-c"), ("-q", "-1", "-f", "--rm"), ("-q", "-d", "-c")),
    ("gzip", ".gz", ("-1", "-c"), ("-1", "-f"), ("-d", "-c")),
)


def by_name(name: str) -> Compression:
    """The program that a manifest names.

    Raises:
        LockstepError: It isn't known, or not on this server.
    """
    for known, suffix, compress, replace, decompress in _KNOWN:
        if known == name:
            program = shutil.which(name, path=process.environment(None)["PATH"])
            if program is None:
                raise LockstepError(f"{name} is missing on this server", hint=f"install {name}")
            return Compression(name, suffix, program, compress, replace, decompress)
    raise LockstepError(f"{name!r} is no compression that backups use")


def best() -> Compression:
    """zstd, or gzip where it is missing.

    Raises:
        LockstepError: Neither is there.
    """
    try:
        return by_name("zstd")
    except LockstepError:
        return by_name("gzip")
