# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Intent before a change, result after it, and everything undone in reverse."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal, Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase, Transaction
from tests.support.disks import Disk, small_disk


class Recorded(Phase):
    """A phase that says what was asked of it."""

    def __init__(self, name: str, calls: list[str], fails: str = "") -> None:
        self.name = name  # type: ignore[misc]
        self._calls = calls
        self.fails = fails

    def run(self, step: Step) -> dict[str, t.Any]:
        step.note(before=self.name)
        self._calls.append(f"run {self.name}")
        if self.fails == "run":
            raise LockstepError("it broke")
        return {"release": self.name}

    def undo(self, step: Step) -> dict[str, t.Any]:
        self._calls.append(f"undo {step.intent['before']}")
        if self.fails == "undo":
            raise LockstepError("it can't be undone")
        return {}


class Scene:
    """A unit with three phases."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.calls: list[str] = []
        self.folder = str(folder / "unit")
        self.locks = LockFolder(str(folder / "locks"))
        self.phases = {name: Recorded(name, self.calls) for name in ("a", "b", "c")}
        self.held = self.locks.acquire("u", "d1", lease=100)
        self.journal = Journal(self.folder)
        self.journal.open(unit="u", driver="test", deployment_id="d1", data={})

    def transaction(self, journal: Journal | None = None) -> Transaction:
        return Transaction(
            unit="u",
            journal=journal or self.journal,
            locks=self.locks,
            held=self.held,
            phases=list(self.phases.values()),
        )


def test_a_failure_names_unit_and_phase_and_what_ran_is_undone_last_first(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path)
    scene.phases["b"].fails = "run"
    with pytest.raises(LockstepError, match=r"^u \(b\): it broke"):
        scene.transaction().advance(["a", "b", "c"])
    scene.transaction().undo()
    assert scene.calls == ["run a", "run b", "undo b", "undo a"]


def test_what_was_completed_is_not_run_again_by_another_process(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path)
    scene.transaction().advance(["a"])
    again = Journal(scene.folder)
    assert scene.transaction(again).advance(["a", "b"])
    assert scene.calls == ["run a", "run b"]
    assert not scene.transaction(Journal(scene.folder)).advance(["a", "b"])


def test_intent_is_on_disk_before_the_change(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path)
    seen: list[dict[str, t.Any]] = []
    original = scene.phases["a"].run

    def run(step: Step) -> dict[str, t.Any]:
        found = original(step)
        seen.append(Journal(scene.folder).steps()[-1].record)
        return found

    scene.phases["a"].run = run  # type: ignore[method-assign]
    scene.transaction().advance(["a"])
    assert seen[0]["status"] == "started"
    assert seen[0]["intent"] == {"before": "a"}


def test_a_phase_that_died_is_undone_from_its_journaled_intent(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path)
    scene.transaction().advance(["a"])
    step = scene.journal.begin("b", timeout=10)
    step.note(before="b")
    scene.transaction(Journal(scene.folder)).undo()
    assert scene.calls == ["run a", "undo b", "undo a"]


def test_a_failed_undo_leaves_the_unit_locked_and_goes_on_from_there_when_repeated(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path)
    scene.transaction().advance(["a", "b", "c"])
    scene.phases["b"].fails = "undo"
    with pytest.raises(LockstepError, match="undoing b failed"):
        scene.transaction().undo()
    assert Journal(scene.folder).status == "failed"
    assert Journal(scene.folder).is_open
    scene.phases["b"].fails = ""
    scene.transaction(Journal(scene.folder)).undo()
    assert scene.calls[3:] == ["undo c", "undo b", "undo b", "undo a"]


@pytest.mark.parametrize("way", ["advance", "undo"])
def test_who_was_fenced_off_changes_nothing(tmp_path: pathlib.Path, way: str) -> None:
    scene = Scene(tmp_path)
    scene.transaction().advance(["a"])
    scene.locks.take_over("u", "d1", lease=100)
    with pytest.raises(LockstepError, match="fenced off"):
        scene.transaction().advance(["b"]) if way == "advance" else scene.transaction().undo()
    assert scene.calls == ["run a"]


def test_another_deployment_is_refused_while_one_is_half_done(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path)
    scene.transaction().advance(["a"])
    with pytest.raises(LockstepError, match="deployment d1 of this unit was not finished"):
        Journal(scene.folder).open(unit="u", driver="test", deployment_id="d2", data={})
    scene.journal.close("live")
    later = Journal(scene.folder)
    later.open(unit="u", driver="test", deployment_id="d2", data={})
    assert later.history() == ["d1"]


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> t.Iterator[Disk]:
    with small_disk(tmp_path / "state", "4m") as found:
        yield found


def test_a_disk_that_gets_full_stops_a_unit_and_keeps_room_for_its_way_back(disk: Disk) -> None:
    scene = Scene(disk.folder)
    original = scene.phases["b"].run

    def run(step: Step) -> dict[str, t.Any]:
        disk.fill()
        return original(step)

    scene.phases["b"].run = run  # type: ignore[method-assign]
    with pytest.raises(LockstepError, match=r"^u \(c\): no room .* No space left on device") as caught:
        scene.transaction().advance(["a", "b", "c"])
    assert scene.calls == ["run a", "run b"], "no further phase begins without room to write down its undoing"
    scene.transaction().undo(caught.value)
    assert scene.calls[2:] == ["undo b", "undo a"]
    scene.journal.close("restored")
    written = Journal(scene.folder)
    assert (written.status, [step.record["status"] for step in written.steps()]) == ("restored", ["undone", "undone"])


def test_room_for_the_way_back_is_given_back_with_the_end_of_the_record(disk: Disk) -> None:
    scene = Scene(disk.folder)
    scene.transaction().advance(["a"])
    assert sorted(os.listdir(scene.folder)) == ["history", "journal.json", "room"]
    scene.journal.close("failed")
    assert "room" in os.listdir(scene.folder), "its way back is still to come"
    scene.journal.close("restored")
    assert sorted(os.listdir(scene.folder)) == ["history", "journal.json"]
