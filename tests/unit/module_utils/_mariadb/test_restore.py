# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tables a restore loads and drops."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.objects import Definition
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import Crew, balanced, side_by_side
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.remake import never_back
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.restore import choose
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import Table


def manifest(**refers: t.Sequence[str]) -> dict[str, t.Any]:
    return {"tables": {name: {"references": list(others)} for name, others in refers.items()}}


def live(*names: str, **others: str) -> dict[str, Table]:
    kinds = {**dict.fromkeys(names, "BASE TABLE"), **others}
    return {name: Table(name, kind, "InnoDB", 0, 0) for name, kind in kinds.items()}


SAVED = manifest(a=[], b=[], c=[])


def test_everything_is_loaded_when_nobody_knows_better() -> None:
    choice = choose(SAVED, live("a", "b", "c"), {}, None)
    assert (choice.restored, choice.dropped) == (["a", "b", "c"], [])


def test_of_known_tables_only_those_are_loaded_that_were_touched() -> None:
    assert choose(SAVED, live("a", "b", "c"), {}, ["b", "never was"]).restored == ["b"]


def test_what_is_new_is_dropped_and_what_is_gone_is_loaded_without_being_asked_for() -> None:
    choice = choose(SAVED, live("a", "b", "d"), {}, [])
    assert (choice.restored, choice.dropped) == (["c"], ["d"])


def test_a_view_in_the_place_of_a_table_gives_way() -> None:
    choice = choose(SAVED, live("a", "b", c="VIEW"), {}, [])
    assert choice.restored == ["c"]
    assert choice.in_the_way == {"c": "VIEW"}


def test_tables_that_foreign_keys_connect_are_loaded_together() -> None:
    saved = manifest(a=[], b=["a"], c=["b"], d=[])
    assert choose(saved, live("a", "b", "c", "d"), {}, ["a"]).restored == ["a", "b", "c"]


def test_a_foreign_key_from_a_new_table_counts_too() -> None:
    assert choose(SAVED, live("a", "b", "c", "new"), {"new": {"b"}}, []).restored == ["b"]


NAMES = st.sets(st.sampled_from("abcdefgh"))


@settings(deadline=None)
@given(NAMES, NAMES, st.none() | NAMES, st.dictionaries(st.sampled_from("abcdefgh"), NAMES))
def test_afterwards_there_are_the_tables_of_the_backup(
    saved: set[str], now: set[str], asked: set[str] | None, refers: dict[str, set[str]]
) -> None:
    choice = choose(manifest(**dict.fromkeys(saved, ())), live(*now), refers, asked)
    assert (now - set(choice.dropped)) | set(choice.restored) == saved
    assert set(choice.restored) <= saved
    assert set(choice.restored) >= (saved & (asked or set()))


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(0, 10**9), max_size=40), st.integers(1, 8))
def test_groups_are_balanced(weights: dict[str, int], count: int) -> None:
    groups = [group for group in balanced(weights, count) if group]
    assert sorted(name for group in groups for name in group) == sorted(weights)
    assert len(groups) <= count
    totals = [sum(weights[name] for name in group) for group in groups]
    # The bound of longest-processing-time-first scheduling (Graham 1969).
    best = max([sum(weights.values()) / count, *weights.values()], default=0)
    assert max(totals, default=0) <= best * 4 / 3 + 1


def test_results_come_in_the_order_of_the_jobs() -> None:
    def number(value: int, _ignored: Crew) -> int:
        return value

    assert side_by_side([functools.partial(number, value) for value in range(20)], 4) == list(range(20))


def test_children_end_when_another_job_fails_and_no_more_are_started() -> None:
    children: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def fail(_ignored: Crew) -> None:
        started.wait()
        raise ValueError("the reason")

    def work(crew: Crew) -> None:
        while True:
            child = crew.start(lambda: subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
            children.append(child)
            started.set()
            child.wait()

    with pytest.raises(ValueError, match="the reason"):
        side_by_side([work, fail], 2)
    assert [child.poll() for child in children] == [-9]


@pytest.mark.parametrize(
    ("increment", "saved", "live", "goes_on_at"),
    [("", "5", "9", "9"), ("", "9", "5", "9"), (" increment by -1", "-5", "-9", "-9")],
)
def test_a_sequence_never_goes_back_under_rows_that_are_kept(
    increment: str, saved: str, live: str, goes_on_at: str
) -> None:
    statement = f"CREATE SEQUENCE `a_id_seq` start with 1{increment} nocache"
    was = Definition("sequence", "a_id_seq", statement, next_value=saved)
    view = Definition("view", "v", "CREATE VIEW `v` AS SELECT 1")
    now = Definition("sequence", "a_id_seq", statement, next_value=live)
    assert [one.next_value for one in never_back([was, view], [now])] == [goes_on_at, ""]
