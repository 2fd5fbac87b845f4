# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stream of one dump, cut at its tables."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote

_COMPLETED = b"\n-- Dump completed"
_TRAILER = b"\n/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE"
_LONGEST_TRAILER = 4096
_DATA = b"\n-- Dumping data for table"
_INSERT = b"\nINSERT INTO `"


class Part(t.Protocol):
    """Takes one table's part of a dump."""

    def begin(self, header: bytes) -> None:
        """Take the lines that come first in every dump: settings of the connection."""

    def write(self, data: bytes) -> None:
        """Take the next piece of the table."""

    def finish(self) -> None:
        """The table is complete."""


class Splitter:
    """Cuts the stream of a dump of several tables.

    The dump begins each table with a comment that names it. Only the comment of the table that must come next, in the
    order asked for, is a cut: no text in a definition can be taken for one.

    Args:
        tables: Names in the order in which they are dumped.
        opened: Makes the part of a table.
    """

    def __init__(self, tables: t.Sequence[str], opened: t.Callable[[str], Part]) -> None:
        self._tables = tables
        self._marks = [table_mark(table) for table in tables]
        self._opened = opened
        self._part: Part | None = None
        self._next = 0
        self._header = b""
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        data = self._rest + data
        while self._next < len(self._tables):
            at = data.find(self._marks[self._next])
            if at < 0:
                break
            self._pass_on(data[: at + 1])
            self._finish_part()
            self._part = self._opened(self._tables[self._next])
            self._part.begin(self._header)
            self._next += 1
            data = data[at + 1 :]
        keep = len(self._marks[self._next]) - 1 if self._next < len(self._tables) else _LONGEST_TRAILER
        cut = max(0, len(data) - keep)
        self._pass_on(data[:cut])
        self._rest = data[cut:]

    def finish(self) -> None:
        """The stream has ended.

        Raises:
            LockstepError: Before all tables had come, or before the dump program said that it was through.
        """
        trailer = self._rest.rfind(_TRAILER)
        if self._next < len(self._tables) or trailer < 0 or _COMPLETED not in self._rest[trailer:]:
            raise LockstepError(f"the dump broke off at table {self._tables[max(0, self._next - 1)]}")
        self._pass_on(
            self._rest[: trailer + 1] + b"\n"
        )  # as between tables, so that a part is the same wherever it stands
        self._finish_part()

    def _pass_on(self, data: bytes) -> None:
        if self._part is None:
            self._header += data
        elif data:
            self._part.write(data)

    def _finish_part(self) -> None:
        if self._part is not None:
            self._part.finish()


def table_mark(table: str) -> bytes:
    """How a dump begins a table, with the line break before it."""
    # The dump program continues a comment in the next line when the name has a line break.
    name = quote(table).replace("\n", "\n-- ")
    return f"\n--\n-- Table structure for table {name}\n--\n".encode("utf-8", "surrogateescape")


class Measure:
    """What a table's dump says about its rows, learned while it passes by.

    Attributes:
        bytes: Of the dump.
        longest: Bytes of the longest line, where one is longer than a piece.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.longest = 0
        self._structure: bytes | None = b""
        self._rows = 0
        self._inserts = False
        self._before = b""
        self._line = 0

    @property
    def rows(self) -> int | None:
        """How many rows; None when the dump program doesn't write each in a line of its own."""
        return None if self._inserts and not self._rows else self._rows

    def feed(self, data: bytes) -> None:
        """Take the next piece of the table."""
        self.bytes += len(data)
        if self._structure is not None:
            self._structure += data
            at = self._structure.find(_DATA)
            if at < 0:
                return
            data, self._structure = self._structure[at:], None
        # Line breaks within values are escaped, so a line that begins with a parenthesis begins a row.
        self._rows += data.count(b"\n(") + (self._before[-1:] == b"\n" and data[:1] == b"(")
        self._inserts = self._inserts or _INSERT in self._before + data
        self._before = (self._before + data[-len(_INSERT) :])[-len(_INSERT) :]
        self._measure_line(data)

    def _measure_line(self, data: bytes) -> None:
        """Only lines that reach over the end of a piece are measured: shorter ones are no problem for any server."""
        first, last = data.find(b"\n"), data.rfind(b"\n")
        if first < 0:
            self._line += len(data)
        self.longest = max(self.longest, self._line + max(0, first))
        if first >= 0:
            self._line = len(data) - last - 1
