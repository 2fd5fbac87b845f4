# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch takes back what is worse and keeps what is not, however often it looks."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.watching import LOOKS
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Count, Counted, Figures, Side
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.watch import (
    Probed,
    Watch,
    all_of,
    probe_times,
    review,
)
from tests.support.visitors import BEGIN, Clock, Release, Visitors, failures, watched

NOTHING = Rules(error_rate=None, latency_ratio=None)


class Fixed:
    """A source that always says the same."""

    def __init__(self, per_minute: float = 0, errors: float = 0) -> None:
        self.figures_now = Figures(Side((Count(per_minute, errors),) * 3))

    def figures(self, at: float, rules: Rules) -> Figures:
        return self.figures_now


class Unreadable:
    """A source that can't be read."""

    def figures(self, at: float, rules: Rules) -> Figures:
        raise LockstepError("the log is gone")


class Probes:
    """Releases that answer ours at once, or after some time."""

    def __init__(self, clock: Clock, ok: bool = True, seconds: float = 0.02) -> None:
        self._clock, self.ok, self.seconds = clock, ok, seconds
        self.sent: list[float] = []

    def __call__(self) -> Probed:
        self.sent.append(self._clock.now)
        self._clock.now += self.seconds
        return Probed(self.ok, self.seconds)


def watch(source: t.Any, rules: Rules = NOTHING, clock: Clock | None = None, **options: t.Any) -> tuple[Watch, Clock]:
    clock = clock or Clock()
    return Watch(source, rules, clock=clock, steady=clock, sleep=clock.sleep, **options), clock


# What the project promises, mostly of 100 watches. A look looks at three minutes.


def test_a_release_that_fails_8_percent_at_400_a_minute_is_taken_back() -> None:
    assert failures(Release(400, 0.08), None, lasts=600, every=30) >= 95


def test_a_release_that_fails_4_percent_at_400_a_minute_is_kept() -> None:
    assert failures(Release(400, 0.04), None, lasts=1800, every=60) <= 1


def test_doubled_latency_is_noticed_with_200_requests_a_side() -> None:
    # 80 a minute, so that hardly ever fewer than 200 come in three minutes.
    assert failures(Release(80, slower=2), Release(80), lasts=600, every=60) >= 95


def test_60_percent_more_latency_is_noticed_with_2000_requests_a_side() -> None:
    assert failures(Release(2000 / 3, slower=1.6), Release(2000 / 3), lasts=600, every=60) >= 95


def test_60_percent_more_latency_is_noticed_against_the_time_before() -> None:
    assert failures(Release(2000 / 3, slower=1.6), None, lasts=900, every=60, before=2000) >= 95


def test_30_percent_more_latency_is_kept_with_2000_requests_a_side() -> None:
    # By one look; `make bench` looks thirty times.
    assert failures(Release(2000 / 3, slower=1.3), Release(2000 / 3), lasts=180, every=180, runs=300) <= 1


@pytest.mark.parametrize("per_minute", [70, 400])
def test_an_unchanged_release_is_kept_over_30_looks(per_minute: float) -> None:
    unchanged = Release(per_minute, 0.01)
    assert failures(unchanged, unchanged, lasts=1800, every=60) <= 1


def test_an_unchanged_release_is_kept_over_the_looks_of_an_hour() -> None:
    assert failures(Release(80, 0.01), None, lasts=3600, every=3600 / LOOKS, before=200) <= 1


def test_an_unchanged_release_is_kept_against_the_time_before() -> None:
    assert failures(Release(80, 0.01), None, lasts=1800, every=60, before=200) <= 1


def test_a_failing_release_is_taken_back_after_three_minutes_and_no_earlier() -> None:
    clock = Clock()
    found, _clock = watch(Visitors(1, {"candidate": Release(400, 0.5)}), Rules(), clock, lasts=3600, every=10)
    assert found.run().failed
    assert 170 <= clock.now - BEGIN <= 190
    assert found.looks["fail"] == 1


def test_a_good_release_passes_at_the_end_and_not_before_enough_was_seen() -> None:
    clock = Clock()
    releases = {"candidate": Release(400), "baseline": Release(400)}
    found, _clock = watch(Visitors(1, releases), Rules(), clock, lasts=600, every=60)
    verdict = found.run()
    assert verdict.passed
    assert clock.now - BEGIN == 600
    assert found.looks == {"inconclusive": 3, "pass": 8}
    summary = found.summary()
    assert (summary["status"], summary["watched_seconds"]) == ("pass", 600)
    assert summary["looks"] == {"inconclusive": 3, "pass": 8}


def test_without_traffic_nothing_passes() -> None:
    assert watched(Visitors(1, {"candidate": Release(0.1)}), 600, 60).inconclusive


@pytest.mark.parametrize(("error_rate", "status"), [(1.0, "inconclusive"), (0.0, "pass")])
def test_what_fails_for_the_users_of_a_quiet_site_is_no_pass_by_our_requests(error_rate: float, status: str) -> None:
    clock = Clock()
    users = Visitors(1, {"candidate": Release(4, error_rate)})
    rules = Rules(latency_ratio=None)
    found, _clock = watch(users, rules, clock, lasts=600, every=10, probes={"candidate": Probes(clock)})
    assert found.run().status == status


def test_all_looks_of_a_watch_share_the_risk() -> None:
    releases = {"candidate": Release(400), "baseline": Release(400)}
    found, _clock = watch(Visitors(1, releases), Rules(), lasts=600, every=10)
    ruling = found.run().ruling("latency")
    assert ruling is not None
    assert ruling.numbers["significance"] == pytest.approx(0.01 / 60)


# Probes


@pytest.mark.parametrize("every", [1, 7, 10, 25, 40, 59, 60])
@pytest.mark.parametrize("per_minute", [0, 30, 80])
def test_probes_fill_every_minute(every: float, per_minute: float) -> None:
    clock = Clock()
    releases = {"candidate": Release(per_minute)} if per_minute else {}
    rules = Rules(latency_ratio=None)
    found, _clock = watch(
        Visitors(3, releases), rules, clock, lasts=900, every=every, probes={"candidate": Probes(clock, seconds=0.001)}
    )
    found.run()
    assert found.verdict is not None
    assert found.verdict.numbers["candidate"]["probes"] > 0
    # Users come unevenly, so a minute may have a request less than it needs, but not often.
    begin = 180 / every + 1
    assert found.looks["inconclusive"] <= begin + (0 if per_minute == 0 else sum(found.looks.values()) / 5)


def test_probes_are_as_many_as_are_missing_and_not_more() -> None:
    clock = Clock()
    probes = Probes(clock, seconds=0.0)
    found, _clock = watch(Fixed(), Rules(latency_ratio=None), clock, lasts=600, every=10, probes={"candidate": probes})
    found.run()
    assert 100 <= len(probes.sent) / 10 <= 130


def test_no_probe_is_sent_where_users_send_enough() -> None:
    clock = Clock()
    probes = Probes(clock)
    source = Fixed()
    source.figures_now = Figures(Side((Count(120, 0),) * 3, Counted({0.1: 200})))
    watch(source, Rules(), clock, probes={"candidate": probes})[0].look()
    assert probes.sent == []


def test_both_sides_are_probed_by_turns_and_compared_with_each_other() -> None:
    clock = Clock()
    slow, fast = Probes(clock, seconds=0.03), Probes(clock, seconds=0.01)
    rules = Rules(error_rate=None)
    found, _clock = watch(Fixed(), rules, clock, lasts=900, probes={"candidate": slow, "baseline": fast})
    verdict = found.run()
    assert verdict.failed
    assert "is 3.00 times the 0.010 s" in verdict.reasons[0]
    assert len(slow.sent) == len(fast.sent)
    assert verdict.numbers["baseline"]["probe_times"]["requests"] >= 200
    assert all(one < other for one, other in zip(slow.sent, fast.sent, strict=True))


def test_probes_are_compared_with_those_of_before_the_old_release_stopped() -> None:
    clock = Clock()
    before = Counted({0.01: 200})
    found, _clock = watch(
        Fixed(), Rules(error_rate=None), clock, lasts=900, probes={"candidate": Probes(clock)}, probed_before=before
    )
    assert found.run().failed


def test_probes_also_fill_what_comparing_times_needs() -> None:
    clock = Clock()
    # With so many users errors need fewer probes than times do.
    users = Visitors(1, {"candidate": Release(60), "baseline": Release(60)})
    both = {"candidate": Probes(clock, seconds=0.0), "baseline": Probes(clock, seconds=0.0)}
    found, _clock = watch(users, Rules(error_rate=None), clock, lasts=600, probes=both)
    verdict = found.run()
    assert verdict.passed
    assert verdict.rulings[0].numbers["compared"] == "probes"


def test_a_release_that_answers_no_probe_is_taken_back() -> None:
    clock = Clock()
    found, _clock = watch(
        Fixed(), Rules(latency_ratio=None), clock, lasts=900, probes={"candidate": Probes(clock, ok=False)}
    )
    verdict = found.run()
    assert verdict.failed
    assert verdict.numbers["candidate"]["errors"] == verdict.numbers["candidate"]["probes"]


def test_probes_of_a_release_that_hangs_do_not_hold_up_the_watch() -> None:
    clock = Clock()
    probes = Probes(clock, ok=False, seconds=5.0)
    found, _clock = watch(Fixed(), Rules(), clock, lasts=300, every=10, probes={"candidate": probes})
    found.run()
    assert len(probes.sent) == 31
    assert clock.now - BEGIN <= 306


def test_a_probe_of_neither_side_is_refused() -> None:
    with pytest.raises(LockstepError, match="a probe asks candidate or baseline, not green"):
        watch(Fixed(), probes={"green": Probes(Clock())})


def test_times_of_before_are_taken_only_of_answers_and_only_for_so_long() -> None:
    answers = iter([Probed(True, 0.01)] * 3 + [Probed(False, 5.0)] * 2)
    assert probe_times(lambda: next(answers), 5).seconds == {0.01: 3}
    assert probe_times(lambda: Probed(True, 0.01), 5, within=0).seconds == {}


# Health and dependencies


class Said:
    """Answers to a question, the last one for ever."""

    def __init__(self, *answers: bool | None) -> None:
        self._answers = list(answers)

    def __call__(self) -> Outcome:
        return Outcome(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0], "as said")


def test_five_minutes_without_health_take_a_release_back() -> None:
    found, clock = watch(Fixed(), health=Said(False), lasts=3600)
    assert found.run().failed
    assert clock.now - BEGIN == 310


def test_health_that_comes_back_starts_anew() -> None:
    answers = [False] * 30 + [True] + [False] * 30 + [True]
    found, clock = watch(Fixed(), health=Said(*answers), lasts=3600)
    assert found.run().passed
    assert clock.now - BEGIN == 3600


def test_health_that_is_not_known_neither_heals_nor_fails() -> None:
    found, clock = watch(Fixed(), health=Said(False, *[None] * 40, False), lasts=3600)
    assert found.run().failed
    assert clock.now - BEGIN == 410
    unknown, _clock = watch(Fixed(), health=Said(None), lasts=3600)
    assert unknown.run().inconclusive


def test_a_dependency_that_is_gone_at_two_looks_takes_a_release_back() -> None:
    found, clock = watch(Fixed(), dependencies={"redis": Said(True, True, False), "mariadb": Said(True)}, lasts=3600)
    verdict = found.run()
    assert verdict.failed
    assert verdict.reasons == ("dependencies: redis gone for 10 s: as said",)
    assert clock.now - BEGIN == 30


def test_one_lost_connection_takes_nothing_back() -> None:
    found, _clock = watch(Fixed(), dependencies={"redis": Said(True, False, True)}, lasts=600)
    assert found.run().passed
    assert found.looks["inconclusive"] == 1


def test_a_question_that_breaks_is_not_known() -> None:
    def broken() -> Outcome:
        raise LockstepError("no such user")

    found, _clock = watch(Fixed(), dependencies={"redis": broken})
    verdict = found.look()
    assert verdict.inconclusive
    assert verdict.reasons == ("dependencies: redis is not known: no such user.",)


def test_what_lasts_is_measured_by_a_clock_that_only_grows() -> None:
    clock = Clock()
    wall = Clock()
    found = Watch(Fixed(), NOTHING, health=Said(False), clock=wall, steady=clock, sleep=clock.sleep)
    assert found.look().inconclusive
    wall.now += 3600
    assert found.look().inconclusive
    clock.now += 301
    assert found.look().failed


def test_several_checks_are_one_question() -> None:
    def asked(*passed: bool | None) -> bool | None:
        results = [Result(f"check{number}", "http", one, "as said") for number, one in enumerate(passed)]
        return all_of(lambda: results)().passed

    assert asked(True, True) is True
    assert asked(True, None, False) is False
    assert asked(True, None) is None
    assert asked() is None
    bad = all_of(lambda: [Result("login", "http", False, "status 500"), Result("ping", "http", None, "?")])()
    assert bad.message == "login: status 500"


# Steps


def test_a_watch_goes_on_from_step_to_step() -> None:
    found, clock = watch(Fixed(), lasts=600, health=Said(True))
    seen = list(found.verdicts(100))
    assert (len(seen), clock.now - BEGIN) == (11, 100)
    assert found.run(100).passed
    assert clock.now - BEGIN == 200
    found.run()
    assert clock.now - BEGIN == 600


def test_whoever_looks_may_stop_at_any_look() -> None:
    found, clock = watch(Fixed(), lasts=600, health=Said(True))
    for number, _verdict in enumerate(found.verdicts(), 1):
        if number == 3:
            break
    assert clock.now - BEGIN == 20


def test_health_is_timed_across_steps() -> None:
    found, clock = watch(Fixed(), lasts=3600, health=Said(False))
    assert found.run(200).inconclusive
    assert found.run(200).failed
    assert clock.now - BEGIN == 310


# The source


def test_a_source_that_can_not_be_read_is_no_reason_either_way() -> None:
    found, _clock = watch(Unreadable(), Rules(), health=Said(True))
    verdict = found.look()
    assert verdict.inconclusive
    assert verdict.reasons[0] == "the log is gone."
    failing, _clock = watch(Unreadable(), Rules(), health=Said(False), lasts=600)
    assert failing.run().failed


def test_a_watch_of_no_time_looks_once() -> None:
    found, _clock = watch(Fixed(), lasts=0)
    found.run()
    assert sum(found.looks.values()) == 1
    assert found.over
    with pytest.raises(LockstepError, match="a watch lasts at least 0 s"):
        watch(Fixed(), every=0)


def test_a_time_that_is_over_is_judged_minute_by_minute() -> None:
    early = Visitors(1, {"candidate": Release(400, 0.5)})
    assert review(early, Rules(latency_ratio=None), BEGIN, BEGIN + 240).failed
    good = {"candidate": Release(400), "baseline": Release(400)}
    assert review(Visitors(1, good), Rules(), BEGIN, BEGIN + 900).passed
    assert review(Visitors(1, good), Rules(), BEGIN, BEGIN + 120).inconclusive
