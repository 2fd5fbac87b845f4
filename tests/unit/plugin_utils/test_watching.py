# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is watched is what a deployment moved, and what is not known is never called a pass."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import watching

ID, OTHER = "20261120T184500Z-1a2b3c", "20261121T184500Z-1a2b3c"
BENCH = "bench@app1"
PLACES = {unit: {"server": "app1", "bench": "bench"} for unit in (BENCH, "a", "b", "c")}
NEEDS: dict[str, list[str]] = {BENCH: [], "a": [BENCH], "b": [BENCH], "c": [BENCH]}


def unit(name: str) -> dict[str, t.Any]:
    return {"name": name, "site": None if name == BENCH else f"{name}.local", "depends_on": NEEDS[name]}


def status(name: str, state: str = "live", deployment_id: str = ID) -> dict[str, t.Any]:
    journal = {"deployment_id": deployment_id, "status": state}
    return {"server": "app1", "info": {"journal": journal, "journals": [journal], "site": unit(name)["site"]}}


def chosen(*names: str) -> dict[str, t.Any]:
    return watching.of_records({name: status(name) for name in names}, NEEDS, PLACES, "last")


def test_after_a_deployment_its_sites_that_changed_are_watched_bench_by_bench() -> None:
    plan = {"deployment_id": ID, "units": [unit(name) for name in NEEDS]}
    forward = {
        BENCH: {"changed": True, "deployment_id": ID},
        "a": {"changed": True, "deployment_id": ID},
        "b": {"changed": False, "deployment_id": OTHER},
        "c": {"changed": True, "deployment_id": ID},
    }
    found = watching.of_deployment(plan, forward, {**PLACES, "c": {"server": "app2", "bench": "bench"}})
    assert found["benches"] == {
        "a": [{"unit": "a", "site": "a.local"}],
        "c": [{"unit": "c", "site": "c.local"}],
    }
    assert [one["name"] for one in found["units"]] == [BENCH, "a", "c"]
    assert watching.of_deployment(plan, {}, PLACES)["benches"] == {}


def test_later_it_is_what_the_servers_say_of_a_deployment_that_is_completed() -> None:
    found = chosen(BENCH, "a", "b")
    assert (found["deployment_id"], found["problem"]) == (ID, "")
    assert found["benches"] == {"a": [{"unit": "a", "site": "a.local"}, {"unit": "b", "site": "b.local"}]}
    statuses = {BENCH: status(BENCH), "a": status("a", "open"), "b": status("b", deployment_id=OTHER)}
    found = watching.of_records(statuses, NEEDS, PLACES, ID)
    assert found["problem"] == f"Deployment {ID} has completed no site that could be watched: {BENCH} live, a open."


def test_which_deployment_was_the_last_has_to_be_known() -> None:
    statuses = {"a": status("a"), "b": {"server": "app1", "unreachable": True, "info": {}}}
    assert "can't be told" in watching.of_records(statuses, NEEDS, PLACES, "last")["problem"]
    assert list(watching.of_records(statuses, NEEDS, PLACES, ID)["benches"]) == ["a"]


def test_people_are_told_how_long_it_takes_and_where_forks_are_too_few() -> None:
    lines = watching.announced(chosen("a", "b"), 3600, 5)
    assert len(lines) == 1
    assert lines[0].startswith(f"Watching a, b for 60 min under the rules of deployment {ID}. It is completed;")
    assert "Raise forks" in watching.announced(chosen("a", "b"), 3600, 0)[1]


def record(state: str, reason: str = "errors: 9 % failed", deployment_id: str = ID) -> dict[str, t.Any]:
    times = {"began": "2026-11-20T18:00:00Z", "until": "2026-11-20T19:00:00Z", "ended": "2026-11-20T18:10:00Z"}
    return {"deployment_id": deployment_id, "status": state, "reasons": [reason], **times}


def told(a: t.Any, b: t.Any) -> dict[str, t.Any]:
    return watching.tell(chosen(BENCH, "a", "b"), {"a": {"watches": {"a": a, "b": b}, "error": "it was killed"}})


def test_a_rule_that_failed_takes_back_and_says_unit_rule_and_numbers() -> None:
    found = told(record("failed"), record("ended", "the watch of a failed"))
    assert found["failed"] == {"a": "errors: 9 % failed"}
    assert found["reason"] == "the watch of a: errors: 9 % failed"
    assert found["unsure"] == []
    assert found["records"]["a"] == {
        "state": "live",
        "deployment_id": ID,
        "failed": True,
        "phase": "watch",
        "msg": "errors: 9 % failed",
    }
    assert found["records"][BENCH] == found["records"]["b"] == {"state": "live", "deployment_id": ID}
    assert found["lines"][1] == "b: watched for 10 min, its watch was ended: the watch of a failed"


@pytest.mark.parametrize("state", ["inconclusive", "superseded", "passed"])
def test_what_says_nothing_against_a_release_takes_nothing_back(state: str) -> None:
    found = told(record("passed"), record(state, "so it is"))
    assert (found["failed"], found["unsure"]) == ({}, [])
    assert ("too little to call it a pass" in found["lines"][1]) == (state == "inconclusive")


@pytest.mark.parametrize(
    "b", [None, record("abandoned"), record("broken"), record("watching"), record("passed", deployment_id=OTHER)]
)
def test_what_nobody_knows_is_told_and_is_no_pass(b: t.Any) -> None:
    found = told(record("passed"), b)
    assert (found["failed"], found["unsure"]) == ({}, ["b"])
    assert found["lines"][1].startswith("b: whether it does well is not known: ")
    assert b is not None or "it was killed" in found["lines"][1]


def test_a_bench_that_nothing_was_heard_of_is_told_too() -> None:
    assert watching.tell(chosen("a"), {})["unsure"] == ["a"]


def test_a_status_tells_when_a_watch_ended_where_that_is_known() -> None:
    broken = {"status": "broken", "reasons": ["watch.json is no record of a watch"], "until": None}
    assert watching.describe(broken) == "broken: watch.json is no record of a watch"
    ended = {**record("passed", "so it is"), "ended": "2026-11-20T19:00:00Z"}
    assert watching.describe(ended) == "ended 2026-11-20 19:00 UTC, passed: so it is"
