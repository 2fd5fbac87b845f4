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


def judged(watch: Watch, on_inconclusive: str = "back") -> Judging:
    found = Judging.__new__(Judging)
    options = types.SimpleNamespace(on_inconclusive=on_inconclusive)
    found.__dict__.update(_watch=watch, _deployment=types.SimpleNamespace(options=options))
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
