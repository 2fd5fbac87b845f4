# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks are patient within their bounds, and what could not be known never passes."""

from __future__ import annotations

import itertools
import threading
import typing as t

import hypothesis
import hypothesis.strategies as st
import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import probes
from ansible_collections.lockstep.deploy.plugins.module_utils._health.check import Check, run_check, run_checks
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result, summary
from ansible_collections.lockstep.deploy.plugins.module_utils._health.performance import Performance


class Clock:
    """Time that passes only when somebody waits or asks."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class Scripted:
    """A probe that gives these answers, the last one for ever, and takes ``seconds`` for each."""

    def __init__(self, *answers: bool | None, clock: Clock | None = None, seconds: float = 0.0) -> None:
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self._clock = clock
        self._seconds = seconds
        self.timeouts: list[float] = []

    def ask(self, timeout: float) -> Outcome:
        self.timeouts.append(timeout)
        if self._clock:
            self._clock.now += min(self._seconds, timeout)
        return Outcome(next(self._answers), f"answer {len(self.timeouts)}")


def check(probe: t.Any, **options: t.Any) -> Check:
    return Check("c", "tcp", probe, **options)


def ask(probe: Scripted, clock: Clock, deadline: float | None = None, **options: t.Any) -> Result:
    return run_check(check(probe, **options), deadline, clock, clock.sleep)


def test_a_check_is_asked_until_it_passes() -> None:
    clock = Clock()
    result = ask(Scripted(False, None, True), clock)
    assert (result.passed, result.attempts, result.message) == (True, 3, "answer 3")
    assert clock.waits == [10, 10]
    assert result.seconds == 20


def test_a_check_gives_up_after_its_attempts() -> None:
    clock = Clock()
    result = ask(Scripted(False), clock)
    assert (result.passed, result.attempts, result.seconds) == (False, 30, 290)


def test_attempts_begin_at_the_interval_however_long_they_take() -> None:
    clock = Clock()
    ask(Scripted(False, False, True, clock=clock, seconds=4), clock)
    assert clock.waits == [6, 6]
    clock = Clock()
    ask(Scripted(False, True, clock=clock, seconds=10), clock, interval=3)
    assert clock.waits == [0]


def test_nothing_goes_beyond_the_deadline() -> None:
    clock = Clock()
    probe = Scripted(False, clock=clock, seconds=60)
    result = ask(probe, clock, deadline=clock.now + 25)
    assert (result.passed, result.attempts) == (False, 3)
    assert probe.timeouts == [10, 10, 5]
    assert clock.now == 1025


def test_a_check_there_was_no_time_for_is_inconclusive() -> None:
    clock = Clock()
    result = ask(Scripted(True), clock, deadline=clock.now)
    assert (result.passed, result.attempts) == (None, 0)


def test_several_passes_in_a_row_can_be_asked_for() -> None:
    clock = Clock()
    result = ask(Scripted(True, False, True, True, True), clock, successes=3)
    assert (result.passed, result.attempts) == (True, 5)
    clock = Clock()
    result = ask(Scripted(False, True), clock, successes=3, attempts=3)
    assert (result.passed, result.message) == (False, "passed 2 times in a row instead of 3")


@hypothesis.given(
    st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=12),
    st.integers(1, 12),
    st.integers(1, 3),
)
def test_only_what_was_seen_to_pass_passes(answers: list[bool | None], attempts: int, successes: int) -> None:
    clock = Clock()
    if successes > attempts:
        return
    result = ask(Scripted(*answers), clock, attempts=attempts, successes=successes)
    seen = (answers + answers[-1:] * attempts)[: result.attempts]
    assert result.attempts <= attempts
    assert (result.passed is True) == (len(seen) >= successes and all(seen[-successes:]))


def test_no_check_or_one_that_could_not_be_known_is_no_pass() -> None:
    def status(*passed: bool | None) -> tuple[str, int, int, int]:
        found = summary([Result("x", "tcp", one, "") for one in passed])
        assert found["total_checks"] == len(passed)
        return found["overall_status"], found["passed"], found["failed"], found["inconclusive"]

    assert status() == ("inconclusive", 0, 0, 0)
    assert status(True, True) == ("passed", 2, 0, 0)
    assert status(True, None) == ("inconclusive", 1, 0, 1)
    assert status(True, None, False) == ("failed", 1, 1, 1)


def test_what_has_not_started_is_not_asked_whether_it_is_ready() -> None:
    later = Scripted(True)
    found = run_checks(
        [
            check(later, kind="performance"),
            check(Scripted(False), kind="startup", attempts=1),
            check(later, kind="readiness"),
        ]
    )
    assert later.timeouts == []
    assert [one["passed"] for one in found["checks"]] == [None, False, None]
    assert found["checks"][0]["message"] == "not asked, because c did not pass"


def test_checks_of_one_kind_are_asked_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)

    class Meeting:
        def ask(self, timeout: float) -> Outcome:
            together.wait()
            return Outcome(True, "met")

    assert run_checks([check(Meeting()) for _ignored in range(3)])["overall_status"] == "passed"


def test_results_are_plain_data() -> None:
    found = run_checks([check(Scripted(True))])["checks"][0]
    assert set(found) == {"name", "type", "passed", "message", "attempts", "seconds", "observed"}


def test_a_check_is_made_from_what_users_write() -> None:
    made = Check.from_mapping(
        {
            "name": "ping",
            "type": "http",
            "url": "http://site1.local/api/method/ping",
            "connect": "unix:/run/web.sock",
            "status": [200, "3xx"],
            "json": {"message": "pong"},
            "expect_headers": {"Server": "nginx"},
            "headers": {"Accept": "text/html"},
            "attempts": 3,
            "body": None,
        }
    )
    assert (made.attempts, made.interval, made.kind) == (3, 10.0, "readiness")
    probe = t.cast(probes.Http, made.probe)
    assert probe.expect.status == ("200", "3xx")
    assert (probe.expect.headers, probe.headers) == ({"Server": "nginx"}, {"Accept": "text/html"})


def test_a_performance_check_is_asked_once_with_its_own_request() -> None:
    made = Check.from_mapping({"type": "performance", "url": "http://x/", "max_p95": 0.5, "contains": "ok"})
    assert (made.name, made.kind, made.attempts, made.timeout) == ("performance", "performance", 1, 60.0)
    assert t.cast(Performance, made.probe).http.expect.contains == "ok"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"name": "a"}, "check a: type is None, not one of http, tcp"),
        ({"name": "a", "type": "ftp"}, "check a: type is 'ftp'"),
        ({"name": "a", "type": "http"}, "check a: http needs url"),
        ({"name": "a", "type": "tcp", "connect": "x:1", "url": "http://x"}, "check a: url can't be used with type tcp"),
        ({"name": "a", "type": "tcp", "connect": "x:1", "kind": "late"}, "check a: 'late' is none of startup"),
        ({"name": "a", "type": "tcp", "connect": "x:1", "attempts": 0}, "check a: attempts, interval"),
        ({"name": "a", "type": "tcp", "connect": "x:1", "successes": 31}, "check a: attempts, interval"),
        ({"name": "a", "type": "http", "url": "ftp://x"}, "check a: 'ftp://x' is not an http"),
        ({"name": "a", "type": "sql", "query": "x", "run": print}, "check a: run can't be used with type sql"),
        ({"name": "a", "type": "http", "url": "http://x", "status": [99]}, "check a: '99' is not an HTTP status"),
        ({"name": "a", "type": "http", "url": "http://x", "matches": "("}, "check a: '\\(' is not a regular"),
        ({"name": "a", "type": "command", "argv": []}, "check a: a command check needs a command"),
        ({"name": "a", "type": "container", "container": "c", "require": "up"}, "check a: a container can be required"),
        ({"name": "a", "type": "performance", "url": "http://x", "max_p95": 0}, "check a: a performance check needs"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_name(data: dict[str, t.Any], problem: str) -> None:
    with pytest.raises(LockstepError, match=problem):
        Check.from_mapping(data)


SQL = t.Callable[[str, float], t.Any]


@pytest.mark.parametrize(
    ("value", "options", "passed"),
    [
        ("1", {}, True),
        (None, {}, None),
        ("1", {"equals": "1"}, True),
        (1, {"equals": "1"}, True),
        ("2", {"equals": "1"}, False),
        ("5", {"minimum": 1, "maximum": 5}, True),
        ("6", {"maximum": 5}, False),
        ("0", {"minimum": 1}, False),
        ("many", {"minimum": 1}, None),
    ],
)
def test_a_query_passes_only_by_its_value(value: t.Any, options: dict[str, t.Any], passed: bool | None) -> None:
    made = Check.from_mapping({"type": "sql", "query": "SELECT 1", **options}, sql=lambda _query, _timeout: value)
    assert made.probe.ask(1).passed is passed


def test_a_query_without_a_database_or_with_one_that_refuses_never_passes() -> None:
    def refuse(_query: str, _timeout: float) -> None:
        raise LockstepError("the database server does not answer")

    assert Check.from_mapping({"type": "sql", "query": "x"}).probe.ask(1).passed is None
    outcome = Check.from_mapping({"type": "sql", "query": "x"}, sql=refuse).probe.ask(1)
    assert (outcome.passed, outcome.message) == (False, "the database server does not answer")
