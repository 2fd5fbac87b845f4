# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How questions are asked and their answers put together."""

from __future__ import annotations

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.questions import (
    Question,
    answers,
    together,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result


def unreachable() -> Outcome:
    raise LockstepError("nobody answers", hint="look at nginx")


def test_a_question_that_can_not_be_asked_has_failed_and_the_next_one_is_asked() -> None:
    found = answers([Question("one", "http", unreachable), Question("two", "http", lambda: Outcome(True, "well"))])
    assert [(result.name, result.passed) for result in found] == [("one", False), ("two", True)]
    assert found[0].message == "nobody answers. look at nginx."


def test_warnings_and_figures_come_along() -> None:
    outcome = Outcome(True, "well", {"n": 1}, warning=True)
    (found,) = answers([Question("one", "file", lambda: outcome)])
    assert (found.observed, found.warning, found.type) == ({"n": 1}, True, "file")


def test_results_are_counted_by_type_and_together() -> None:
    found = together(
        {
            "health": [Result("a", "http", True, "")],
            "security": [Result("a", "http", False, ""), Result("b", "file", None, "")],
        }
    )
    assert (found["total_checks"], found["passed"], found["failed_checks"], found["inconclusive"]) == (3, 1, 1, 1)
    assert [check["validation"] for check in found["checks"]] == ["health", "security", "security"]
    assert found["types"]["security"]["failed_checks"] == 1
    assert found["types"]["health"]["overall_status"] == "passed"
    assert "failed" not in found, "Ansible would take it for the task's own"
