# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A library that is not installed is named, with the way to get it."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import requirements
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns import client
from ansible_collections.lockstep.deploy.plugins.plugin_utils.libraries import need


def test_a_missing_library_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "semantic_version", None)
    with pytest.raises(LockstepError, match=r"semantic-version is missing .* pip install semantic-version"):
        requirements.matches("1.0.0", ">=1.0.0")


def test_dnspython_is_missed_only_where_a_name_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns", None)
    with pytest.raises(LockstepError, match=r"dnspython is missing .* pip install dnspython"):
        client.NameServer("ns1.example.net", "192.0.2.53", 53)


def test_what_is_installed_is_given() -> None:
    assert need("json").loads("1") == 1
