# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What validate.yml finds on sites that serve, and on sites that don't."""

from __future__ import annotations

import pytest

from tests.integration.stage import NEW
from tests.integration.status.story import ONE, SITES, TWO, Answer, Story
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration


def failed(answer: Answer, site: str = ONE) -> dict[str, str]:
    """The checks of a site that failed, with what they say."""
    checks = answer.content["sites"][site]["checks"]
    return {check["name"]: check["message"] for check in checks if check["passed"] is False}


def test_sites_that_serve_well_pass_before_and_after_a_deployment(story: Story) -> None:
    for done, content in (story.validated_before, story.validated_after):
        assert done.returncode == 0, done.stdout
        assert (content["overall_status"], content["failed"], content["inconclusive"]) == ("passed", 0, 0)
        assert content["total_checks"] == content["passed"] == sum(s["total_checks"] for s in content["sites"].values())
        for site in SITES:
            names = {check["name"] for check in content["sites"][site]["checks"]}
            wanted = {"accessible", "database_integrity", "scheduled_jobs", "no_critical_errors"}
            assert names >= wanted | {f"app_{app}_installed" for app in NEW} | {f"app_{app}_health" for app in NEW}


def test_an_app_that_is_not_installed_fails(story: Story) -> None:
    assert story.checks(apps=["frappe", "extra"]) == {"app_extra_installed": "missing"}


def test_entries_in_the_error_log_within_the_last_hour_fail(story: Story) -> None:
    now = story.stage.bench.execute(ONE, "frappe.utils.now_datetime")
    for name, minutes in (("new", 30), ("old", 90)):
        row = f"('{name}', '{now}' - INTERVAL {minutes} MINUTE, 'x')"
        story.stage.bench.sql(ONE, f"INSERT INTO `tabError Log` (name, creation, method) VALUES {row}")
    try:
        found = story.checks()
    finally:
        story.stage.bench.sql(ONE, "DELETE FROM `tabError Log`")
    assert found == {"no_critical_errors": "1 entries in the Error Log within the last hour"}


def test_an_app_whose_tables_are_gone_is_not_healthy(story: Story) -> None:
    # No job of the app writes to this one: it would fail, and tell of it in the Error Log.
    story.stage.bench.sql(ONE, "RENAME TABLE `tabCustom Label` TO `set aside`")
    try:
        found = story.checks()
    finally:
        story.stage.bench.sql(ONE, "RENAME TABLE `set aside` TO `tabCustom Label`")
    assert found == {"app_custom_app_health": "1 tables are missing: tabCustom Label"}


def test_an_app_with_a_patch_that_did_not_run_is_not_healthy(story: Story) -> None:
    patch = story.stage.bench.sql(ONE, "SELECT patch FROM `tabPatch Log` WHERE patch LIKE 'custom_app%' LIMIT 1")[0][0]
    story.stage.bench.sql(ONE, f"UPDATE `tabPatch Log` SET patch = 'aside' WHERE patch = '{patch}'")
    try:
        found = story.checks()
    finally:
        story.stage.bench.sql(ONE, f"UPDATE `tabPatch Log` SET patch = '{patch}' WHERE patch = 'aside'")
    assert found == {"app_custom_app_health": f"1 patches did not run: {patch}"}


def test_an_own_endpoint_belongs_to_the_health_of_its_app(story: Story) -> None:
    assert story.checks(endpoints=["/api/method/custom_app.api.health"]) == {}
    missing = "/api/method/custom_app.api.missing"
    found = story.checks(endpoints=[missing])
    assert set(found) == {f"endpoint_{missing}", "app_custom_app_health"}
    assert found["app_custom_app_health"] == f"{missing} does not answer as it should"


def test_a_scheduler_without_workers_fails(story: Story) -> None:
    programs = [line.split()[0] for line in story.stage.services.supervisor.ctl("status", check=False).splitlines()]
    workers = [name for name in programs if "worker" in name and name.startswith("lockstep-")]
    story.stage.services.supervisor.ctl("stop", *workers)
    try:
        found = story.checks()
    finally:
        story.stage.services.supervisor.ctl("start", *workers)
    assert found == {"scheduled_jobs": "the scheduler is enabled, 0 workers are at work"}
    wait_until(lambda: not story.checks(), 60, "the workers are back", interval=0.5)


def test_what_is_not_as_it_should_be_is_told_and_a_switched_off_scheduler_is_no_failure(story: Story) -> None:
    story.stage.bench.site(ONE, "disable-scheduler")
    story.stage.bench.site(TWO, "set-maintenance-mode", "on")
    try:
        answer = story.validate(types="health")
    finally:
        story.stage.bench.site(ONE, "enable-scheduler")
        story.stage.bench.site(TWO, "set-maintenance-mode", "off")
    assert answer.done.returncode != 0
    assert answer.content["overall_status"] == "failed"
    assert answer.content["sites"][ONE]["overall_status"] == "inconclusive"
    assert failed(answer) == {}
    assert "503" in failed(answer, TWO)["accessible"]
    assert "? scheduled_jobs: the scheduler is switched off" in answer.done.stdout


def test_a_database_that_is_down_fails_every_site_and_no_traceback_is_shown(story: Story) -> None:
    story.stage.services.mariadb.stop()
    try:
        answer = story.validate(types="health")
    finally:
        story.stage.services.mariadb.start()
    assert answer.done.returncode != 0
    assert [answer.content["sites"][site]["overall_status"] for site in SITES] == ["failed", "failed"]
    assert "does not answer" in failed(answer)["database_integrity"]
    assert "Traceback" not in answer.done.stdout


def test_a_site_that_is_not_there_fails_and_the_others_are_checked(story: Story) -> None:
    answer = story.validate(types="health", inventory=story.stage.deployment(sites=[ONE, "gone.local"]))
    assert answer.done.returncode != 0
    assert "no such site" in failed(answer, "gone.local")["accessible"]
    assert failed(answer) == {}


def test_a_limited_check_run_tells_the_same_and_writes_nothing(story: Story) -> None:
    answer = story.validate("--check", "--limit", TWO, types="health")
    assert answer.done.returncode == 0, answer.done.stdout
    assert answer.content == {}
    assert f"{TWO}: passed" in answer.done.stdout
    assert f"{ONE}: " not in answer.done.stdout
