# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release that a site left is stopped when the requests it still has are answered."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import switch
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.switch import Retire
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import live

PATIENCE = 0.2


class Left:
    """A release that a site left, and what is done to it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.web = folder / "web.sock"
        self.needed = False
        self.open_when_stopped: int | None = None
        self.open_when_emptied: int | None = None

    def in_use(self, _release: t.Any) -> bool:
        return self.needed

    def stop_if_unused(self, _release: t.Any) -> bool:
        self.open_when_stopped = switch.wait_until_idle(str(self.web), 0)
        return not self.needed

    def hand_over(self, _source: t.Any, target: t.Any) -> list[str]:
        assert target == "the new bench"
        self.open_when_emptied = switch.wait_until_idle(str(self.web), 0)
        return []

    def retire(self) -> dict[str, t.Any]:
        runtime = types.SimpleNamespace(socket=lambda _name: str(self.web))
        deployment: t.Any = types.SimpleNamespace(
            context=types.SimpleNamespace(runtime=lambda _release: runtime),
            before=types.SimpleNamespace(id="cafe0123"),
            options=types.SimpleNamespace(blue_retention=0),
            clones=False,
            old=types.SimpleNamespace(common_config=lambda: {"http_timeout": PATIENCE}),
            new="the new bench",
        )
        return Retire(deployment).run(t.cast(t.Any, None))

    @contextlib.contextmanager
    def reader(self) -> t.Iterator[None]:
        """Somebody whose request was begun before the switch."""
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(str(self.web))
            listener.listen()
            client.connect(str(self.web))
            with listener.accept()[0]:
                yield


@pytest.fixture
def left(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Left:
    found = Left(tmp_path)
    monkeypatch.setattr(switch, "await_jobs", lambda _deployment: [])
    monkeypatch.setattr(switch, "take_waiting", lambda _deployment, source, target: found.hand_over(source, target))
    monkeypatch.setattr(switch, "Processes", lambda _context: found)
    return found


def test_a_request_is_waited_for_as_long_as_one_may_take_and_then_told(left: Left) -> None:
    with left.reader():
        assert left.retire() == {
            "stopped": True,
            "warnings": ["1 request was cut off when release cafe0123 was stopped"],
        }
    assert left.open_when_stopped == 1


def test_a_release_is_stopped_as_soon_as_it_has_answered(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as open_request:
        open_request.enter_context(left.reader())
        monkeypatch.setattr(live.time, "sleep", lambda _seconds: open_request.close())
        assert left.retire() == {"stopped": True, "warnings": []}
    assert (left.open_when_emptied, left.open_when_stopped) == (0, 0)


def test_nobody_waits_for_a_release_that_other_sites_are_on(left: Left) -> None:
    left.needed = True
    with left.reader():
        assert left.retire() == {"stopped": False, "warnings": []}
