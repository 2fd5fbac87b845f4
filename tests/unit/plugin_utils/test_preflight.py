# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the findings of all units are judged together."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.plugin_utils.preflight import judge

UNITS = ["bench@server", "site1.local", "site2.local"]


def found(**kinds: list[str]) -> dict[str, t.Any]:
    return {"findings": {"passed": [], "failed": [], "warnings": [], **kinds}}


def test_all_well_is_valid() -> None:
    judged = judge(UNITS, {unit: found(passed=["is well"]) for unit in UNITS})
    assert (judged["valid"], judged["forced"], judged["msg"]) == (True, [], "")
    assert judged["lines"] == ["Checks of 3 units: 1 passed, 0 failed, 0 warnings"]


def test_warnings_do_not_stop() -> None:
    judged = judge(UNITS[1:2], {"site1.local": found(warnings=["jobs are queued"])})
    assert judged["valid"] is True
    assert judged["lines"][-1] == "  ! site1.local: jobs are queued"


def test_all_failures_are_in_one_message() -> None:
    records = {"bench@server": found(failed=["disk full"]), "site1.local": found(failed=["no database"])}
    judged = judge(UNITS[:2], records)
    assert judged["valid"] is False
    assert "2 checks before the deployment failed, and nothing was changed" in judged["msg"]
    assert "bench@server: disk full | site1.local: no database" in judged["msg"]


def test_the_same_failure_of_many_units_is_told_once() -> None:
    names = [f"site{number}.local" for number in range(9)]
    judged = judge(names, {name: found(failed=["server gone"]) for name in names})
    assert judged["results"]["failed"] == ["site0.local, site1.local, site2.local and 6 more: server gone"]
    assert all(not unit["valid"] for unit in judged["units"].values())


def test_a_unit_that_says_its_own_name_is_not_named_twice() -> None:
    judged = judge(["site1.local"], {"site1.local": found(failed=["no such site: site1.local"])})
    assert judged["results"]["failed"] == ["no such site: site1.local"]


def test_a_unit_without_findings_has_failed() -> None:
    judged = judge(["site1.local"], {})
    assert judged["results"]["failed"] == ["site1.local: nothing was found out about it: it was not looked at"]


def test_force_overrides_and_keeps_the_failures() -> None:
    judged = judge(["site1.local"], {"site1.local": found(failed=["disk full"])}, force=True)
    assert judged["valid"] is False
    assert judged["forced"] == ["site1.local: disk full"]
    assert "Failures, overridden by force" in judged["lines"]


_FINDINGS = st.fixed_dictionaries({kind: st.lists(st.text(max_size=8)) for kind in ("passed", "failed", "warnings")})


@given(st.dictionaries(st.sampled_from(UNITS), st.one_of(st.none(), st.builds(lambda f: {"findings": f}, _FINDINGS))))
def test_it_is_valid_only_if_every_unit_was_found_well(records: dict[str, t.Any]) -> None:
    judged = judge(UNITS, records)
    well = all(records.get(unit) and not records[unit]["findings"]["failed"] for unit in UNITS)
    assert judged["valid"] is well
    assert judged["valid"] is (judged["msg"] == "")


@pytest.mark.parametrize(
    ("records", "missing"),
    [
        ({}, {}),
        ({"a": {"findings": {"failed": ["no such folder"]}, "blind": True}}, {}),
        ({"a": {"findings": {"passed": ["fine"]}}}, {"a": ["a depends on b, which is not live"]}),
        ({"a": {"findings": {"failed": ["disk full", "it is locked"], "firm": ["it is locked"]}}}, {}),
    ],
)
def test_force_is_neither_taken_nor_offered_where_it_does_not_help(
    records: dict[str, t.Any], missing: dict[str, list[str]]
) -> None:
    found = judge(["a"], records, force=True, missing=missing)
    assert (found["may_begin"], found["forced"]) == (False, [])
    assert "force=true does not help here" in found["msg"]
    offered = judge(["a"], records, missing=missing)["msg"]
    assert offered.endswith(". Mend that first.")
    assert "force" not in offered


def test_force_is_offered_where_it_helps() -> None:
    assert "-e force=true" in judge(["a"], {"a": found(failed=["disk full"])})["msg"]
