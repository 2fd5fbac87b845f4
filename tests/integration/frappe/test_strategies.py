# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blue-green and canary by the playbook, there and back, while every site is read and written."""

from __future__ import annotations

import typing as t

import pytest

from tests.integration.frappe import strategies
from tests.integration.frappe.strategies import AMID, BLUE_GREEN, CLONED, SENT_BACK, TO_ALL, UNREHEARSED, Run
from tests.integration.stage import Stage, stage

pytestmark = pytest.mark.integration

FROZEN = ["freeze", "backup", "migrate", "verify", "switch", "thaw"]


@pytest.fixture(scope="module")
def bench() -> t.Iterator[Stage]:
    """A running bench that nobody deployed to."""
    with stage("lks-", sites=strategies.SITES) as found:
        yield found


def require_nothing_lost(run: Run) -> None:
    """Nobody's read failed and no acknowledged write is missing; a write was accepted, or refused in plain words."""
    for site, seen in run.traffic.items():
        assert (seen.failed_reads[:3], seen.failed_writes[:3], run.lost[site]) == ([], [], []), f"{site}: {run.told()}"
        assert seen.reads > 20
        assert len(seen.acknowledged) > 20


def require_end(run: Run, status: str, rc: int) -> str:
    """How the playbook ended; returns what its last play told."""
    assert run.done.returncode == rc, run.told()
    verdict = run.done.stdout.partition("PLAY [Tell the verdict]")[2]
    assert f" ended {status}: " in verdict, run.told()
    return verdict


def shares_in_force(bench: Stage, sites: t.Iterable[str]) -> dict[str, int]:
    """The sites some of whose visitors get to another release than the others."""
    percents = {site: bench.context().traffic(site).slots.percent() for site in sites}
    return {site: percent for site, percent in percents.items() if percent}


def test_blue_green_freezes_nobody_before_every_green_was_seen_on_a_copy(bench: Stage) -> None:
    run = strategies.blue_green(bench)
    verdict = require_end(run, "completed", 0)
    require_nothing_lost(run)
    assert run.versions == ["1.0.0"] * 2
    prepared = max(run.ended(site, "prepare") for site in BLUE_GREEN)
    assert min(run.began(site, "freeze") for site in BLUE_GREEN) >= prepared
    assert run.began(BLUE_GREEN[1], "freeze") >= run.ended(BLUE_GREEN[0], "retire"), "then unit by unit"
    switched = run.done.stdout.index("PLAY [Switch to green")
    for site in BLUE_GREEN:
        assert run.step(site, "prepare")["result"]["rehearsal"] == "passed"
        told = run.done.stdout.index(f"{site}: Rehearsed on a copy of its database: ")
        assert "Writes will be blocked for about " in run.done.stdout[told:].partition("\n")[0]
        assert told < switched, "users are told before anything begins"
        assert run.traffic[site].refused, "the freeze refused writes in plain words"
        assert 0 < run.freezes[site] < 60
        assert f"{site} {run.freezes[site]:.1f} s" in verdict.partition("Writes were blocked for: ")[2]
    assert strategies.left_of_rehearsals(bench) == []
    known = strategies.ledger_of(bench)
    copies = known["green_environment"]
    assert [copy.rpartition("_green_")[0] for copy in copies] == known["blue_environment"] == list(BLUE_GREEN)
    assert known["switch_result"] == [
        {"blue": site, "green": copy, "switched": True} for site, copy in zip(BLUE_GREEN, copies, strict=True)
    ]
    assert known["started_at"] < known["switch_time"] < known["ended_at"]
    assert (known["blue_retained"], known["validation_failures"]) == (False, [])


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"strategy": "rolling"}, "found clone with strategy: rolling; expected strategy: blue-green"),
        ({"strategy": "blue-green", "traffic_strategy": "gradual"}, "found clone with traffic_strategy: gradual"),
    ],
)
def test_a_clone_that_could_lose_writes_is_refused_before_anything_begins(
    bench: Stage, variables: dict[str, str], said: str
) -> None:
    run = strategies.refused_clone(bench, **variables)
    assert run.done.returncode != 0
    assert said in run.done.stdout + run.done.stderr
    assert run.journals == {CLONED[0]: {}}
    assert run.traffic[CLONED[0]].refused == 0


def test_blue_green_with_a_clone_says_how_long_it_takes_and_leaves_one_database(bench: Stage) -> None:
    run = strategies.blue_green_with_a_clone(bench)
    require_end(run, "completed", 0)
    require_nothing_lost(run)
    site = CLONED[0]
    assert run.versions == ["1.0.0"]
    assert run.step(site, "migrate")["result"]["clone"].startswith(f"{site}_green_2")
    assert "needs room for two copies beside it" in run.done.stdout
    told = run.done.stdout.index(f"{site}: Rehearsed on a copy of its database: ")
    assert " of them to clone the database." in run.done.stdout[told:].partition("\n")[0]
    assert run.traffic[site].refused
    assert 0 < run.freezes[site] < 60
    assert strategies.left_of_rehearsals(bench) == []


def test_a_canary_takes_wave_after_wave_and_share_after_share_to_the_new_release(bench: Stage) -> None:
    run = strategies.canary_to_all(bench)
    require_end(run, "completed", 0)
    require_nothing_lost(run)
    first, second = TO_ALL
    assert run.versions == ["1.0.1"] * 2
    assert run.began(second, "prepare") > run.ended(first, "retire"), "the second wave waits for the first"
    for site in TO_ALL:
        shift = run.step(site, "shift")["result"]
        assert (shift["percent"], shift["release"]) == (100, run.journals[site]["data"]["after"])
        assert run.step(site, "shift")["seconds"] >= 3, "each of three shares was watched"
        assert run.step(site, "switch")["result"]["percent"] == 0
        assert run.journals[site]["status"] == "live"
        live = strategies.manifest_of(bench, site)
        assert live["release"] == run.journals[site]["data"]["after"]
        assert live["apps"]["custom_app"]["version"] == "1.0.1"
    assert shares_in_force(bench, TO_ALL) == {}
    jobs = bench.folder / "state" / "jobs"
    assert list(jobs.iterdir()) == [], "the process that took visitors along wrote there, and that is gone"


def test_a_canary_that_answers_with_errors_loses_its_visitors_by_itself(bench: Stage) -> None:
    run = strategies.canary_sent_back(bench)
    verdict = require_end(run, "rolled_back", 2)
    require_nothing_lost(run)
    first, second = SENT_BACK
    assert run.versions == ["0.9.0"] * 2
    failed = run.step(first, "shift")
    assert "with 50 % of the visitors: errors: " in failed["result"]["error"]
    assert "back on release" in failed["result"]["error"]
    assert failed["seconds"] < 200, "nobody waited for the end of the step"
    assert run.journals[first]["status"] == "restored"
    assert run.journals[second] == {}, "the second wave was never touched"
    assert run.traffic[second].refused == 0
    assert f"Failed: {first} in shift: with 50 % of the visitors: errors: " in verdict
    assert f"{second}: the run had stopped" in verdict
    assert shares_in_force(bench, [first]) == {}


def test_a_blue_green_of_which_one_rehearsal_fails_freezes_nobody_and_leaves_no_green(bench: Stage) -> None:
    run = strategies.blue_green_unrehearsed(bench)
    verdict = require_end(run, "rolled_back", 2)
    require_nothing_lost(run)
    assert run.versions == ["0.9.0"] * 2
    assert {site: seen.refused for site, seen in run.traffic.items()} == dict.fromkeys(UNREHEARSED, 0)
    for site in UNREHEARSED:
        assert run.phases(site) == {"prepare": "undone"}, "it got no further"
        assert run.journals[site]["status"] == "restored"
    assert f"Failed: {UNREHEARSED[1]} in prepare: the migration was rehearsed on a copy" in verdict
    known = strategies.ledger_of(bench)
    assert [told.partition(": ")[0] for told in known["validation_failures"]] == [UNREHEARSED[1]]
    assert [entry["switched"] for entry in known["switch_result"]] == [False, False]
    assert strategies.left_of_rehearsals(bench) == []
    assert strategies.greens(bench, UNREHEARSED) == []


def test_a_blue_green_that_fails_amid_takes_back_who_was_through_and_who_only_waited(bench: Stage) -> None:
    run = strategies.blue_green_failing_amid(bench)
    verdict = require_end(run, "rolled_back", 2)
    require_nothing_lost(run)
    first, second, third = AMID
    assert run.versions == ["0.9.0"] * 3
    assert run.freezes[first] > 0, "its users had written on the new release"
    assert run.phases(second) == dict.fromkeys(("prepare", *FROZEN[: FROZEN.index("switch")]), "undone"), (
        "it failed frozen"
    )
    assert run.phases(third) == {"prepare": "undone"}
    assert run.traffic[third].refused == 0
    assert {run.journals[site]["status"] for site in AMID} == {"restored"}
    assert f"Failed: {second} in verify: the test " in verdict
    assert strategies.left_of_rehearsals(bench) == []
    assert strategies.greens(bench, AMID) == []
