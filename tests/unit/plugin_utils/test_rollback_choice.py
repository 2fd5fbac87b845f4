# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollback acts on, and what it has to know before it does."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.filter.rollback_choice import rollback_choice
from ansible_collections.lockstep.deploy.plugins.plugin_utils.rollback_choice import choose

OLD, NEW = "20261120T100000Z-aaaaaa", "20261120T200000Z-bbbbbb"
A, A_SITE, B, B_SITE = "bench@a", "site1.local", "bench@b", "site2.local"
DEPENDS_ON = {A: [], A_SITE: [A], B: [], B_SITE: [B]}
DOWN = {"server": "b", "info": {}, "unreachable": True, "error": "Failed to connect"}
UNREADABLE = {"server": "b", "info": {}, "unreachable": False, "error": "the journal is not\nvalid JSON."}
UNKNOWN = [
    pytest.param(DOWN, "server b can't be reached", id="unreachable"),
    pytest.param(UNREADABLE, "server b says: the journal is not valid JSON", id="unreadable"),
]


def on(deployment_id: str | None, status: str = "live") -> dict[str, t.Any]:
    """What is known of a unit that a deployment, or none, acted on."""
    journal = {"deployment_id": deployment_id, "status": status} if deployment_id else None
    info = {"site": None, "journal": journal, "journals": [journal] if journal else []}
    return {"server": "a", "info": info, "unreachable": False, "error": ""}


def chosen(statuses: dict[str, t.Any], deployment_id: str = "last", only: t.Any = "", manual: bool = False) -> t.Any:
    return choose(statuses, DEPENDS_ON, deployment_id, only, manual)


def names(found: dict[str, t.Any]) -> list[str]:
    return [unit["name"] for unit in found["units"]]


def test_the_last_deployment_is_taken_back_on_its_units() -> None:
    found = chosen({A: on(NEW), A_SITE: on(NEW), B: on(OLD), B_SITE: on(None)})
    assert (found["deployment_id"], names(found), found["problem"]) == (NEW, [A, A_SITE], "")
    assert found["unknown"] == {}


@pytest.mark.parametrize(("status", "why"), UNKNOWN)
@pytest.mark.parametrize("manual", [False, True])
def test_the_last_one_is_not_guessed_while_anything_is_unknown(status: t.Any, why: str, manual: bool) -> None:
    found = chosen({A: on(OLD), A_SITE: on(OLD), B: status, B_SITE: status}, manual=manual)
    assert names(found) == []
    assert f"Nothing is known of {B}, {B_SITE}: {why}. " in found["problem"]
    assert "-e deployment_id=ID goes on" in found["problem"]
    assert f"  {OLD}: {A} (live), {A_SITE} (live)" in found["lines"]


@pytest.mark.parametrize(("status", "why"), UNKNOWN)
def test_an_explicit_one_is_taken_back_where_it_can_be_and_the_rest_is_told(status: t.Any, why: str) -> None:
    found = chosen({A: on(NEW), A_SITE: on(NEW), B: status, B_SITE: status}, NEW)
    assert (names(found), found["problem"]) == ([A, A_SITE], "")
    assert found["unknown"] == {unit: {"state": "unreachable", "reason": why} for unit in (B, B_SITE)}
    assert found["lines"][1].startswith(f"Nothing is known of {B}, {B_SITE}: {why}. They are not taken back now")


def test_only_those_asked_for_have_to_be_known() -> None:
    statuses = {A: on(OLD), A_SITE: on(OLD), B: DOWN, B_SITE: DOWN}
    found = chosen(statuses, only=f"{A},{A_SITE}")
    assert (found["deployment_id"], names(found), found["unknown"], found["problem"]) == (OLD, [A, A_SITE], {}, "")
    assert "server b can't be reached" in chosen(statuses, only=[A, A_SITE, B])["problem"]


def test_the_last_one_of_some_units_is_theirs() -> None:
    found = chosen({A: on(OLD), A_SITE: on(OLD), B: on(NEW), B_SITE: on(NEW)}, only=[A, A_SITE])
    assert (found["deployment_id"], names(found)) == (OLD, [A, A_SITE])


def test_where_none_of_its_units_answers_it_is_refused() -> None:
    found = chosen({A: on(OLD), B: DOWN, B_SITE: DOWN}, NEW)
    assert f"can be taken back from {NEW}" in found["problem"]
    assert "server b can't be reached" in found["problem"]
    assert "server b can't be reached" in chosen({A: on(OLD), B: DOWN}, OLD, only=B)["problem"]


def test_a_unit_is_not_pulled_from_under_one_that_nothing_is_known_of() -> None:
    statuses = {A: on(NEW), A_SITE: UNREADABLE, B: on(NEW), B_SITE: on(NEW)}
    refused = chosen(statuses, NEW)["problem"]
    assert refused.startswith(f"{A} can't go back alone: {A_SITE} depend on it, and nothing is known of them")
    by_hand = chosen(statuses, NEW, manual=True)
    assert (names(by_hand), list(by_hand["unknown"]), by_hand["problem"]) == ([A, B, B_SITE], [A_SITE], "")


def test_a_unit_that_others_were_deployed_on_does_not_go_back_alone() -> None:
    statuses = {A: on(NEW), A_SITE: on(NEW)}
    assert "Take them back, too, or say manual=true" in chosen(statuses, NEW, only=A)["problem"]
    assert chosen(statuses, NEW, only=A, manual=True)["problem"] == ""


def test_a_deployment_that_was_taken_back_gives_way_to_the_one_before() -> None:
    status = on(NEW, "restored")
    status["info"]["journals"].insert(0, {"deployment_id": OLD, "status": "live"})
    assert chosen({A: status})["deployment_id"] == OLD


def test_without_a_deployment_it_tells_which_there_are() -> None:
    found = chosen({A: on(OLD), B: DOWN}, "")
    assert found["problem"].startswith("Say which deployment")
    assert f"  {OLD}: {A} (live)" in found["lines"]
    assert f"Nothing is known of {B}: server b can't be reached." in found["lines"]
    assert chosen({A: on(None)})["problem"] == "No deployment of these units is known."
    assert chosen({A: on(OLD)}, NEW)["problem"] == f"No unit's newest deployment is {NEW}."
    assert "did nothing to site9" in chosen({A: on(OLD)}, OLD, only="site9")["problem"]


def test_units_that_were_not_asked_for_are_left_out() -> None:
    hostvars: dict[str, t.Any] = {A: {"lockstep_status": on(OLD)}, B: {}, B_SITE: {"lockstep_status": DOWN}}
    found = rollback_choice([A, B, B_SITE, "gone"], hostvars, deployment_id=OLD)
    assert (names(found), list(found["unknown"])) == ([A], [B_SITE])
