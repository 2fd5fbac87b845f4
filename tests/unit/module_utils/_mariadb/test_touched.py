# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No table that a migration may have touched is overlooked."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.touched import (
    State,
    Times,
    may_be_meant,
    read_logs,
    touched,
)

OLD = Times(created=100.0, updated=None)


def state(*names: str, started: float = 0, empty: t.Collection[str] = (), **times: Times) -> State:
    return State(2000.0, started, {**dict.fromkeys(names, OLD), **times}, frozenset({"s"}), frozenset(empty))


def logged(statement: str) -> set[str]:
    """What Frappe 15 logs of a statement, written down from its documentation of both patterns."""
    single = re.findall(r"([`\"]?)(tab([A-Z]\w+))\1", statement)
    multi = re.findall(r"([`\"])(tab([A-Z]\w+)( [A-Z]\w+)+)\1", statement)
    return {found[1] for found in [*single, *multi]}


@pytest.mark.parametrize(
    ("table", "names", "meant"),
    [
        ("tabUser", {"tabUser"}, True),
        ("tabSales Order", {"tabSales", "tabSales Order"}, True),
        ("tabSales Order", {"tabSales"}, True),  # no such table: it may have been cut
        ("tabMode of Payment", {"tabMode"}, True),
        ("tabUser 2fa", {"tabUser"}, True),  # its name is cut to that of a real table
        ("tabUser Permission", {"tabUser"}, False),
        ("tabItem-wise", {"tabItem"}, True),
        ("tabUser", {"tabItem"}, False),
        ("__Auth", set(), True),
        ("tabitem", set(), True),
    ],
)
def test_a_logged_name_means_every_table_it_could_be_cut_from(table: str, names: set[str], meant: bool) -> None:
    assert may_be_meant(table, names, ["tabUser", "tabUser Permission", "tabItem", table]) == meant


WORD = st.from_regex(r"[A-Za-z0-9_\-][A-Za-z0-9_]{0,5}", fullmatch=True)


@settings(deadline=None)
@given(st.lists(st.builds(lambda words: "tab" + " ".join(words), st.lists(WORD, min_size=1, max_size=4)), min_size=1))
def test_a_table_that_was_written_is_always_found(tables: list[str]) -> None:
    written, *others = tables
    names = logged(f"update `{written}` set x = 'tabNote' where name in (select name from `tabA B`)")
    found = touched(names, 1000.0, state(written, *others))
    assert found is not None
    assert written in found


def test_a_table_made_anew_or_written_since_is_touched_without_being_logged() -> None:
    altered, replaced = Times(1000.0, None), Times(100.0, 1000.0)
    found = touched(set(), 1000.9, state("tabNote", tabAltered=altered, tabReplaced=replaced))
    assert found == {"tabAltered", "tabReplaced", "s"}


def test_a_table_that_is_empty_and_was_not_may_have_been_truncated() -> None:
    now = state("tabNote", "tabTruncated", "tabAlways Empty", empty=["tabTruncated", "tabAlways Empty"])
    assert touched(set(), 1000.0, now, ["tabAlways Empty"]) == {"tabTruncated", "s"}
    assert touched(set(), 1000.0, now) == {"tabTruncated", "tabAlways Empty", "s"}


def test_everything_counts_as_touched_when_the_log_is_missing_or_the_server_forgot() -> None:
    assert touched(None, 1000.0, state("tabA")) is None
    assert touched(set(), 1000.0, state("tabA", started=1500.0)) is None


def test_logs_of_all_attempts_are_united() -> None:
    assert read_logs([json.dumps(["tabA"]), json.dumps(["tabB"])]) == {"tabA", "tabB"}


@pytest.mark.parametrize("contents", [[], ['["tabA"]', None], ["{}"], ["[1]"], ["[" + '"tabA"'], [""]])
def test_a_log_that_is_missing_or_broken_makes_everything_unknown(contents: list[str | None]) -> None:
    assert read_logs(contents) is None


@pytest.mark.parametrize(
    ("created", "updated", "just"),
    [(None, None, False), (50.0, 99.0, False), (50.0, 100.0, True), (100.0, None, True)],
)
def test_tables_of_this_very_second_can_not_be_told_from_those_to_come(
    created: float | None, updated: float | None, just: bool
) -> None:
    tables = {"tabA": Times(50.0, 60.0), "tabB": Times(created, updated)}
    assert State(100.7, 0.0, tables, frozenset(), frozenset()).just_written() is just
