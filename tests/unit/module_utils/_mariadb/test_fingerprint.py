# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can't be known counts as written."""

from __future__ import annotations

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.fingerprint import rows, unchanged


def test_tables_are_told_apart_by_what_is_known_of_them() -> None:
    recorded = {"same": "3:a", "written": "3:a", "too large then": None, "too large now": "3:a", "gone": "1:f"}
    now = {"same": "3:a", "written": "4:b", "too large then": "3:a", "too large now": None, "new": "0:0"}
    assert unchanged(recorded, now) == (
        ["same"],
        ["written"],
        ["gone", "new", "too large now", "too large then"],
    )


def test_a_fingerprint_knows_how_many_rows_it_is_of() -> None:
    assert rows("12:ab") == 12
