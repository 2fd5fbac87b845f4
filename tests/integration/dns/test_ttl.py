# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever keeps an old record keeps it for a short time only: TTLs are lowered, waited out and raised again."""

from __future__ import annotations

import re
import threading
import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from tests.integration.dns.scene import Scene

pytestmark = pytest.mark.integration


class Watcher:
    """Asks the secondary for a name all the time, and keeps when each answer was first and last seen."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene, self._name = scene, name
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.answers: list[tuple[str, float, float]] = []

    def _watch(self) -> None:
        while not self._end.wait(0.01):
            answer, now = " ".join(self._scene.secondary.ask(self._name)), time.monotonic()
            if not self.answers or self.answers[-1][0] != answer:
                self.answers.append((answer, now, now))
            self.answers[-1] = (answer, self.answers[-1][1], now)

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def moved(scene: Scene, name: str, ttl: int, **zone: t.Any) -> None:
    """A record of before, and a deployment file that wants another address."""
    scene.put(name, ttl, "A", "192.0.2.1")
    scene.write({"names": name, "values": "192.0.2.7"}, zone={"ttl": 900, "ttl_before_change": 1, **zone})


def test_the_old_ttl_is_lowered_waited_out_and_the_new_one_raised_at_the_end(scene: Scene) -> None:
    moved(scene, "slow.example.test", 3)
    with Watcher(scene, "slow.example.test") as watcher:
        made = scene.take("present")
    assert scene.served("slow.example.test") == ["900 192.0.2.7"]
    seen = [answer for answer, _first, _last in watcher.answers]
    assert [one for one in seen if one != "900 192.0.2.7"] == ["3 192.0.2.1", "1 192.0.2.1", "1 192.0.2.7"]
    _answer, first, last = watcher.answers[1]
    assert last - first >= 2.9, "a resolver that asked right before the TTL was lowered has forgotten the old address"
    assert [line for line in scene.said if "Waiting 3 s" in line]
    assert made.safe_after
    assert 0 < clock.parse(made.safe_after).timestamp() - time.time() <= 2.1


def test_a_ttl_that_is_low_already_is_not_waited_for(scene: Scene) -> None:
    moved(scene, "low.example.test", 60, ttl_before_change=60)
    scene.take("present")
    assert scene.served("low.example.test") == ["900 192.0.2.7"]
    assert not [line for line in scene.said if "so long others" in line]


def test_what_a_run_before_lowered_is_waited_for_only_as_long_as_it_is_kept(scene: Scene) -> None:
    moved(scene, "ahead.example.test", 4)
    lowered = scene.take("lowered")
    assert scene.served("ahead.example.test") == ["1 192.0.2.1"]
    assert lowered.switch_after
    assert 3 < clock.parse(lowered.switch_after).timestamp() - time.time() < 6
    known = lowered.entries()["shop.local"]
    assert not scene.take("lowered", known).updated
    known["ahead.example.test"]["lowered"]["at"] -= 2
    made = scene.take("present", known)
    assert time.time() >= known["ahead.example.test"]["lowered"]["at"] + 4
    waited = [float(found[1]) for line in scene.said if (found := re.search(r"Waiting (\d+) s,", line))]
    assert max(waited, default=0) <= 2, "what is left of it, which may be nothing on a busy machine"
    assert scene.served("ahead.example.test") == ["900 192.0.2.7"]
    entry = made.entries()["shop.local"]["ahead.example.test"]
    assert entry["before"] == {"A": {"ttl": 4, "values": ["192.0.2.1"]}}, "not the lowered TTL"


def test_a_wait_longer_than_a_run_may_wait_lowers_the_ttl_and_changes_no_address(scene: Scene) -> None:
    moved(scene, "long.example.test", 7200, max_wait=5)
    made = scene.look("present")
    with pytest.raises(LockstepError, match=r"72\d\d s from now; a run waits 5 s") as raised:
        made.apply()
    assert raised.value.left == "TTLs are low everywhere, and no address was changed"
    assert scene.served("long.example.test") == ["1 192.0.2.1"]
    known = made.entries()["shop.local"]
    assert known["long.example.test"]["lowered"]["at"] == pytest.approx(time.time(), abs=5)
    known["long.example.test"]["lowered"]["at"] -= 7200
    scene.take("present", known)
    assert scene.served("long.example.test") == ["900 192.0.2.7"]


def test_without_lowering_the_old_address_has_to_serve_for_the_old_ttl(scene: Scene) -> None:
    moved(scene, "quick.example.test", 300, ttl_before_change=None)
    made = scene.take("present")
    assert scene.served("quick.example.test") == ["900 192.0.2.7"]
    assert made.safe_after
    assert clock.parse(made.safe_after).timestamp() - time.time() == pytest.approx(300, abs=3)


def test_a_new_name_is_missed_for_as_long_as_its_absence_may_be_kept(scene: Scene) -> None:
    scene.write({"names": "fresh.example.test", "values": "192.0.2.7"})
    made = scene.take("present")
    assert made.safe_after
    assert clock.parse(made.safe_after).timestamp() - time.time() == pytest.approx(7, abs=2)


def test_the_ttl_of_the_file_is_set_at_once_where_addresses_stay(scene: Scene) -> None:
    scene.put("same.example.test", 300, "A", "192.0.2.7")
    scene.write({"names": "same.example.test", "values": "192.0.2.7", "ttl": 600})
    assert scene.take("present").safe_after is None
    assert scene.served("same.example.test") == ["600 192.0.2.7"]
