# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every request counts for the release it was meant for, and for none where nginx answered by itself."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.access_log import parse
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import (
    Count,
    Figures,
    Side,
    Tally,
    total,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import Sides
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import LogSource, Span
from tests.support.accesslog import SITE, append, line

BEGIN = 1_800_000_000.0
ROUTES = {"live": "baseline", "slots/00": "candidate", "slots/01": "baseline"}
CANARY = Sides("r2", "r1", ROUTES)
DEAD = {"release": "", "status": 502, "upstream_seconds": "0.000"}
OWN = {"release": "", "upstream_seconds": ""}


@pytest.mark.parametrize(
    ("fields", "side"),
    [
        ({"release": "r1"}, "baseline"),
        ({"release": "r2"}, "candidate"),
        # The header says more than the route: a tester's cookie, or a slot that was moved meanwhile.
        ({"release": "r2", "route": "live"}, "candidate"),
        ({"release": "r0"}, None),
        ({**DEAD, "route": "slots/00"}, "candidate"),
        ({**DEAD, "route": "slots/01"}, "baseline"),
        ({**DEAD, "route": "live"}, "baseline"),
        ({**DEAD, "route": "slots/19"}, None),
        ({**DEAD, "route": None}, None),
        ({**OWN, "path": "/assets/a.js", "route": "live"}, None),
        ({**OWN, "status": 503, "route": "slots/00"}, None),
        ({**OWN, "status": 404, "route": ""}, None),
    ],
)
def test_a_request_counts_for_the_release_that_was_asked(fields: dict[str, t.Any], side: str | None) -> None:
    request = parse(line(BEGIN, **fields).encode())
    assert request is not None
    assert CANARY.of(request) == side


def test_lines_without_a_route_count_by_the_empty_one() -> None:
    request = parse(line(BEGIN, **DEAD, route=None).encode())
    assert request is not None
    assert Sides("r2", "r1", {"": "candidate"}).of(request) == "candidate"


def test_where_no_release_is_named_whoever_answers_is_judged() -> None:
    for fields, side in (({}, "candidate"), (DEAD, "candidate"), (OWN, None), ({"release": "r9"}, "candidate")):
        request = parse(line(BEGIN, **fields).encode())
        assert request is not None
        assert Sides().of(request) == side


def test_slots_lead_to_either_side_while_visitors_are_shared_and_all_to_one_afterwards() -> None:
    shared = Sides.beside(
        "r2", "r1", {"live": "live", "candidate": "candidate", "slots/00": "candidate", "slots/01": "live"}
    )
    alone = Sides.alone("r2", "r1")
    for route, side in (("slots/00", "candidate"), ("slots/01", "baseline"), ("live", "baseline"), ("odd", None)):
        request = parse(line(BEGIN, **DEAD, route=route).encode())
        assert request is not None
        assert shared.of(request) == side
        assert alone.of(request) == "candidate"


def test_sides_that_can_not_be_are_refused() -> None:
    with pytest.raises(LockstepError, match="r1 can't be compared with itself"):
        Sides("r1", "r1")
    with pytest.raises(LockstepError, match="a route belongs to candidate or baseline, not to green"):
        Sides("r1", "r2", {"live": "green"})
    with pytest.raises(LockstepError, match="not to blue"):
        Sides("r1", "r2", otherwise="blue")


class Log:
    """A log and a source that reads it."""

    def __init__(self, path: pathlib.Path, sides: Sides = CANARY, **options: t.Any) -> None:
        self.path = path
        path.touch()
        self.source = LogSource(sides, BEGIN, SITE, path=str(path), **options)

    def add(self, second: float, count: int = 1, **fields: t.Any) -> None:
        append(self.path, *[line(BEGIN + second, **fields)] * count)

    def figures(self, second: float) -> Figures:
        return self.source.figures(BEGIN + second, Rules())


@pytest.fixture
def log(tmp_path: pathlib.Path) -> Log:
    return Log(tmp_path / "log")


def counts(side: Side) -> list[tuple[float | None, float | None]]:
    return [(minute.requests, minute.errors) for minute in side.minutes]


def test_requests_are_counted_by_side_and_minute(log: Log) -> None:
    log.add(1, 5, release="r2")
    log.add(59, 2, release="r2", status=500)
    log.add(61, 3, release="r1")
    log.add(121, 4, **DEAD, route="slots/00")
    found = log.figures(180)
    assert counts(found.candidate) == [(7, 2), (0, 0), (4, 4)]
    assert counts(found.baseline) == [(0, 0), (3, 0), (0, 0)]
    assert found.age == 180


def test_only_a_release_s_own_failures_are_errors(log: Log) -> None:
    for status in (200, 302, 404, 403, 429, 499, 500, 502, 503, 504):
        log.add(1, release="r2", status=status)
    log.add(2, 10, **OWN, status=503)
    assert total(log.figures(60).candidate.minutes) == Count(10, 4, 0)


def test_times_are_those_of_users_who_were_served(log: Log) -> None:
    log.add(1, 3, release="r2", seconds=0.1)
    log.add(1, release="r2", seconds=9.0, status=500)
    log.add(1, release="r2", seconds=900.0, status=101, path="/socket.io/")
    log.add(1, release="r2", seconds=900.0, status=101, path="/live/")
    log.add(1, release="r2", seconds=25.0, path="/socket.io/")
    log.add(1, **OWN, seconds=0.0, path="/assets/a.js")
    log.add(1, release="r2", seconds=0.2, status=404)
    found = log.figures(180).candidate
    assert found.times.ranks() == {0.1: 3, 0.2: 1}
    assert total(found.minutes).requests == 8


def test_what_is_longer_ago_than_the_rules_look_is_forgotten(log: Log) -> None:
    log.add(1, 5, release="r2")
    assert log.figures(180).candidate.times.count == 5
    assert log.figures(182).candidate.times.count == 0
    assert total(log.figures(182).candidate.minutes).requests == 0


def test_slots_that_move_count_for_their_new_side_from_then_on(log: Log) -> None:
    log.add(1, 2, **DEAD, route="slots/01")
    log.source.follow(Sides("r2", "r1", {**ROUTES, "slots/01": "candidate"}))
    log.add(2, 3, **DEAD, route="slots/01")
    found = log.figures(60)
    assert total(found.baseline.minutes).errors == 2
    assert total(found.candidate.minutes).errors == 3


def test_the_time_before_is_the_old_release_s_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    for second, fields in (
        (-100.5, {"seconds": 9.0}),
        (-100, {"seconds": 0.1}),
        (-60, {"seconds": 0.2, "release": ""}),
        (-60, {"seconds": 9.0, "release": "r2"}),
        (-60, {"seconds": 9.0, "release": "r0"}),
        (-60, {"seconds": 9.0, "status": 500}),
        (-60, {"seconds": 9.0, "release": "", "upstream_seconds": ""}),
        (-30, {"seconds": 9.0}),
        (-1, {"seconds": 9.0}),
        (0, {"seconds": 9.0}),
    ):
        append(path, line(BEGIN + second, **fields))
    log = Log(path, before=Span(BEGIN - 100, BEGIN - 30))
    found = log.figures(1)
    assert found.before.ranks() == {0.1: 1, 0.2: 1}
    assert found.before_count == Count(3, 1)


def test_a_time_before_that_is_none_is_refused(tmp_path: pathlib.Path) -> None:
    for span in (Span(BEGIN - 1, BEGIN + 1), Span(BEGIN - 1, BEGIN - 1), Span(BEGIN - 1, BEGIN - 2)):
        with pytest.raises(LockstepError, match="the time before"):
            Log(tmp_path / "log", before=span)


def test_a_tally_s_minutes_meet_without_gap_or_overlap() -> None:
    tally = Tally()
    for second in range(600):
        tally.add(BEGIN + second, False, 0.1)
    assert [minute.requests for minute in tally.minutes(BEGIN + 500.7, 5)] == [60] * 5
    assert tally.times(BEGIN + 320, BEGIN + 500).count == 180
