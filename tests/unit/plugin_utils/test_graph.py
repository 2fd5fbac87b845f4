# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dependency graph, against graphlib and against what its words mean."""

from __future__ import annotations

import graphlib
import itertools

import hypothesis
import hypothesis.strategies as st
import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import CycleError, Graph

Needs = dict[str, list[str]]


@st.composite
def acyclic(draw: st.DrawFn) -> Needs:
    count = draw(st.integers(0, 15))
    needs = {}
    for position in range(count):
        earlier = st.lists(st.integers(0, position - 1), max_size=5) if position else st.just([])
        needs[f"n{position}"] = [f"n{other}" for other in draw(earlier)]
    return dict(draw(st.permutations(list(needs.items()))))


@st.composite
def any_graph(draw: st.DrawFn) -> Needs:
    names = [f"n{position}" for position in range(draw(st.integers(1, 8)))]
    return {name: draw(st.lists(st.sampled_from(names), max_size=3)) for name in names}


@hypothesis.given(acyclic())
def test_every_name_comes_after_what_it_needs_and_on_the_first_level_it_can(needs: Needs) -> None:
    graph = Graph(needs)
    level = {name: number for number, names in enumerate(graph.levels()) for name in names}
    assert sorted(graph.order()) == sorted(needs)
    for name, needed in needs.items():
        assert level[name] == max((level[other] + 1 for other in needed), default=0)


@hypothesis.given(any_graph())
def test_a_cycle_is_found_exactly_when_graphlib_finds_one_and_is_one(needs: Needs) -> None:
    try:
        list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError:
        with pytest.raises(CycleError) as raised:
            Graph(needs)
        for cycle in raised.value.cycles:
            assert cycle[0] == cycle[-1]
            assert len(set(cycle)) == len(cycle) - 1
            assert all(later in needs[name] for name, later in itertools.pairwise(cycle))
    else:
        Graph(needs)


@hypothesis.given(acyclic(), st.data())
def test_the_critical_path_is_a_chain_and_none_is_heavier(needs: Needs, data: st.DataObject) -> None:
    weights = {name: float(data.draw(st.integers(0, 9))) for name in needs}
    graph = Graph(needs)
    found = graph.critical_path(weights)
    assert all(name in needs[later] for name, later in itertools.pairwise(found.names))
    assert found.seconds == sum(weights[name] for name in found.names)

    def heaviest(name: str) -> float:
        return weights[name] + max((heaviest(other) for other, needed in needs.items() if name in needed), default=0.0)

    assert found.seconds == max(map(heaviest, needs), default=0.0)


@hypothesis.given(acyclic(), st.data())
def test_a_closure_is_what_is_needed_and_nothing_else(needs: Needs, data: st.DataObject) -> None:
    wanted = data.draw(st.sets(st.sampled_from(sorted(needs)))) if needs else set()
    found = Graph(needs).closure(wanted)
    expected = set(wanted)
    while True:
        more = expected | {other for name in expected for other in needs[name]}
        if more == expected:
            break
        expected = more
    assert set(found) == expected
    assert all(found.index(other) < found.index(name) for name in found for other in needs[name])


def test_cycles_are_printed_in_order() -> None:
    with pytest.raises(CycleError, match=r"^a → b → a; c → c$"):
        Graph({"a": ["b"], "b": ["a"], "c": ["c"], "d": ["a"]})


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        Graph({"a": ["nowhere"]})


def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    needs: Needs = {f"n{at}": [f"n{at - 1}"] if at else [] for at in range(10_000)}
    graph = Graph(needs)
    assert len(graph.levels()) == 10_000
    assert graph.critical_path(dict.fromkeys(needs, 1.0)).seconds == 10_000
