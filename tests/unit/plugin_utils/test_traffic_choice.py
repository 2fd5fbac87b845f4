# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose traffic is moved has to be said, and what is told of it is what the servers said."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.filter.traffic_choice import traffic_choice
from ansible_collections.lockstep.deploy.plugins.filter.traffic_told import traffic_told
from ansible_collections.lockstep.deploy.plugins.plugin_utils.traffic_choice import describe

ONE, TWO, OTHER, BENCH, OTHER_BENCH = "site1.local", "site2.local", "site1.local@b", "bench@a", "bench@b"


def host(server: str, site: str | None = None) -> dict[str, t.Any]:
    found = {"lockstep_server": server, "lockstep_bench": {"name": "bench"}}
    return {**found, "lockstep_site": {"name": site}} if site else found


HOSTS = {
    BENCH: host("a"),
    ONE: host("a", ONE),
    TWO: host("a", TWO),
    OTHER_BENCH: host("b"),
    OTHER: host("b", ONE),
}
LIVE: dict[str, t.Any] = {"state": "live", "by": None, "since": None, "reason": None, "allowed": []}


def chosen(state: t.Any, sites: t.Any = "", allow: t.Any = "") -> dict[str, t.Any]:
    return traffic_choice(list(HOSTS), HOSTS, state, sites, allow)


@pytest.mark.parametrize(
    ("sites", "units"),
    [
        (TWO, [TWO]),
        ([TWO, ONE], [ONE, TWO, OTHER]),
        (f" {TWO},\n{OTHER} ", [TWO, OTHER]),
        ("all", [ONE, TWO, OTHER]),
        (["all"], [ONE, TWO, OTHER]),
    ],
)
def test_sites_are_named_by_their_names_or_their_units(sites: t.Any, units: list[str]) -> None:
    found = chosen("stopped", sites)
    assert (found["units"], found["problem"]) == (units, "")
    assert found["by"]


@pytest.mark.parametrize(("name", "given"), [("sites", f"{TWO},"), ("allow", "10.0.0.1, ")])
def test_a_list_that_was_cut_at_a_blank_moves_nobody(name: str, given: str) -> None:
    found = chosen("stopped", **{"sites": TWO, name: given})
    assert found["units"] == []
    assert found["problem"].startswith(f'{name}: found "{given.strip()}", which ends in a comma')


@pytest.mark.parametrize(
    ("sites", "units"), [("", [BENCH, OTHER_BENCH]), ("all", [BENCH, OTHER_BENCH]), (TWO, [BENCH])]
)
def test_nginx_is_written_on_the_servers_of_the_sites_and_on_all_by_default(sites: str, units: list[str]) -> None:
    assert chosen("rendered", sites)["units"] == units


@pytest.mark.parametrize(
    ("state", "sites", "problem"),
    [
        ("", ONE, "no state is given: -e state=stopped|maintenance|live|rendered"),
        ("closed", ONE, "'closed' is no state"),
        ("stopped", "", "Say which sites: -e sites=SITE,SITE, or -e sites=all for all 3 of this deployment file."),
        ("maintenance", [], "Say which sites"),
        ("live", " , ", "Say which sites"),
        ("live", None, "Say which sites"),
        ("stopped", f"{ONE} site3.local", "The deployment file has no site site3.local. Did you mean site2.local?"),
        ("stopped", "nowhere", "It has site1.local, site1.local@b, site2.local. Nothing was changed."),
        ("stopped", BENCH, f"The deployment file has no site {BENCH}."),
        ("stopped", f"all {ONE}", "The deployment file has no site all."),
        ("rendered", "nowhere", "The deployment file has no site nowhere."),
    ],
)
def test_what_is_not_clear_moves_nothing(state: str, sites: t.Any, problem: str) -> None:
    found = chosen(state, sites)
    assert found["units"] == []
    assert problem in found["problem"]


@pytest.mark.parametrize("allow", ["203.0.113.7, 203.0.113.8", ["203.0.113.7", "203.0.113.8", "203.0.113.7"]])
def test_addresses_are_listed_as_sites_are(allow: t.Any) -> None:
    assert chosen("maintenance", ONE, allow)["allow"] == ["203.0.113.7", "203.0.113.8"]


def test_what_visitors_get_is_told_with_who_wanted_it() -> None:
    stopped = {"state": "stopped", "by": "ada", "since": "2026-11-20T18:45:00.123456Z", "reason": "why", "allowed": []}
    records = {ONE: {"traffic": stopped, "changed": True}, TWO: {"traffic": LIVE, "changed": False}}
    found = traffic_told([ONE, TWO], records, "stopped")
    assert found["lines"] == [
        "Traffic stopped: 2 of 2 are as asked for, 1 changed",
        f"  - {ONE}: stopped since 2026-11-20 18:45 UTC by ada (why)",
        f"  - {TWO}: live",
    ]
    assert found["failed"] == []
    allowed = {**LIVE, "state": "maintenance", "allowed": ["203.0.113.7"]}
    assert describe(allowed) == "maintenance but for 203.0.113.7"


def test_one_cause_is_told_once_and_what_was_not_asked_has_failed() -> None:
    records = {ONE: {"error": f"{ONE}: it failed."}, OTHER: {"error": f"{OTHER}: it failed."}}
    found = traffic_told([ONE, TWO, OTHER], records, "live", check=True)
    assert found["failed"] == [ONE, TWO, OTHER]
    assert f"{ONE}, {OTHER}: it failed." in found["msg"]
    assert f"{TWO}: nothing is known of it" in found["msg"]
    assert found["lines"][0] == "Traffic live: 0 of 3 are as asked for, 0 would change, 3 failed"


@pytest.mark.parametrize(
    ("drift", "force", "check", "line", "failed"),
    [
        ("none", False, False, "nginx serves what the records say", False),
        ("outdated", False, True, "nginx's file would be written anew: why", False),
        ("outdated", False, False, "nginx's file was written anew: why", False),
        ("edited", False, True, "why: it would be left as it is. With force=true it would be overwritten", True),
        ("edited", True, True, "nginx's file would be written anew: why", False),
        ("edited", True, False, "nginx's file was written anew: why", False),
    ],
)
def test_a_check_says_whether_a_change_by_hand_would_stay(
    drift: str, force: bool, check: bool, line: str, failed: bool
) -> None:
    told = {"kind": drift, "by_hand": drift == "edited", "message": "why"}
    record = {"drift": told, "changed": drift != "none", "force": force}
    found = traffic_told([BENCH], {BENCH: record}, "rendered", check)
    assert line in found["lines"][1]
    assert bool(found["failed"]) == failed


def test_who_closes_a_site_whose_visitors_are_shared_is_told_that_its_share_is_paused() -> None:
    closed = {"state": "maintenance", "since": None, "by": "ada", "reason": None, "allowed": []}
    assert describe({**closed, "paused": 25}).startswith("maintenance by ada; its share of 25 % is paused: nothing is")
    assert describe({**closed, "paused": None}) == describe(closed) == "maintenance by ada"
