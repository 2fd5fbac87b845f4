# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a site was left by a failure that its server took back."""

from __future__ import annotations

import pathlib
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import SiteUnit


@pytest.mark.parametrize(
    ("phases", "left"),
    [
        (["prepare"], "its users never left release 1a2b"),
        (["prepare", "freeze", "migrate"], "it is back on release 1a2b, users can write"),
    ],
)
def test_only_who_was_frozen_is_said_to_be_back(tmp_path: pathlib.Path, phases: list[str], left: str) -> None:
    journal = Journal(str(tmp_path))
    journal.open(unit="site1.local", driver="frappe_site", deployment_id="d1", data={"before": "1a2b"})
    for phase in phases:
        journal.end(journal.begin(phase, 60), "completed")
    locks = types.SimpleNamespace(release=lambda _held: None)
    unit: t.Any = types.SimpleNamespace(journal=journal, _context=types.SimpleNamespace(locks=lambda: locks))
    transaction: t.Any = types.SimpleNamespace(undo=lambda _error: None)
    held: t.Any = None
    failed = SiteUnit._failed(unit, LockstepError("it fails"), transaction, held, True)
    assert (failed.left, journal.status) == (left, "restored")
