# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, release_id
from ansible_collections.lockstep.deploy.plugins.plugin_utils.dependencies import prove, release_apps

APPS = [App("frappe", "a" * 40, "15.1.0"), App("erpnext", "b" * 40, "15.2.0")]
RELEASE = release_id(APPS)
BENCH, HUB, SITE = "b@one", "hub.local", "shop.local"
PLAN = {
    "options": {"ignore_dependencies": False},
    "apps": [
        {"name": "frappe", "commit": "a" * 40, "declared_version": "15.1.0", "ref": "v15"},
        {"name": "erpnext", "commit": "b" * 40, "declared_version": None, "ref": "15.2.0"},
        {"name": "other", "commit": "c" * 40, "declared_version": "1", "ref": "v1"},
    ],
    "units": [{"name": SITE, "site": SITE, "driver": "frappe_site", "depends_on": [BENCH, HUB], "apps": ["frappe"]}],
    "outside": [
        {"name": BENCH, "driver": "frappe_bench", "apps": ["frappe", "erpnext"]},
        {"name": HUB, "driver": "frappe_site", "apps": ["frappe"]},
    ],
}
RUNS = {"info": {"releases": [{"id": RELEASE, "ready": True, "answers": True}], "sites": [SITE]}}
LIVE = {"info": {"journal": None, "apps": {"frappe": {"commit": "a" * 40}}, "answers": True}}


def test_the_apps_of_a_release_are_those_of_the_bench_inside_and_outside_the_plan() -> None:
    wanted = [app._asdict() for app in APPS]
    assert release_apps(PLAN, SITE) == release_apps(PLAN, BENCH) == wanted
    selected = {**PLAN, "units": [*PLAN["units"], {**PLAN["outside"][0], "depends_on": []}], "outside": []}
    assert release_apps(selected, SITE) == wanted


def test_what_runs_with_the_commits_of_the_plan_is_live() -> None:
    assert prove(PLAN, {BENCH: RUNS, HUB: LIVE}) == ([BENCH, HUB], {})


def _released(**change: t.Any) -> dict[str, t.Any]:
    return {"info": {"releases": [{**RUNS["info"]["releases"][0], **change}], "sites": [SITE]}}


def _site(**change: t.Any) -> dict[str, t.Any]:
    return {"info": {**LIVE["info"], **change}}


def _journal(status: str) -> dict[str, t.Any]:
    return _site(journal={"status": status, "deployment_id": "d1"})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_released(id="00000000"), f"release {RELEASE} is not built"),
        (_released(ready=False), f"release {RELEASE} is not built"),
        (_released(answers=False), f"release {RELEASE} does not run"),
        ({"msg": "no route to host."}, "no route to host"),
        ({}, "nothing is known of it"),
    ],
)
def test_a_bench_without_the_running_release_is_missing(answer: dict[str, t.Any], reason: str) -> None:
    live, missing = prove(PLAN, {BENCH: answer, HUB: LIVE})
    assert live == [HUB]
    assert [text for text in missing[SITE] if text.startswith(f"{SITE} depends on {BENCH}, ") and reason in text]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_site(apps={"frappe": {"commit": "d" * 40}}), "frappe in its release are not at the commits of the plan"),
        (_site(apps={}), "frappe in its release are not at the commits of the plan"),
        (_site(answers=None), "its release does not answer"),
        (_journal("open"), "its deployment d1 is open"),
        (_journal("failed"), "its deployment d1 is failed"),
    ],
)
def test_a_site_that_is_not_live_is_missing(answer: dict[str, t.Any], reason: str) -> None:
    live, missing = prove(PLAN, {BENCH: RUNS, HUB: answer})
    assert live == [BENCH]
    assert [text for text in missing[SITE] if text.startswith(f"{SITE} depends on {HUB}, ") and reason in text]


@pytest.mark.parametrize("status", ["live", "kept", "restored"])
def test_a_site_whose_deployment_ended_is_live_if_its_commits_are_those(status: str) -> None:
    assert prove(PLAN, {BENCH: RUNS, HUB: _journal(status)}) == ([BENCH, HUB], {})


def test_a_site_that_was_never_deployed_needs_its_bench_beside_it() -> None:
    live, missing = prove(PLAN, {BENCH: {"info": {**RUNS["info"], "sites": ["other.local"]}}, HUB: LIVE})
    assert live == [BENCH, HUB]
    assert missing == {
        SITE: [f"{SITE} was never deployed, and {BENCH}, which takes it over, was not selected. Select it too"]
    }


def test_who_ignores_dependencies_is_not_told_of_them() -> None:
    assert prove({**PLAN, "options": {"ignore_dependencies": True}}, {}) == ([], {})
