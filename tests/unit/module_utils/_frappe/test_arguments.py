# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import site_options

GIVEN = {
    "site_apps": ["frappe"],
    "config": '{"limit": 5}',
    "freeze": "reads",
    "backup": True,
    "tests": [],
    "health": [],
    "timeout": 900.0,
    "drain_timeout": 300.0,
    "wait_time": 30.0,
    "health_check_timeout": 30.0,
    "steps": [],
    "step_wait": 300.0,
    "sticky": "cookie",
    "hold": False,
}


def test_commands_are_lists_of_words_or_texts_as_a_shell_splits_them() -> None:
    options = site_options({**GIVEN, "tests": ["pytest -q 'tests/a b.py,c'", ["true", 1]]})
    assert options.tests == [["pytest", "-q", "tests/a b.py,c"], ["true", "1"]]


def test_settings_come_as_json() -> None:
    assert site_options(GIVEN).config == {"limit": 5}
    assert site_options({**GIVEN, "config": None}).config == {}
