# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of a bench before anything changes."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.preflight import BenchPreflight


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        ("1.0.0", "0.9.1", True),
        ("15.10.0", "15.9.0", True),
        ("15.9.0", "15.10.0", False),
        ("1.0.0", "1.0.0", False),
        ("1.0.0", None, False),
        (None, "1.0.0", False),
        ("16.0.0-dev", "16.0.0", False),
    ],
)
def test_older_code_on_newer_data_is_warned_of(before: str | None, after: str | None, warned: bool) -> None:
    live = types.SimpleNamespace(apps=lambda: [App("shop", "a" * 40, before)])
    checks: t.Any = types.SimpleNamespace(_live=lambda: [live], _apps=[App("shop", "b" * 40, after)])
    found = Findings()
    BenchPreflight._versions(checks, found)
    assert [text.partition(":")[0] for text in found.warnings] == (
        [f"shop goes from {before} back to {after}"] if warned else []
    )
