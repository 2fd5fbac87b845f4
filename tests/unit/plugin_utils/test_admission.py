# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the admission promises, over deployments of any shape."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

import hypothesis
import hypothesis.strategies as st
import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.admission import Admission, Direction, Unit
from tests.benchmarks.simulate import layered, lower_bound, simulate

properties = hypothesis.settings(max_examples=150, deadline=None)


@dataclasses.dataclass(frozen=True)
class Case:
    """A deployment, the bounds it runs under, and the units that fail in it."""

    units: list[Unit]
    window: int
    per_server: int
    failing: frozenset[str]
    seconds: dict[str, float]


@st.composite
def deployments(draw: st.DrawFn) -> Case:
    """Any graph without circles, listed in any order, with real durations other than the expected ones."""
    count = draw(st.integers(0, 14))
    durations = st.one_of(st.just(1.0), st.floats(0.0, 100.0))
    units = []
    for position in range(count):
        needs = draw(st.sets(st.integers(0, position - 1), max_size=4)) if position else set()
        server = draw(st.sampled_from(["", "server1", "server2"]))
        units.append(Unit(f"u{position}", tuple(f"u{other}" for other in needs), server, draw(durations)))
    names = [unit.name for unit in units]
    return Case(
        units=draw(st.permutations(units)),
        window=draw(st.integers(0, 6)),
        per_server=draw(st.integers(0, 3)),
        failing=frozenset(draw(st.sets(st.sampled_from(names), max_size=3))) if names else frozenset(),
        seconds={name: draw(durations) for name in names},
    )


def followers_of(names: t.Iterable[str], units: t.Iterable[Unit], direction: Direction) -> set[str]:
    """All units that wait for one of the names, at any distance; found the slow way."""
    edges = [(unit.name, need) for unit in units for need in unit.depends_on]
    if direction == "reverse":
        edges = [(need, name) for name, need in edges]
    found: set[str] = set()
    fresh = set(names)
    while fresh:
        fresh = {waiting for waiting, needed in edges if needed in fresh} - found
        found |= fresh
    return found


@properties
@hypothesis.given(deployments(), st.sampled_from(["forward", "reverse"]))
def test_no_unit_starts_before_those_it_waits_for_are_done(case: Case, direction: Direction) -> None:
    run = simulate(case.units, window=case.window, direction=direction, failing=case.failing, seconds=case.seconds)
    for unit in case.units:
        for need in unit.depends_on:
            first, second = (need, unit.name) if direction == "forward" else (unit.name, need)
            if second in run.begun:
                assert first not in case.failing
                assert run.ended[first] <= run.begun[second]


@properties
@hypothesis.given(deployments(), st.sampled_from(["forward", "reverse"]))
def test_never_more_in_flight_than_the_window_or_a_server_allows(case: Case, direction: Direction) -> None:
    run = simulate(
        case.units,
        window=case.window,
        per_server=case.per_server,
        direction=direction,
        failing=case.failing,
        seconds=case.seconds,
    )
    assert not case.window or run.busiest <= case.window
    assert not case.per_server or run.busiest_server <= case.per_server


@properties
@hypothesis.given(deployments())
def test_forward_nothing_is_admitted_after_a_failure_and_all_that_wait_are_withheld(case: Case) -> None:
    run = simulate(case.units, window=case.window, failing=case.failing, seconds=case.seconds)
    outcome = run.admission.outcome()
    if run.first_failure is not None:
        assert run.first_failure == len(run.begun)
        assert set(outcome.failed) == case.failing & set(run.begun)
    assert set(outcome.withheld) == {unit.name for unit in case.units} - set(run.begun)
    assert set(outcome.blocked) == followers_of(outcome.failed, case.units, "forward")


@properties
@hypothesis.given(deployments())
def test_back_exactly_the_units_whose_undo_depends_on_a_failed_one_are_withheld(case: Case) -> None:
    run = simulate(
        case.units,
        window=case.window,
        per_server=case.per_server,
        direction="reverse",
        failing=case.failing,
        seconds=case.seconds,
    )
    outcome = run.admission.outcome()
    expected = followers_of(outcome.failed, case.units, "reverse")
    assert set(outcome.withheld) == expected == set(outcome.blocked)
    assert set(run.begun) == {unit.name for unit in case.units} - expected


@properties
@hypothesis.given(deployments(), st.sampled_from(["forward", "reverse"]), st.randoms(use_true_random=False))
def test_never_idle_while_a_unit_could_run(case: Case, direction: Direction, chance: t.Any) -> None:
    admission = Admission(case.units, window=case.window, per_server=case.per_server, direction=direction)
    known = {unit.name: unit for unit in case.units}
    ended: set[str] = set()
    while True:
        admission.admit()
        assert admission.admit() == []
        flying = list(admission.in_flight)
        if not case.window or len(flying) < case.window:
            for unit in map(known.__getitem__, admission.outcome().withheld):
                on_server = sum(known[other].server == unit.server for other in flying)
                full = unit.server and 0 < case.per_server <= on_server
                assert full or _waits_for_another(unit, case.units, direction, ended)
        if not flying:
            break
        ended.add(chance.choice(flying))
        admission.done(next(name for name in flying if name in ended))
    assert ended == set(known)
    assert admission.finished


def _waits_for_another(unit: Unit, units: list[Unit], direction: Direction, ended: set[str]) -> bool:
    if direction == "forward":
        return not ended.issuperset(unit.depends_on)
    return any(unit.name in other.depends_on and other.name not in ended for other in units)


@properties
@hypothesis.given(deployments())
def test_the_way_back_is_the_mirror_of_the_way_there(case: Case) -> None:
    mirrored = [
        dataclasses.replace(unit, depends_on=tuple(other.name for other in case.units if unit.name in other.depends_on))
        for unit in case.units
    ]
    back = simulate(case.units, window=case.window, per_server=case.per_server, direction="reverse")
    there = simulate(mirrored, window=case.window, per_server=case.per_server)
    assert back.begun == there.begun


@properties
@hypothesis.given(deployments().filter(lambda case: bool(case.units)))
def test_the_whole_takes_at_most_what_list_scheduling_guarantees(case: Case) -> None:
    run = simulate(case.units, window=case.window)
    machines = case.window or len(case.units)
    # Graham 1969: no order of admission, however bad the estimates, takes longer.
    assert run.makespan <= (2 - 1 / machines) * lower_bound(case.units, machines) * (1 + 1e-9)


@properties
@hypothesis.given(deployments())
def test_each_unit_is_admitted_once_and_every_unit_is_accounted_for(case: Case) -> None:
    admission = Admission(case.units, window=case.window)
    seen: list[str] = []
    while admitted := admission.admit():
        seen += admitted
        for name in list(admission.in_flight):
            (admission.failed if name in case.failing else admission.done)(name)
    outcome = admission.outcome()
    assert len(seen) == len(set(seen))
    assert sorted(outcome.done + outcome.failed + outcome.withheld) == sorted(unit.name for unit in case.units)
    assert outcome.running == []
    assert admission.finished


def test_thousands_of_units_stay_near_the_lower_bound() -> None:
    units = layered(1, count=10_000, levels=10)
    assert simulate(units, window=50).makespan <= 1.01 * lower_bound(units, 50)


def test_the_longest_remaining_path_goes_first() -> None:
    units = [Unit("short"), Unit("long", seconds=3), Unit("head"), Unit("tail", ("head",), seconds=5)]
    assert Admission(units, window=2).admit() == ["head", "long"]


def test_equal_units_keep_the_order_of_the_plan() -> None:
    units = [Unit(name) for name in ("site3", "site1", "site2")]
    assert Admission(units, window=2).admit() == ["site3", "site1"]


def test_a_full_server_does_not_hold_up_another_one() -> None:
    units = [Unit("a1", server="a", seconds=3), Unit("a2", server="a", seconds=2), Unit("b1", server="b")]
    admission = Admission(units, window=2, per_server=1)
    assert admission.admit() == ["a1", "b1"]
    admission.done("b1")
    assert admission.admit() == []
    admission.done("a1")
    assert admission.admit() == ["a2"]


def test_a_bench_stays_while_a_site_on_it_could_not_go_back() -> None:
    units = [Unit("bench1"), Unit("site1", ("bench1",)), Unit("bench2"), Unit("site2", ("bench2",))]
    run = simulate(units, direction="reverse", failing={"site1"})
    assert set(run.ended) == {"site1", "site2", "bench2"}
    assert run.admission.outcome().blocked == ["bench1"]


def test_a_unit_that_failed_before_it_was_admitted_never_starts_and_stops_the_others() -> None:
    admission = Admission([Unit("site1"), Unit("site2")])
    admission.failed("site1")
    assert admission.admit() == []
    assert admission.finished


def test_on_the_way_back_a_unit_that_failed_before_it_was_admitted_leaves_its_slot_to_others() -> None:
    units = [Unit("site1", server="s"), Unit("site2", server="s"), Unit("site3", server="s")]
    admission = Admission(units, per_server=1, direction="reverse")
    assert admission.admit() == ["site1"]
    admission.failed("site2")
    admission.done("site1")
    assert admission.admit() == ["site3"]


def test_a_dependency_outside_the_run_is_named() -> None:
    with pytest.raises(LockstepError, match=r"site1 depends on bench1, site2 depends on site9.*--limit or only"):
        Admission([Unit("site1", ("bench1",)), Unit("site2", ("site1", "site9"))])


def test_a_dependency_outside_the_run_may_be_live_already_or_be_ignored() -> None:
    units = [Unit("site1", ("bench1",))]
    assert Admission(units, live=["bench1"]).admit() == ["site1"]
    assert Admission(units, ignore_dependencies=True).admit() == ["site1"]


def test_ignoring_dependencies_keeps_the_order_among_the_units_of_the_run() -> None:
    units = [Unit("site1", ("bench1", "elsewhere")), Unit("bench1")]
    assert Admission(units, ignore_dependencies=True).admit() == ["bench1"]


def test_on_the_way_back_units_outside_the_run_were_not_changed_and_hold_nothing_up() -> None:
    assert Admission([Unit("site1", ("bench1",))], direction="reverse").admit() == ["site1"]


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_circle_is_refused_and_shown(direction: Direction) -> None:
    units = [Unit("ok"), Unit("a", ("c", "ok")), Unit("b", ("a",)), Unit("c", ("b",)), Unit("after", ("a",))]
    with pytest.raises(LockstepError, match=r"in a circle: [abc] -> [abc] -> [abc] -> [abc]") as refused:
        Admission(units, direction=direction)
    circle = refused.value.message.rpartition(": ")[2].split(" -> ")
    needs = {unit.name: unit.depends_on for unit in units}
    pairs = itertools.pairwise(circle if direction == "forward" else circle[::-1])
    assert all(needed in needs[name] for name, needed in pairs)


def test_a_unit_that_needs_itself_is_a_circle() -> None:
    with pytest.raises(LockstepError, match="a -> a"):
        Admission([Unit("a", ("a",))])


def test_a_unit_given_twice_is_refused() -> None:
    with pytest.raises(LockstepError, match="site1 is given twice"):
        Admission([Unit("site1"), Unit("site1")])


def test_a_negative_window_is_refused() -> None:
    with pytest.raises(LockstepError, match="negative"):
        Admission([], window=-1)


def test_waiting_units_that_nothing_withholds_are_an_error_and_no_silent_end(monkeypatch: pytest.MonkeyPatch) -> None:
    admission = Admission([Unit("site1"), Unit("site2", ("site1",))])
    monkeypatch.setattr(admission, "_ready", [])
    with pytest.raises(LockstepError, match="2 units wait though nothing is in flight: site1, site2"):
        admission.admit()


def run_to_end(admission: Admission) -> list[list[str]]:
    """What was admitted together each time, everything admitted being done before the next look."""
    found = []
    while not admission.finished:
        admitted = admission.admit()
        found.append(admitted)
        for name in admitted:
            admission.done(name)
    return found


def test_a_wave_starts_when_all_of_the_waves_before_it_are_done() -> None:
    units = [Unit("bench"), *(Unit(f"site{number}", ("bench",)) for number in range(4))]
    waves = [["bench", "site0"], ["site1", "site2"], ["site3"]]
    assert run_to_end(Admission(units, waves=waves)) == [["bench"], ["site0"], ["site1", "site2"], ["site3"]]


def test_one_unit_of_a_wave_that_is_not_done_holds_the_next_wave_back() -> None:
    admission = Admission([Unit("a"), Unit("b"), Unit("c")], waves=[["a", "b"], ["c"]])
    assert admission.admit() == ["a", "b"]
    admission.done("a")
    assert admission.admit() == []
    admission.done("b")
    assert admission.admit() == ["c"]


def test_a_wave_without_units_of_the_run_is_no_obstacle_and_a_failure_ends_all_waves() -> None:
    admission = Admission([Unit("a"), Unit("b")], waves=[["gone"], ["a"], [], ["b"]])
    assert admission.admit() == ["a"]
    admission.failed("a")
    assert admission.finished
    assert admission.outcome().withheld == ["b"]


@properties
@hypothesis.given(deployments(), st.data())
def test_waves_change_when_units_start_and_never_whether(case: Case, data: st.DataObject) -> None:
    names = [unit.name for unit in sorted(case.units, key=lambda unit: int(unit.name[1:]))]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(names)), max_size=3)))
    # Units depend on those with a lower number only, so each wave brings along what it needs.
    waves = [names[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(names)])]
    order = [
        name for together in run_to_end(Admission(case.units, window=case.window, waves=waves)) for name in together
    ]
    assert sorted(order) == sorted(names)
    number = {name: at for at, wave in enumerate(waves) for name in wave}
    assert [number[name] for name in order] == sorted(number[name] for name in order)
