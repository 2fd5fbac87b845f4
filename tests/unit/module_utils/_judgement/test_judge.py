# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each rule fails, passes or says that it can't know, exactly where it is written to."""

from __future__ import annotations

import json
import typing as t

import hypothesis
import hypothesis.strategies as st
import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import (
    Count,
    Counted,
    Figures,
    Histogram,
    Quantiles,
    Side,
    Times,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import (
    Condition,
    Ruling,
    Verdict,
    judge,
    together,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules

ERRORS_ONLY = Rules(latency_ratio=None)
LATENCY_ONLY = Rules(error_rate=None)


def errors(*minutes: tuple[float | None, float | None], rules: Rules = ERRORS_ONLY) -> Ruling:
    """The ruling over minutes of (requests, errors)."""
    found = judge(Figures(Side(tuple(Count(*minute) for minute in minutes))), rules).ruling("errors")
    assert found is not None
    return found


def spread(median: float, count: int) -> Counted:
    """So many different times around a median."""
    return Counted({round(median * (0.5 + (number + 0.5) / count), 6): 1 for number in range(count)})


def latency(candidate: Times, baseline: Times, looks: int = 1, **more: t.Any) -> Ruling:
    figures = Figures(Side(times=candidate), baseline=Side(times=baseline), **more)
    found = judge(figures, LATENCY_ONLY, looks=looks).ruling("latency")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("minutes", "status"),
    [
        ([(400, 32), (400, 32), (400, 32)], "fail"),
        ([(400, 32), (400, 20), (400, 32)], "pass"),
        ([(400, 0), (400, 0), (400, 0)], "pass"),
        ([(400, 400), (400, 400), (400, 20)], "pass"),
        # Each minute is over 5 %, but so narrowly that it may be less in truth.
        ([(100, 6), (100, 6), (100, 6)], "inconclusive"),
        ([(400, 21), (400, 21), (400, 21)], "inconclusive"),
        ([(99, 50), (400, 100), (400, 100)], "inconclusive"),
        ([(99, 0), (400, 0), (400, 0)], "inconclusive"),
        ([(100, 0), (100, 0), (100, 0)], "pass"),
        ([(0, 0), (0, 0), (0, 0)], "inconclusive"),
        ([(400, 100), (400, 100)], "inconclusive"),
        ([(400, 100), (None, None), (400, 100)], "inconclusive"),
        ([(400, 0), (400, None), (400, 0)], "inconclusive"),
    ],
)
def test_errors_fail_where_three_minutes_and_all_of_them_surely_have_too_many(
    minutes: list[tuple[float | None, float | None]], status: str
) -> None:
    assert errors(*minutes).status == status


@pytest.mark.parametrize(
    ("users", "status"),
    [
        # 115 requests of ours a minute, which all went well, make 4.2 % of it.
        ([(5, 5), (5, 5), (5, 5)], "inconclusive"),
        ([(25, 5), (25, 5), (25, 5)], "inconclusive"),
        ([(0, 0), (3, 3), (0, 0)], "inconclusive"),
        ([(25, 1), (25, 1), (25, 1)], "pass"),
        ([(20, 1), (20, 0), (20, 1)], "pass"),
        ([(0, 0), (0, 0), (0, 0)], "pass"),
        ([(25, 25), (25, 25), (25, 25)], "fail"),
    ],
)
def test_probes_that_went_well_make_no_pass_of_what_fails_for_the_few_users(
    users: list[tuple[int, int]], status: str
) -> None:
    minutes = tuple(Count(requests, failed) + Count(115, 0, 115) for requests, failed in users)
    assert judge(Figures(Side(minutes)), ERRORS_ONLY).status == status


def test_errors_of_probes_alone_are_none_of_users() -> None:
    minute = Count(20, 0) + Count(100, 5, 100, 5)
    assert judge(Figures(Side((minute,) * 3)), ERRORS_ONLY).passed


def test_errors_are_not_judged_before_three_whole_minutes() -> None:
    side = Side((Count(400, 400),) * 3)
    assert judge(Figures(side, age=179.9), ERRORS_ONLY).inconclusive
    assert judge(Figures(side, age=180.0), ERRORS_ONLY).failed


@hypothesis.given(st.lists(st.tuples(st.integers(0, 600), st.floats(0, 1)), min_size=3, max_size=3))
def test_no_errors_fail_that_any_of_the_conditions_excuses(drawn: list[tuple[int, float]]) -> None:
    minutes = [(requests, int(requests * share)) for requests, share in drawn]
    found = errors(*minutes)
    if min(requests for requests, _errors in minutes) < 100:
        assert found.status == "inconclusive"
    elif not all(failed > 0.05 * requests for requests, failed in minutes):
        assert found.status == "pass"
    else:
        assert found.status == ("fail" if found.numbers["interval"][0] > 0.05 else "inconclusive")


@pytest.mark.parametrize(
    ("earlier", "status"),
    [
        (Count(), "fail"),
        (Count(1000, 0), "fail"),
        (Count(1000, 83), "fail"),
        (Count(1000, 85), "inconclusive"),
        (Count(1000, 300), "inconclusive"),
        (Count(99, 99), "fail"),
        (Count(1000, None), "fail"),
        (Count(None, None), "fail"),
    ],
)
def test_a_release_is_not_taken_back_for_errors_that_were_there_before_it(earlier: Count, status: str) -> None:
    side = Side((Count(400, 40),) * 3)
    found = judge(Figures(side, before_count=earlier), ERRORS_ONLY)
    assert found.status == status
    # What the old release answers in the same minutes may be the new one's doing.
    assert judge(Figures(side, baseline=side), ERRORS_ONLY).failed
    if status == "inconclusive":
        rate = f"{100 * (earlier.rate or 0):.1f} %"
        assert f"but {rate} did before this release came, so it is no way out to go back" in found.reasons[0]


def test_errors_are_explained_by_their_numbers_and_those_of_the_other_side() -> None:
    minute = Count(400, 40, 30)
    figures = Figures(Side((minute,) * 3), baseline=Side((Count(400, 36),) * 3))
    verdict = judge(figures, ERRORS_ONLY)
    assert verdict.failed
    assert verdict.reasons[0] == (
        "errors: 10.0, 10.0, 10.0 % of the requests of 3 minutes failed, 5 % may; "
        "with 95 % confidence more than 8.4 % (of the old release's 9.0 %)"
    )
    ruling = verdict.ruling("errors")
    assert ruling is not None
    assert ruling.numbers == {
        "requests_per_minute": [400] * 3,
        "rates": [0.1] * 3,
        "rate": 0.1,
        "baseline_rate": 0.09,
        "before_rate": None,
        "at_most": 0.05,
        "interval": [0.0843, 0.1183],
    }
    assert verdict.numbers["candidate"]["requests"] == 1200
    assert verdict.numbers["candidate"]["probes"] == 90


def test_latency_fails_where_the_median_is_half_as_much_again_and_chance_does_not_explain_it() -> None:
    found = latency(spread(0.2, 200), spread(0.1, 200))
    assert found.status == "fail"
    assert found.numbers["ratio"] == pytest.approx(2, abs=0.01)
    assert found.numbers["p"] < 0.01
    assert "is 2.00 times the 0.100 s of the old release (same time), more than 1.5 times" in found.reason


def test_a_median_within_its_bound_passes_however_sure_the_difference_is() -> None:
    assert latency(spread(0.149, 5000), spread(0.1, 5000)).status == "pass"


def test_what_chance_explains_as_well_is_inconclusive() -> None:
    wide = Counted({0.1: 101, 10.0: 99})
    other = Counted({0.1: 99, 10.0: 101})
    found = latency(other, wide)
    assert found.numbers["ratio"] == 100
    assert found.numbers["p"] > 0.01
    assert found.status == "inconclusive"


@pytest.mark.parametrize(("mine", "theirs"), [(199, 5000), (5000, 199), (0, 0), (5000, 0)])
def test_too_few_requests_on_either_side_are_inconclusive(mine: int, theirs: int) -> None:
    assert latency(spread(0.3, mine), spread(0.1, theirs)).status == "inconclusive"


def test_a_release_is_not_judged_by_its_first_moments() -> None:
    found = latency(spread(0.3, 500), spread(0.1, 500), age=179.0)
    assert found.status == "inconclusive"
    assert "traffic for 179 s, and times are judged over 180 s" in found.reason
    assert latency(spread(0.3, 500), spread(0.1, 500), age=180.0).status == "fail"


def test_a_difference_of_milliseconds_is_none() -> None:
    assert latency(Counted({0.003: 500}), Counted({0.001: 500})).status == "pass"
    assert latency(Counted({0.002: 500}), Counted({0.0: 500})).status == "pass"
    assert latency(Counted({0.004: 500}), Counted({0.0: 500})).status == "fail"


def test_the_same_time_is_compared_with_before_the_time_before() -> None:
    slow, fast = spread(0.3, 500), spread(0.1, 500)
    assert latency(slow, slow, before=fast).status == "pass"
    assert latency(slow, fast, before=slow).status == "fail"
    found = latency(slow, spread(0.3, 100), before=fast)
    assert found.status == "fail"
    assert found.numbers["compared_with"] == "time before"


def test_users_requests_are_never_compared_with_ours() -> None:
    users, ours = spread(0.3, 500), spread(0.1, 500)
    mixed = judge(Figures(Side(times=users), baseline=Side(probe_times=ours)), LATENCY_ONLY)
    assert mixed.inconclusive
    alike = judge(Figures(Side(probe_times=users), baseline=Side(probe_times=ours)), LATENCY_ONLY)
    assert alike.failed
    assert judge(Figures(Side(probe_times=users), before=ours), LATENCY_ONLY).inconclusive


def test_the_risk_is_shared_among_the_looks() -> None:
    mine, theirs = Counted({0.1: 85, 0.4: 115}), Counted({0.1: 115, 0.4: 85})
    once = latency(mine, theirs)
    assert once.status == "fail"
    often = latency(mine, theirs, looks=30)
    assert often.status == "inconclusive"
    assert often.numbers["significance"] == pytest.approx(0.01 / 30)


def test_a_histogram_can_fail_and_percentiles_alone_can_not() -> None:
    slow, fast = Histogram({0.1: 10, 0.2: 90, 0.4: 100, 0.8: 100}), Histogram({0.1: 150, 0.2: 100, 0.4: 30, 0.8: 20})
    assert latency(slow, fast).status == "fail"
    found = latency(Quantiles({"p50": 0.3}, 500), Quantiles({"p50": 0.1}, 500))
    assert found.status == "inconclusive"
    assert "nothing is known that tells it from chance" in found.reason
    assert latency(Quantiles({"p50": 0.1}, 500), Quantiles({"p50": 0.1}, 500)).status == "pass"
    assert latency(Quantiles({"p95": 0.1}, 500), Quantiles({"p50": 0.1}, 500)).status == "inconclusive"


def _health(ok: bool | None, seconds: float) -> str:
    verdict = judge(
        Figures(Side()), Rules(error_rate=None, latency_ratio=None), Condition("health", ok, "refused", seconds)
    )
    return verdict.status


def test_five_minutes_without_health_fail() -> None:
    assert _health(True, 0) == "pass"
    assert _health(False, 300) == "inconclusive"
    assert _health(False, 300.1) == "fail"
    assert _health(None, 1000) == "inconclusive"


def test_a_dependency_that_stays_away_fails_and_one_lost_connection_does_not() -> None:
    rules = Rules(error_rate=None, latency_ratio=None)

    def judged(*conditions: Condition) -> Verdict:
        return judge(Figures(Side()), rules, dependencies=conditions)

    there, unknown = Condition("redis", True), Condition("mail", None, "no route")
    assert judged(there).passed
    assert judged(there, Condition("mariadb", False, "refused", 0)).inconclusive
    found = judged(there, Condition("mariadb", False, "refused", 10))
    assert found.failed
    assert found.reasons == ("dependencies: mariadb gone for 10 s: refused",)
    assert judged(there, unknown).inconclusive
    assert judged(unknown, Condition("mariadb", False, "refused", 10)).failed


def test_one_rule_that_fails_decides_and_all_must_pass() -> None:
    assert together(["pass", "fail", "inconclusive"]) == "fail"
    assert together(["pass", "inconclusive"]) == "inconclusive"
    assert together(["pass", "pass"]) == "pass"
    assert together([]) == "inconclusive"
    assert judge(Figures(Side()), Rules(error_rate=None, latency_ratio=None)).inconclusive


@pytest.mark.parametrize(
    "times", [Counted(), Counted({0.1: 3}), Histogram({}), Histogram({float("inf"): 300}), Quantiles({}, 0)]
)
def test_a_verdict_is_json_whatever_is_not_known(times: Times) -> None:
    side = Side((Count(None, None), Count(0, 0), Count(3, 3)), times, times)
    verdict = judge(Figures(side, float("inf"), side, times), Rules(), Condition("health", None), ())
    found = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert set(found) == {"status", "reasons", "numbers", "rules"}
    assert found["status"] == "inconclusive"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"eror_rate": 0.1}, "eror_rate: no such rule; there are error_rate"),
        ({"error_rate": 5}, "error_rate is a share between 0 and 1"),
        ({"error_rate": "much"}, "the rule error_rate can't be 'much'"),
        ({"error_rate": True}, "can't be True"),
        ({"latency_ratio": 0.5}, "latency_ratio is at least 1"),
        ({"latency_ratio": float("nan")}, "can't be nan"),
        ({"minutes": 0}, "minutes is at least 1"),
        ({"minutes": 2.5}, "can't be 2.5"),
        ({"minutes": False}, "minutes can't be switched off"),
        ({"min_requests": 0}, "min_requests is at least 1"),
        ({"min_times": 19}, "min_times is at least 20"),
        ({"significance": 0}, "significance lies between"),
        ({"latency_window": 0}, "latency_window is at least 1 s"),
        ({"min_slowdown": -1}, "min_slowdown is not negative"),
        ({"unhealthy": -1}, "unhealthy and gone are not negative"),
    ],
)
def test_rules_that_can_not_be_are_refused_by_name(given: dict[str, t.Any], problem: str) -> None:
    with pytest.raises(LockstepError, match=problem):
        Rules.from_mapping(given)


def test_rules_are_those_of_the_guidelines_but_where_users_say_otherwise() -> None:
    assert Rules() == Rules(0.05, 3, 100, 1.5, 0.01, unhealthy=300.0)
    assert Rules.from_mapping({}) == Rules()
    found = Rules.from_mapping({"error_rate": "0.1", "minutes": "5", "latency_ratio": False, "unhealthy": None})
    assert found == Rules(error_rate=0.1, minutes=5, latency_ratio=None, unhealthy=None)
    assert found.reach == 300
