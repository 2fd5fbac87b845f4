# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import report, site_options

GIVEN = {
    "site_apps": ["frappe"],
    "config": '{"limit": 5}',
    "freeze": "reads",
    "rehearsal": "auto",
    "backup": True,
    "tests": [],
    "smoke_tests": [],
    "health": [],
    "timeout": 900.0,
    "drain_timeout": 300.0,
    "wait_time": 30.0,
    "health_check_timeout": 30.0,
    "steps": [],
    "step_wait": 300.0,
    "sticky": "cookie",
    "hold": False,
    "rules": {},
    "on_inconclusive": "back",
    "analysed": False,
    "blue_retention": 0.0,
    "green_database": "shared",
}


def test_commands_are_lists_of_words_or_texts_as_a_shell_splits_them() -> None:
    options = site_options({**GIVEN, "tests": ["pytest -q 'tests/a b.py,c'", ["true", 1]]})
    assert options.tests == [["pytest", "-q", "tests/a b.py,c"], ["true", "1"]]


def test_smoke_tests_are_requests_or_commands_and_commands_come_before_the_users_tests() -> None:
    smoke = ["/shop", {"path": "/api/method/ping", "status": ["200"]}, "./smoke quick", ["/usr/bin/true", 1]]
    options = site_options({**GIVEN, "smoke_tests": smoke, "tests": ["pytest"]})
    assert options.smoke_tests == [{"path": "/shop"}, {"path": "/api/method/ping", "status": ["200"]}]
    assert options.tests == [["./smoke", "quick"], ["/usr/bin/true", "1"], ["pytest"]]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"status": 200}, "needs a path beginning with '/'"),
        ({"path": "shop"}, "needs a path beginning with '/'"),
        ({"path": "/shop", "statuses": 200}, "/shop: what is expected of it is not understood"),
        ({"path": "/shop", "status": 2000}, "'2000' is not an HTTP status"),
        ({"path": "/shop", "matches": "["}, "is not a regular expression"),
    ],
)
def test_a_smoke_test_that_could_not_be_asked_is_refused_before_anything_begins(
    request_: dict[str, t.Any], said: str
) -> None:
    with pytest.raises(LockstepError, match=said.replace("[", r"\[")):
        site_options({**GIVEN, "smoke_tests": [request_]})


def test_visitors_are_not_shared_out_between_two_databases() -> None:
    clone = {**GIVEN, "green_database": "clone"}
    assert site_options({**clone, "steps": []}).green_database == "clone"
    with pytest.raises(LockstepError, match="two databases"):
        site_options({**clone, "steps": [5, 50]})


def test_settings_come_as_json() -> None:
    assert site_options(GIVEN).config == {"limit": 5}
    assert site_options({**GIVEN, "config": None}).config == {}


@pytest.mark.parametrize(
    ("state", "data", "told"),
    [
        ("restored", {"keep_data": True}, "kept"),
        ("restored", {"keep_data": False}, "restored"),
        ("restored", {}, None),  # users never wrote into what was undone
        ("kept", {"keep_data": False}, None),
    ],
)
def test_what_became_of_the_data_is_told_of_who_went_back(
    tmp_path: t.Any, state: str, data: dict[str, bool], told: str | None
) -> None:
    journal = Journal(str(tmp_path))
    journal.open(unit="one", driver="frappe_site", deployment_id="d1", data=data)
    assert report("frappe_site", journal, state).get("data") == told
