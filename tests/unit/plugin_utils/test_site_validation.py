# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the checks of sites are put together."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils.site_validation import unite


def site(*passed: bool | None) -> dict[str, t.Any]:
    counts = {"passed": True, "failed_checks": False, "inconclusive": None}
    checks = [
        {"name": f"check{number}", "type": "http", "passed": one, "message": "said"}
        for number, one in enumerate(passed)
    ]
    return {
        "total_checks": len(passed),
        **{name: sum(one is value for one in passed) for name, value in counts.items()},
        "overall_status": "failed" if False in passed else "inconclusive" if None in passed else "passed",
        "release": "0a1b2c3d",
        "checks": checks,
    }


@pytest.mark.parametrize(
    ("sites", "status"),
    [
        ([site(True), site(True, True)], "passed"),
        ([site(True), site(True, None)], "inconclusive"),
        ([site(True, None), site(False)], "failed"),
        ([], "inconclusive"),
    ],
)
def test_the_worst_of_all_sites_counts(sites: list[dict[str, t.Any]], status: str) -> None:
    found = unite({f"site{number}": [one] for number, one in enumerate(sites)})
    assert found["overall_status"] == status
    assert found["total_checks"] == found["passed"] + found["failed"] + found["inconclusive"]


def test_a_site_that_could_not_be_checked_has_failed() -> None:
    found = unite({"site1.local": [{"error": "server gone"}], "site2.local": [site(True)]})
    assert (found["overall_status"], found["failed"], found["passed"]) == ("failed", 1, 1)
    assert "  x accessible: server gone" in found["lines"]


def test_only_what_is_not_as_it_should_be_is_told() -> None:
    found = unite({"site1.local": [site(True, False, None)]})
    assert found["lines"] == [
        "site1.local: failed, 1 of 3 checks, release 0a1b2c3d",
        "  x check1: said",
        "  ? check2: said",
        "Together: failed, 1 of 3 checks passed, 1 failed, 1 inconclusive",
    ]


def of(kind: str, *passed: bool | None, **more: t.Any) -> dict[str, t.Any]:
    """What a module says of a kind of validation."""
    found = site(*passed)
    return {**found, "checks": [{**check, "validation": kind, **more} for check in found["checks"]]}


def test_each_type_is_counted_by_itself_and_looks_at_one_site_are_put_together() -> None:
    looks = [of("security", True, False), of("performance", True, None)]
    found = unite({"site1.local": looks}, {"types": ["security", "performance"], "duration": 9}, "staging")
    kinds = found["sites"]["site1.local"]["types"]
    assert {kind: (one["passed"], one["failed"], one["overall_status"]) for kind, one in kinds.items()} == {
        "security": (1, 1, "failed"),
        "performance": (1, 0, "inconclusive"),
    }
    assert (found["passed"], found["failed"], found["inconclusive"]) == (2, 1, 1)
    assert (found["types"], found["duration"], found["environment"]) == (["security", "performance"], 9, "staging")
    assert "  x security/check1: said" in found["lines"]


def test_each_type_that_was_asked_for_has_failed_where_a_site_could_not_be_checked() -> None:
    gone = {"error": "server gone", "types": ["health", "security"]}
    found = unite({"site1.local": [gone, {"error": "server gone", "types": ["performance"]}]})
    checks = [(check["validation"], check["name"]) for check in found["sites"]["site1.local"]["checks"]]
    assert checks == [("health", "accessible"), ("security", "accessible"), ("performance", "load")]
    assert found["failed"] == 3


def test_a_warning_is_told_and_counts_as_passed() -> None:
    found = unite({"site1.local": [of("security", True, warning=True)]})
    assert found["overall_status"] == "passed"
    assert "  ! check0: said" in found["lines"]


def test_figures_of_load_and_notes_are_told() -> None:
    found = unite({"site1.local": [of("performance", True, name="load")]}, {"notes": ["good to know"]})
    assert found["lines"][1:3] == ["  = load: said", "good to know"]
