# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks that are carried out side by side."""

from __future__ import annotations

import os
import threading

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings, gather


def well(found: Findings) -> None:
    found.passed.append("is well")


def unlucky(found: Findings) -> None:
    found.warnings.append("seen before")
    raise LockstepError("it is broken", hint="mend it")


def test_a_check_that_can_not_be_carried_out_has_failed_and_the_others_go_on() -> None:
    found = gather([unlucky, well])
    assert found.as_dict() == {
        "valid": False,
        "findings": {
            "passed": ["is well"],
            "failed": ["it is broken. mend it"],
            "firm": [],
            "warnings": ["seen before"],
        },
    }


def test_what_the_system_refuses_is_a_failure() -> None:
    def look(found: Findings) -> None:
        os.stat("/nowhere/file")

    assert gather([look]).failed == ["/nowhere/file can't be looked at: No such file or directory"]


def test_an_error_of_our_own_is_not_hidden() -> None:
    def look(found: Findings) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        gather([look])


def test_checks_run_side_by_side_and_are_told_in_their_order() -> None:
    second_is_done = threading.Event()

    def first(found: Findings) -> None:
        assert second_is_done.wait(10)
        found.passed.append("first")

    def second(found: Findings) -> None:
        found.passed.append("second")
        second_is_done.set()

    assert gather([first, second]).passed == ["first", "second"]
