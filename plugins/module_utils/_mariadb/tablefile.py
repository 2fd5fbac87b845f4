# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One table's compressed file while it is written, and what must be true of it afterwards."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import typing as t
import urllib.parse

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.compression import Compression, disk_full
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import Crew
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.split import Measure

_SMALL = 4 << 20  # bytes; below that a table waits for its neighbours, and one process compresses them all
_LONGEST_NAME = 200  # bytes of the 255 that file systems allow, so that suffixes fit


def file_name(table: str) -> str:
    """A file name for a table, without suffix: readable, unique, and nothing a folder or a command could trip over."""
    encoded = urllib.parse.quote(table, safe="").replace("~", "%7E").replace(".", "%2E")
    if encoded.startswith("-"):
        encoded = "%2D" + encoded[1:]
    if len(encoded) > _LONGEST_NAME:
        digest = hashlib.sha256(table.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return f"{encoded[: _LONGEST_NAME - 40]}~{digest}"
    return encoded


def end_mark(table: str) -> bytes:
    """The line that a table's file ends with once the whole table is in it."""
    return f"-- lockstep: end of {file_name(table)}\n".encode()


class TableFile:
    """Takes a table's part of a dump and puts it into a file.

    Small tables are kept in memory and then written plainly, to be compressed together; a large one is compressed as it
    comes.

    Attributes:
        table: Its name.
        measure: What was learned of its rows.
        plain: The uncompressed file's path.
        path: The compressed file's path.
    """

    def __init__(self, table: str, folder: str, compression: Compression, crew: Crew) -> None:
        self.table = table
        self.measure = Measure()
        self.plain = os.path.join(folder, file_name(table) + ".sql")
        self.path = self.plain + compression.suffix
        self._compression = compression
        self._crew = crew
        self._kept = bytearray()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def waits(self) -> bool:
        """Whether the file is plain and still has to be compressed."""
        return self._child is None

    def begin(self, header: bytes) -> None:
        """Take the settings that come first, so that each file can be loaded by itself."""
        self._put(header)

    def write(self, data: bytes) -> None:
        """Take the next piece of the table.

        Raises:
            LockstepError: The disk is full, or the compressor failed.
        """
        self.measure.feed(data)
        self._put(data)

    def finish(self) -> None:
        """End the file.

        Raises:
            LockstepError: The disk is full, or the compressor failed.
        """
        self._put(end_mark(self.table))
        if self._child is None:
            self._write_plain()
            return
        _ignored, complaints = self._child.communicate()
        if self._child.returncode != 0:
            raise self._compression.error(complaints, os.path.dirname(self.path))

    def _put(self, data: bytes) -> None:
        if self._child is None:
            self._kept += data
            if len(self._kept) <= _SMALL:
                return
            self._child = self._crew.start(self._open)
            data, self._kept = bytes(self._kept), bytearray()
        try:
            t.cast("t.IO[bytes]", self._child.stdin).write(data)
        except BrokenPipeError:
            complaints = t.cast("t.IO[bytes]", self._child.stderr).read()
            raise self._compression.error(complaints, os.path.dirname(self.path)) from None

    def _open(self) -> subprocess.Popen[bytes]:
        output = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            return self._compression.stream(output)
        finally:
            os.close(output)

    def _write_plain(self) -> None:
        try:
            with open(os.open(self.plain, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(self._kept)
        except OSError as error:
            raise not_written(error, self.plain) from error
        self._kept = bytearray()


def not_written(error: OSError, path: str) -> LockstepError:
    """What kept a file of a backup from being written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(os.path.dirname(path))
    return LockstepError(f"{path} could not be written: {error.strerror or error}")
