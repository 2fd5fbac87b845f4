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
    found = unite({f"site{number}": one for number, one in enumerate(sites)})
    assert found["overall_status"] == status
    assert found["total_checks"] == found["passed"] + found["failed"] + found["inconclusive"]


def test_a_site_that_could_not_be_checked_has_failed() -> None:
    found = unite({"site1.local": {"error": "server gone"}, "site2.local": site(True)})
    assert (found["overall_status"], found["failed"], found["passed"]) == ("failed", 1, 1)
    assert "  x accessible: server gone" in found["lines"]


def test_only_what_is_not_as_it_should_be_is_told() -> None:
    found = unite({"site1.local": site(True, False, None)})
    assert found["lines"] == [
        "site1.local: failed, 1 of 3 checks, release 0a1b2c3d",
        "  x check1: said",
        "  ? check2: said",
        "Together: failed, 1 of 3 checks passed, 1 failed, 1 inconclusive",
    ]
