# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A dump is cut at its tables wherever the pipe cuts it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.split import Measure, Splitter
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tablefile import end_mark, file_name

HEADER = "-- MariaDB dump 10.19\n--\n-- Host: localhost    Database: shop\n/*!40103 SET TIME_ZONE='+00:00' */;\n"
TRAILER = "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n\n-- Dump completed\n"


def part(table: str, body: str) -> str:
    return f"--\n-- Table structure for table `{table}`\n--\n\n{body}\n"


class Kept:
    def __init__(self) -> None:
        self.header = b""
        self.content = b""
        self.finished = False

    def begin(self, header: bytes) -> None:
        self.header = header

    def write(self, data: bytes) -> None:
        assert not self.finished
        self.content += data

    def finish(self) -> None:
        self.finished = True


def cut(stream: bytes, tables: list[str], sizes: list[int]) -> dict[str, Kept]:
    parts: dict[str, Kept] = {}

    def opened(table: str) -> Kept:
        parts[table] = Kept()
        return parts[table]

    splitter = Splitter(tables, opened)
    for size in itertools.chain(sizes, itertools.repeat(7)):
        if not stream:
            break
        splitter.feed(stream[:size])
        stream = stream[size:]
    splitter.finish()
    return parts


BODIES = {"a": "CREATE TABLE `a` (\n);\nINSERT INTO `a` VALUES\n(1),\n(2);\n", "b": "CREATE TABLE;\n", "c": "X;\n"}
DUMP = (HEADER + "\n" + "\n".join(part(name, body) for name, body in BODIES.items()) + TRAILER).encode()


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), max_size=30))
def test_the_parts_are_the_same_however_the_stream_is_cut(sizes: list[int]) -> None:
    parts = cut(DUMP, list(BODIES), sizes)
    assert {name: one.content.decode() for name, one in parts.items()} == {
        name: part(name, body) + "\n" for name, body in BODIES.items()
    }
    assert all(one.finished and one.header.decode() == HEADER + "\n" for one in parts.values())


def test_a_comment_of_another_table_in_a_definition_is_no_cut() -> None:
    trap = "DEFAULT '\n--\n-- Table structure for table `c`\n--\n';\n"
    stream = (HEADER + "\n" + part("a", trap) + "\n" + part("b", "B;\n") + TRAILER).encode()
    parts = cut(stream, ["a", "b"], [50])
    assert parts["a"].content.decode() == part("a", trap) + "\n"


@pytest.mark.parametrize("lost", [2, 20, len(TRAILER), len(TRAILER) + 10, len(DUMP) // 2, len(DUMP)])
def test_a_dump_that_broke_off_is_refused(lost: int) -> None:
    with pytest.raises(LockstepError, match="broke off at table"):
        cut(DUMP[:-lost], list(BODIES), [])


def test_a_table_that_does_not_come_is_noticed() -> None:
    with pytest.raises(LockstepError, match="broke off at table c"):
        cut(DUMP, [*BODIES, "d"], [])


ROWS = (
    b"--\n-- Table structure for table `a`\n--\nCREATE TABLE `a` (\n(not a row)\n);\n"
    b"\n--\n-- Dumping data for table `a`\n--\n\nINSERT INTO `a` VALUES\n(1,'x\\n(2)'),\n(2,'y');\n"
    b"INSERT INTO `a` VALUES\n(3,'z');\n"
)


@settings(deadline=None)
@given(st.integers(1, len(ROWS)))
def test_rows_are_counted_however_the_stream_is_cut(size: int) -> None:
    measure = Measure()
    for at in range(0, len(ROWS), size):
        measure.feed(ROWS[at : at + size])
    assert measure.rows == 3
    assert measure.bytes == len(ROWS)


def test_rows_of_a_dump_with_many_in_a_line_are_unknown() -> None:
    measure = Measure()
    measure.feed(b"\n-- Dumping data for table `a`\n--\n\nINSERT INTO `a` VALUES (1),(2);\n")
    assert measure.rows is None


def test_a_line_longer_than_a_piece_is_measured() -> None:
    measure = Measure()
    measure.feed(b"\n-- Dumping data for table `a`\n--\n\nINSERT INTO `a` VALUES\n(1,0x")
    for _ignored in range(10):
        measure.feed(b"00" * 500)
    measure.feed(b");\n(2);\n")
    assert measure.longest == len("(1,0x") + 10_000 + len(");")


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64), unique=True, max_size=20))
def test_file_names_are_safe_and_differ_where_tables_do(tables: list[str]) -> None:
    names = [file_name(table) for table in tables]
    assert len(set(names)) == len(names)
    for name in names:
        assert len(name) <= 200
        assert name[0] not in "-.~"
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-%~")


def test_file_names_are_readable() -> None:
    assert file_name("tabSales Order") == "tabSales%20Order"
    assert end_mark("tabSales Order") == b"-- lockstep: end of tabSales%20Order\n"
