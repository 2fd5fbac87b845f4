# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who runs Ansible."""

from __future__ import annotations

import getpass
import os
import pwd

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import account


def test_a_user_is_known_without_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    assert account.name() == pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_container_may_run_as_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def nobody() -> str:
        raise error("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert account.name() == f"uid {os.getuid()}"
