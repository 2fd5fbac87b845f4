# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown can't give the terminal orders."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.action.show import ActionModule


def test_control_characters_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    lines = ["Failed: site1.local: \x1b[2K\x1b]0;all is well\x07raised\r\x9b1A", "two\tcolumns"]
    task = types.SimpleNamespace(args={"lines": lines}, check_mode=True, async_val=0)
    action = t.cast(t.Any, ActionModule)(task, None, None, None, None, None)
    monkeypatch.setattr(action, "_display", types.SimpleNamespace(display=lambda line, color: shown.append(line)))
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_arguments: {})
    action.run(None, {})
    assert shown == ["Failed: site1.local: [2K]0;all is wellraised1A", "two\tcolumns"]
