# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switches and shares as visitors see them, beside the reloads that people switch by without us."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
import typing as t

from tests.integration.nginx.scene import Scene
from tests.integration.nginx.switching import SITE, by_links, by_reloads, two_releases, visitors

_SWITCHES = 60
_BETWEEN = 1000
_USERS = 20_000
_SHARES = (5, 25, 50)


def measure() -> dict[str, float]:
    """Run 60 switches under 40 clients, by links and by reloads, and share 20,000 visitors out.

    Returns:
        ``switch_errors`` and ``switch_late_answers`` of switches by links, ``reload_control_errors`` of reloads,
        ``split_error_points``, how far the worst share was off in percentage points, and ``users_sent_back``.
    """
    with _scene() as scene:
        moved = by_links(scene, _SWITCHES, _BETWEEN)
    with _scene() as scene:
        control = by_reloads(scene, _SWITCHES, _BETWEEN)
    with _scene() as scene:
        off, sent_back = _shared(scene)
    return {
        "switch_requests": float(moved.requests),
        "switch_errors": float(moved.errors),
        "switch_late_answers": float(moved.late),
        "reload_control_requests": float(control.requests),
        "reload_control_errors": float(control.errors),
        "reload_control_late_answers": float(control.late),
        "split_error_points": off,
        "users_sent_back": float(sent_back),
    }


def _shared(scene: Scene) -> tuple[float, int]:
    """How far the worst share was off, and how many visitors got from the candidate back to the live release."""
    _blue, green = two_releases(scene)
    traffic = scene.traffic(SITE)
    off, sent_back = 0.0, 0
    before: dict[str, str] = {}
    for percent in _SHARES:
        traffic.share(green.folder, percent, "cookie")
        off = max(off, abs(visitors(scene, _USERS)["green"] / _USERS * 100 - percent))
        # Who was here knows the slot; all users of one slot share its fate.
        now = {slot: _side(scene, slot) for slot in (f"{number:02}" for number in range(20))}
        back = [slot for slot, side in now.items() if (before.get(slot), side) == ("green", "blue")]
        sent_back += len(back) * _USERS // 20
        before = now
    return off, sent_back


def _side(scene: Scene, slot: str) -> str:
    return scene.get("/assets/side.txt", headers={"Cookie": f"lockstep_slot={slot}"}).text.strip()


@contextlib.contextmanager
def _scene() -> t.Iterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="lk") as folder:
        scene = Scene(pathlib.Path(folder))
        try:
            yield scene.start()
        finally:
            scene.stop()
