# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the visitors of two releases saw in all of the time that they shared them, and who may end that when."""

from __future__ import annotations

import pathlib
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.decision import Decision
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import split
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.split import Split, summarise
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Figures
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import Record

BEGAN = 1_800_000_000.0


class Requests:
    """A source that was told each request.

    Args:
        each: How many each side gets in a second.
        slower: How many times as long as the old release's those of the new one take.
        wrong: The seconds in which one of the new release's requests fails; those of the first minute by default.
    """

    def __init__(self, lasted: int, each: int = 1, slower: float = 1.0, wrong: range = range(60)) -> None:
        self._record = Record(BEGAN)
        for second in range(lasted):
            for number in range(each):
                at = BEGAN + second + 0.5
                self._record.add(BASELINE, at, False, 0.010 + number % 2 / 1000)
                failed = second in wrong and number == 0
                self._record.add(CANDIDATE, at, failed, None if failed else (0.010 + number % 2 / 1000) * slower)

    def figures(self, at: float, rules: Rules) -> Figures:
        return self._record.figures(at, rules)


def seen(lasted: int, rules: Rules = Rules(), **more: t.Any) -> dict[str, t.Any]:  # noqa: B008 - it can't be changed
    return summarise(Requests(lasted, **more), rules, BEGAN, BEGAN + lasted)


def test_all_requests_count_however_long_ago_they_were() -> None:
    found = seen(1000, each=2)
    assert found["sides"]["candidate"]["requests"] == found["sides"]["live"]["requests"] == 2000
    assert (found["sides"]["candidate"]["errors"], found["sides"]["live"]["errors"]) == (60, 0)
    assert found["sides"]["candidate"]["error_rate"] == pytest.approx(0.03)
    assert found["sides"]["live"]["p50"] == pytest.approx(0.010)
    assert found["sides"]["live"]["p99"] == pytest.approx(0.011)
    assert found["judgement"]["seconds"] == 1000


def test_errors_of_long_ago_are_no_reason_any_more_and_those_of_the_last_minutes_are() -> None:
    assert seen(600, each=4)["judgement"]["status"] == "pass"
    lately = seen(600, each=4, wrong=range(420, 600))["judgement"]
    assert lately["status"] == "fail"
    assert "25.0, 25.0, 25.0 % of the requests of 3 minutes failed" in lately["reasons"][0]


def test_too_little_is_said_to_be_too_little() -> None:
    found = seen(20)["judgement"]
    assert found["status"] == "inconclusive"
    assert "traffic for 20 s and not for 3 minutes" in found["reasons"][0]
    few = seen(300, Rules(min_requests=100))["judgement"]
    assert few["status"] == "inconclusive"
    assert "with fewer than 100 it says nothing" in few["reasons"][0]


def test_times_are_compared_over_all_of_the_share() -> None:
    # Fewer than 200 a side in the last 180 s, and enough in all of the time.
    slow = seen(600, Rules(min_requests=10), slower=2.0)["judgement"]
    assert slow["status"] == "fail"
    assert slow["reasons"][0].startswith("latency: a median of 0.020 s is 2.00 times")


def test_a_share_of_this_moment_has_no_figures_and_no_verdict() -> None:
    found = seen(0)
    assert found["sides"]["candidate"] == {
        "requests": 0, "errors": 0, "error_rate": None, "p50": None, "p95": None, "p99": None
    }  # fmt: skip
    assert found["judgement"]["status"] == "inconclusive"


class Sharing:
    """A deployment that shares out a site's visitors.

    Attributes:
        is_at_work: Whether its process is there.
    """

    def __init__(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_at_work = True
        self.folder = str(folder / "units" / "site1.local")
        releases = {name: types.SimpleNamespace(id=name, versions=dict) for name in ("old", "new")}
        slots = types.SimpleNamespace(candidate=lambda: "/run/new", percent=lambda: 25, sides=dict)
        self._context: t.Any = types.SimpleNamespace(
            state_dir=str(folder),
            unit_folder=lambda _unit: self.folder,
            traffic=lambda _site: types.SimpleNamespace(slots=slots),
            record=types.SimpleNamespace(
                exists=lambda: True, sites=lambda: {"site1.local": {}}, releases=lambda: list(releases.values())
            ),
            runtime=lambda release: types.SimpleNamespace(folder=f"/run/{release.id}"),
            live_release=lambda _site: releases["old"],
        )
        self.journal = Journal(self.folder)
        options = {"steps": [5, 25, 50], "step_wait": 600.0}
        self.journal.open(unit="site1.local", driver="frappe_site", deployment_id="d1", data={"options": options})
        monkeypatch.setattr(split.claims, "at_work", lambda *_unit: "d1" if self.is_at_work else None)

    def begin(self, **noted: t.Any) -> None:
        self.journal.begin("shift", 900).note(percent=25, since="2026-11-29T12:00:00Z", **noted)

    def needs_end(self, *, promote: bool) -> bool:
        return Split(self._context, "site1.local", "site1.local").needs_end(promote=promote)

    def state(self) -> str:
        return str(Split(self._context, "site1.local", "site1.local").state()["state"])


@pytest.fixture
def sharing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Sharing:
    return Sharing(tmp_path, monkeypatch)


def test_visitors_can_be_taken_back_at_any_time_that_somebody_is_at_work(sharing: Sharing) -> None:
    assert (sharing.state(), sharing.needs_end(promote=False)) == ("beginning", True)
    sharing.begin()
    assert (sharing.state(), sharing.needs_end(promote=False)) == ("rising", True)
    sharing.begin(holding=True)
    assert (sharing.state(), sharing.needs_end(promote=False)) == ("held", True)
    Decision(sharing.folder).take("d1", promote=False, by="ada", reason="it sells less")
    assert (sharing.state(), sharing.needs_end(promote=False)) == ("ending", False)
    with pytest.raises(LockstepError, match="ada has ended it already, with back"):
        sharing.needs_end(promote=True)


def test_who_promotes_a_share_that_rises_is_told_when_it_ends_by_itself_and_what_can_be_done(sharing: Sharing) -> None:
    sharing.begin()
    with pytest.raises(LockstepError, match="no share of its visitors is held: it rises still") as caught:
        sharing.needs_end(promote=True)
    assert "at 2026-11-29T12:20:00Z, or some minutes later" in str(caught.value.hint)
    assert "all visitors get to the new release by itself" in str(caught.value.hint)
    assert "playbooks/split.yml -e sites=site1.local -e end=back" in str(caught.value.hint)


def test_a_word_that_nobody_is_there_to_hear_is_refused_with_the_way_back(sharing: Sharing) -> None:
    sharing.is_at_work = False
    for begin in (lambda: None, sharing.begin):
        begin()
        with pytest.raises(LockstepError, match=r"nobody (is at work|would hear)") as caught:
            sharing.needs_end(promote=False)
        assert "playbooks/rollback.yml -e deployment_id=d1" in str(caught.value.hint)
