# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's records were before, on its server."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._dns.history import History

ENTRY = {"before": {"A": {"ttl": 300, "values": ["192.0.2.1"]}}}


def test_entries_stay_until_their_own_name_changes(tmp_path: pathlib.Path) -> None:
    state = str(tmp_path / "state")
    assert History(state, "shop.local").read() == {}
    assert not (tmp_path / "state").exists(), "reading makes nothing"
    assert History(state, "shop.local").write({"a.example.com": ENTRY})
    assert History(state, "shop.local").write({"b.example.com": ENTRY})
    assert not History(state, "shop.local").write({"b.example.com": ENTRY})
    assert set(History(state, "shop.local").read()) == {"a.example.com", "b.example.com"}
    assert History(state, "other.local").read() == {}


def test_only_its_owner_may_read_it(tmp_path: pathlib.Path) -> None:
    History(str(tmp_path), "shop.local").write({"a.example.com": ENTRY})
    assert (tmp_path / "units" / "shop.local" / "dns.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "units" / "shop.local").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("unit", ["../shop", "a b", "", "-x"])
def test_a_units_name_leads_nowhere_else(tmp_path: pathlib.Path, unit: str) -> None:
    with pytest.raises(LockstepError):
        History(str(tmp_path), unit)


def test_a_broken_file_is_no_empty_one(tmp_path: pathlib.Path) -> None:
    History(str(tmp_path), "shop.local").write({"a.example.com": ENTRY})
    (tmp_path / "units" / "shop.local" / "dns.json").write_text("{")
    with pytest.raises(LockstepError, match="can't be read as JSON"):
        History(str(tmp_path), "shop.local").write({"b.example.com": ENTRY})
