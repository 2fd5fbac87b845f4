# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Too little data is no pass, and is waited for as long as the rules look back."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import judging
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.judging import Judging
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import Verdict
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.gate import MAINTENANCE


class Watch:
    """A watch that comes to what it is told, look by look."""

    def __init__(self, *statuses: str) -> None:
        self.rules = Rules()
        self.verdict: Verdict | None = None
        self.asked: list[float | None] = []
        self._statuses = iter(statuses)

    def verdicts(self, seconds: float | None = None) -> t.Iterator[Verdict]:
        self.asked.append(seconds)
        for status in self._statuses:
            self.verdict = Verdict(status, (f"it is {status}",), {}, ())
            yield self.verdict
            if status in ("end", "fail"):
                return


class Closed:
    """A gate that an operator has shut for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def is_set(self, state: str) -> bool:
        if state != MAINTENANCE:
            return False
        self.looks -= 1
        return self.looks >= 0

    def told(self, _state: str) -> dict[str, str]:
        return {"by": "ada", "since": "2026-11-29T12:00:00Z", "reason": "wrong prices"}


def judged(
    watch: t.Any,
    on_inconclusive: str = "back",
    gate: Closed | None = None,
    hear: t.Callable[[], None] | None = None,
) -> Judging:
    gate = gate or Closed(0)
    found = Judging.__new__(Judging)
    options = types.SimpleNamespace(on_inconclusive=on_inconclusive)
    deployment = types.SimpleNamespace(
        options=options, site=types.SimpleNamespace(name="site1.local"), traffic=types.SimpleNamespace(gate=gate)
    )
    found.__dict__.update(_watch=watch, _deployment=deployment, _pauses=True, _paused=0.0, _silent=[])
    found.__dict__.update(_hear=hear or (lambda: None), _patience=lambda: 900.0, _until=lambda: False)
    found.__dict__["_candidate"] = types.SimpleNamespace(id="cafe0123")
    found.__dict__["_live"] = lambda _release: types.SimpleNamespace(outside=lambda: None)
    return found


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What is answered from outside, look by look; the expected release where nothing is said."""
    found: list[bool] = []

    def answer(_transport: t.Any, _release: str) -> Outcome:
        return Outcome(found.pop(0) if found else True, "another one answers")

    monkeypatch.setattr(judging.site_health, "expected_release", answer)
    monkeypatch.setattr(judging.time, "sleep", lambda _seconds: None)
    return found


def test_a_pass_at_the_end_is_one() -> None:
    watch = Watch("inconclusive", "pass")
    assert judged(watch).concluded(300).passed
    assert watch.asked == [300]


def test_what_says_too_little_is_watched_until_it_passes_and_no_longer() -> None:
    watch = Watch("inconclusive", "end", "inconclusive", "pass", "inconclusive")
    assert judged(watch).concluded(300).passed
    assert watch.asked == [300, 180], "for as long as the rules look back"


def test_what_still_says_too_little_is_no_pass_unless_it_is_taken_for_one() -> None:
    with pytest.raises(LockstepError, match="inconclusive: it is") as caught:
        judged(Watch("end", "end")).concluded(60)
    assert "on_inconclusive=go_on" in str(caught.value.hint)
    watch = Watch("end", "end")
    assert not judged(watch, "go_on").concluded(60).passed
    assert watch.asked == [60]


def test_a_rule_that_fails_ends_it_at_once() -> None:
    with pytest.raises(LockstepError, match="it is fail"):
        judged(Watch("inconclusive", "fail", "pass")).concluded(60)


def test_visitors_are_not_left_for_any_rule_with_a_release_that_nobody_gets_to(answers: list[bool]) -> None:
    answers += [False, False, True, False, False, False]
    with pytest.raises(LockstepError, match="unhealthy while it was watched: another one answers"):
        judged(Watch(*["inconclusive"] * 9)).watch(60)
    assert answers == []
    answers += [True, False, True]
    judged(Watch("inconclusive", "pass")).watch(60)
    assert answers == [], "an end amid a silence is looked at again"


def test_nothing_is_asked_or_judged_while_an_operator_keeps_the_site_closed_and_no_time_counts(
    monkeypatch: pytest.MonkeyPatch, answers: list[bool]
) -> None:
    now, asked = [1000.0], []
    monkeypatch.setattr(judging.clock, "since_boot", lambda: now[0])
    monkeypatch.setattr(judging.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    gate = Closed(300)
    watch = Watch("inconclusive", "pass")
    found = judged(watch, gate=gate)
    verdicts = watch.verdicts

    def look(seconds: float | None = None) -> t.Iterator[Verdict]:
        asked.append(gate.looks)
        return verdicts(seconds)

    monkeypatch.setattr(watch, "verdicts", look)
    assert found.watch(60).passed
    assert asked == [-1], "the first look is one of when it was opened"
    assert found.__dict__["_paused"] == now[0] - 1000.0 == 300.0
    gate.looks = 50
    found.__dict__["_silent"] = ["nobody answers"]
    found._wait(5)
    assert found.__dict__["_paused"] == 350.0
    assert found.__dict__["_silent"] == [], "what was seen before says nothing of now"


def test_a_site_that_was_closed_before_its_release_was_judged_is_not_waited_for() -> None:
    found = judged(Watch("pass"), gate=Closed(10**9))
    found.__dict__["_pauses"] = False
    assert found.watch(60).passed


def test_a_site_that_nobody_opens_again_is_waited_for_as_long_as_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [900.0]
    monkeypatch.setattr(judging.time, "sleep", lambda seconds: left.__setitem__(0, left[0] - seconds))
    found = judged(Watch("pass"), gate=Closed(10**9))
    found.__dict__["_patience"] = lambda: left[0]
    with pytest.raises(
        LockstepError, match=r"is closed to visitors, maintenance since .* by ada \(wrong prices\)"
    ) as caught:
        found.watch(60)
    assert not isinstance(caught.value, judging.TakenBack)
    assert "traffic.yml -e state=live -e sites=site1.local" in str(caught.value.hint)
    assert 60 < left[0] < 120


def test_a_word_is_heard_at_every_look_and_in_a_pause() -> None:
    said: list[str] = []

    def hear() -> None:
        if said:
            raise LockstepError(said[0])

    class Talking(Watch):
        def verdicts(self, seconds: float | None = None) -> t.Iterator[Verdict]:
            for verdict in super().verdicts(seconds):
                yield verdict
                said.append("ada ended it")

    with pytest.raises(LockstepError, match="ada ended it"):
        judged(Talking("inconclusive", "inconclusive", "pass"), hear=hear).concluded(60)
    with pytest.raises(LockstepError, match="ada ended it"):
        judged(Watch("pass"), hear=hear, gate=Closed(10**9)).watch(60)
