# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets in during maintenance is believed only when every spelling of the address says so."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.gate import Gate

ADDRESS, MAPPED = "203.0.113.7", "::ffff:203.0.113.7"


class Killed(BaseException):
    """The process ends here."""


def killed_after(count: int, act: t.Callable[..., None]) -> t.Callable[..., None]:
    """The same function, in a process that dies when it was called so often."""
    left = count

    def called(*arguments: t.Any, **options: t.Any) -> None:
        nonlocal left
        act(*arguments, **options)
        left -= 1
        if not left:
            raise Killed

    return called


@pytest.mark.parametrize("opens", [True, False])
def test_an_address_that_was_written_half_is_finished_by_the_next_run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    gate = Gate(str(tmp_path))
    gate.allow([] if opens else [ADDRESS])
    where, name = (atomic, "write_text") if opens else (os, "unlink")
    with monkeypatch.context() as patch:
        patch.setattr(where, name, killed_after(1, getattr(where, name)))
        with pytest.raises(Killed):
            gate.allow([ADDRESS] if opens else [])
    assert gate.allow([ADDRESS] if opens else [])
    assert sorted(os.listdir(tmp_path / "allowed")) == ([ADDRESS, MAPPED] if opens else [])
    assert not gate.allow([ADDRESS] if opens else [])
