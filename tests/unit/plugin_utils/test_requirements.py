# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requirements as apps write them, and bench's rules for versions."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import requirements
from ansible_collections.lockstep.deploy.plugins.plugin_utils.requirements import Requirement


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("erpnext", Requirement("erpnext")),
        ("frappe/erpnext", Requirement("erpnext")),
        (" frappe/erpnext ", Requirement("erpnext")),
        ("https://github.com/frappe/erpnext", Requirement("erpnext")),
        ("https://github.com/frappe/erpnext.git", Requirement("erpnext")),
        ("git@github.com:frappe/erpnext.git", Requirement("erpnext")),
        ("https://github.com/frappe/erpnext@version-15", Requirement("erpnext")),
        ("erpnext>=15.0.0, <16.0.0", Requirement("erpnext", ">=15.0.0,<16.0.0")),
        ("erpnext ~=15.1", Requirement("erpnext", "~=15.1")),
        ("frappe/erpnext==15.0.1", Requirement("erpnext", "==15.0.1")),
        ("resilient-tech/india-compliance", Requirement("india_compliance")),
    ],
)
def test_every_form_in_use_is_read(text: str, expected: Requirement) -> None:
    assert requirements.parse(text) == expected


@pytest.mark.parametrize("text", ["", ">=15", "a b", "erpnext>=x", "https://github.com/", "'; rm -rf"])
def test_what_names_no_app_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"app|range"):
        requirements.parse(text)


@pytest.mark.parametrize(
    ("version", "limits", "expected"),
    [
        ("16.0.0-dev", ">=16.0.0-dev", True),
        ("16.0.0-dev", ">=16.0.0", False),
        ("16.0.0-dev", "<16.0.0", False),
        ("16.0.0-dev", ">=16.0.0-dev,<17.0.0", True),
        ("16.0.0-dev", ">=14.0.0,<=17.0.0-dev", True),
        ("17.0.0-dev", "<=17.0.0-dev", True),
        ("15.44.2", ">=15.0.0,<16.0.0", True),
        ("15.44.2", ">=15.109.0,<17.0.0", False),
        ("14.81", ">=14.0.0", True),
        ("v15.1.0", ">=15.0.0", True),
        ("0.0.1", ">=0.0.1,<1.0.0", True),
        ("16.0.0.dev0", ">=16.0.0", False),
        ("16.0.0rc1", ">=16.0.0", False),
        ("1.0.0", "", True),
    ],
)
def test_ranges_match_by_the_rules_of_bench(version: str, limits: str, expected: bool) -> None:
    assert requirements.matches(version, limits) is expected


def test_a_version_that_is_none_can_not_be_compared() -> None:
    with pytest.raises(ValueError, match="'newest' is no version"):
        requirements.matches("newest", ">=1")
