# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose share is ended has to be said, and what is told of shares is what the servers found."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.filter.split_choice import split_choice
from ansible_collections.lockstep.deploy.plugins.filter.split_sides import split_sides
from ansible_collections.lockstep.deploy.plugins.filter.split_told import split_told

ONE, TWO, OTHER = "site1.local", "site2.local", "site1.local@b"
HOSTS = {unit: {"lockstep_site": {"name": unit.partition("@")[0]}} for unit in (ONE, TWO, OTHER)}
OLD = {"release": "0a1b", "versions": {"custom_app": "0.9.0"}}
NEW = {"release": "9f8e", "versions": {"custom_app": "1.0.1"}}
WORD = "'it sells more'"


def side(requests: int = 200, errors: int = 3, p50: float | None = 0.0042) -> dict[str, t.Any]:
    rate = errors / requests if requests else None
    return {"requests": requests, "errors": errors, "error_rate": rate, "p50": p50, "p95": p50, "p99": p50}


def share(state: str = "held", **more: t.Any) -> dict[str, t.Any]:
    """A share as the module returns it."""
    return {
        "deployment_id": "20261101T100000Z-aaaaaa",
        "state": state,
        "percent": 25,
        "since": "2026-11-03T12:00:00Z",
        "holding": state == "held",
        "decision": None,
        "candidate": NEW,
        "live": OLD,
        "sides": {"candidate": side(), "live": side(600, 0)},
        "judgement": {"status": "inconclusive", "reasons": ["errors: traffic for 9 s"], "seconds": 9.0},
        **more,
    }


def everybody(release: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
    """A site whose visitors are not shared."""
    nothing = {"percent": 0, "since": None, "candidate": None, "live": release or OLD, "sides": None, "judgement": None}
    return share("none", **nothing)


def chosen(**given: t.Any) -> dict[str, t.Any]:
    return split_choice(list(HOSTS), HOSTS, **given)


def told(record: dict[str, t.Any], **given: t.Any) -> tuple[str, str]:
    found = split_told([ONE], {ONE: record}, **given)
    return "\n".join(found["lines"]), found["msg"]


@pytest.mark.parametrize(
    ("sites", "units", "named"),
    [
        ("", [ONE, TWO, OTHER], False),
        ("all", [ONE, TWO, OTHER], False),
        (TWO, [TWO], True),
        ([ONE], [ONE, OTHER], True),
        (f"{OTHER}, {TWO}", [TWO, OTHER], True),
    ],
)
def test_all_sites_are_looked_at_unless_some_are_named(sites: t.Any, units: list[str], named: bool) -> None:
    found = chosen(sites=sites)
    assert (found["units"], found["named"], found["problem"]) == (units, named, "")
    assert found["by"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"end": "promote", "reason": WORD}, "Say which sites"),
        ({"end": "promote", "sites": ONE}, "Say why"),
        ({"end": "promote", "sites": ONE, "reason": "  "}, "Say why"),
        ({"end": "Promote", "sites": ONE, "reason": WORD}, "'Promote' is no end: -e end=promote|back"),
        ({"sites": "site1.loca"}, "Did you mean site1.local? It has site1.local,"),
        ({"sites": ["all", "other"]}, "no site all, other"),
    ],
)
def test_what_is_not_clear_is_refused(given: dict[str, t.Any], problem: str) -> None:
    found = chosen(**given)
    assert problem in found["problem"]
    assert found["units"] == []


def test_both_sides_of_a_share_stand_in_a_table_with_what_they_prove() -> None:
    text, msg = told({"split": share()})
    assert msg == ""
    new, old = (line.split() for line in text.splitlines()[2:4])
    assert " ".join(new).endswith("new 9f8e 200 3 (1.5 %) 4 ms 4 ms 4 ms")
    assert " ".join(old).endswith("75 % 2026-11-03 12:00 UTC old 0a1b 600 0 (0 %) 4 ms 4 ms 4 ms")
    assert "too little to tell them apart: errors: traffic for 9 s" in text
    assert f"playbook lockstep.deploy.split -e sites={ONE} -e end=promote|back" in text


def test_a_share_that_rises_can_be_taken_back_and_not_promoted() -> None:
    text, _msg = told({"split": share("rising")})
    assert "25 % of its visitors are on release 9f8e since 2026-11-03 12:00 UTC, rising" in text
    assert f"To take all visitors back: ansible-playbook lockstep.deploy.split -e sites={ONE} -e end=back " in text
    assert "promote" not in text


def test_a_side_that_nobody_asked_has_no_times() -> None:
    sides = {"candidate": side(0, 0, None), "live": side()}
    assert " ".join(told({"split": share(sides=sides)})[0].splitlines()[2].split()).endswith("9f8e 0 0 - - -")
    unread = told({"split": share(sides=None, judgement={"status": "inconclusive", "reasons": ["no log"]})})[0]
    assert "9f8e - - - - -" in " ".join(unread.split())
    assert "no log" in unread


@pytest.mark.parametrize(
    ("record", "end", "msg"),
    [
        ({"split": everybody()}, "", ""),
        ({"error": f"{ONE}: no connection"}, "", f"{ONE}: no connection"),
        ({"asked": True, "split": share(), "after": everybody(NEW)}, "promote", ""),
        ({"asked": True, "split": share(), "after": everybody(OLD)}, "back", ""),
        (
            {"asked": True, "split": share(), "after": everybody(OLD)},
            "promote",
            "are on release 0a1b, and should be on 9f8e",
        ),
        ({"asked": True, "split": share(), "after": share("ending")}, "promote", "it was told so, but 25 %"),
        ({"asked": True, "split": share()}, "promote", "whether it was is not known"),
        ({"split": everybody()}, "promote", "No share of any site's visitors is held"),
        ({"split": everybody()}, "back", "No share of any site's visitors rises or is held"),
    ],
)
def test_a_share_that_did_not_end_as_it_was_told_is_a_failure(record: dict[str, t.Any], end: str, msg: str) -> None:
    found = told(record, end=end)[1]
    assert (msg in found) if msg else found == ""


def test_a_server_that_was_not_asked_is_told() -> None:
    found = split_told([ONE, TWO], {ONE: {"split": share()}})
    assert found["failed"] == [TWO]


def test_a_deployment_says_what_both_sides_saw() -> None:
    judgement = {
        "status": "fail",
        "reasons": ["errors: 9 % failed"],
        "percent": 25,
        "seconds": 130.0,
        "candidate": NEW,
        "live": OLD,
        "sides": {"candidate": side(), "live": None},
    }
    assert split_sides(judgement) == [
        "25 % of the visitors were on the new release for 2 min 10 s; both sides:",
        "  new 9f8e (custom_app 1.0.1): 200 requests, 3 errors (1.5 %), p50 4 ms, p95 4 ms, p99 4 ms",
        "  old 0a1b (custom_app 0.9.0): not known",
        "  worse than before: errors: 9 % failed",
    ]
    assert split_sides({"status": "pass"}) == split_sides(None) == []
