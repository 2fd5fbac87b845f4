# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two controllers never change one site."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder, mutex


def _content(folder: pathlib.Path, name: str) -> dict[str, object]:
    return json.loads((folder / f"{name}.json").read_text())


def _expire(folder: pathlib.Path, name: str) -> None:
    content = _content(folder, name)
    content["until"] = clock.since_boot() - 1
    (folder / f"{name}.json").write_text(json.dumps(content))


def test_a_lease_is_refused_to_another_deployment_until_it_is_given_back(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path))
    held = locks.acquire("site1.local", "d1", lease=100)
    with pytest.raises(LockstepError, match="locked by deployment d1"):
        locks.acquire("site1.local", "d2", lease=100)
    locks.release(held)
    assert locks.acquire("site1.local", "d2", lease=100).owner == "d2"


def test_renewing_keeps_the_token_and_taking_over_raises_it(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path))
    first = locks.acquire("site1.local", "d1", lease=100)
    assert locks.acquire("site1.local", "d1", lease=100).token == first.token
    taken = locks.take_over("site1.local", "d1", lease=100)
    assert taken.token == first.token + 1
    with pytest.raises(LockstepError, match="fenced off"):
        locks.check(first)
    locks.check(taken)


def test_a_fenced_owner_does_not_give_back_what_is_no_longer_its(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path))
    first = locks.acquire("site1.local", "d1", lease=100)
    locks.take_over("site1.local", "d1", lease=100)
    locks.release(first)
    assert _content(tmp_path, "site1.local")["owner"] == "d1"


@pytest.mark.parametrize("how", ["lease over", "another boot"])
def test_an_expired_lease_may_be_taken(tmp_path: pathlib.Path, how: str) -> None:
    locks = LockFolder(str(tmp_path))
    old = locks.acquire("site1.local", "d1", lease=100)
    if how == "lease over":
        _expire(tmp_path, "site1.local")
    else:
        content = {**_content(tmp_path, "site1.local"), "boot_id": "another"}
        (tmp_path / "site1.local.json").write_text(json.dumps(content))
    new = locks.acquire("site1.local", "d2", lease=100)
    assert new.token > old.token
    with pytest.raises(LockstepError, match="fenced off"):
        locks.check(old)


@pytest.mark.parametrize("way", ["acquire", "take_over"])
def test_a_lock_set_by_hand_is_never_taken(tmp_path: pathlib.Path, way: str) -> None:
    content = {"owner": "ada", "manual": True, "boot_id": "another", "until": 0}
    (tmp_path / "site1.local.json").write_text(json.dumps(content))
    with pytest.raises(LockstepError, match="locked by hand by ada"):
        getattr(LockFolder(str(tmp_path)), way)("site1.local", "d2", 100)
    with pytest.raises(LockstepError, match="locked by hand by ada"):
        getattr(LockFolder(str(tmp_path)), way)("site1.local", "ada", 100)
    assert _content(tmp_path, "site1.local") == content


def _contend(folder: str, name: str, barrier: object, winners: object) -> None:
    locks = LockFolder(folder)
    barrier.wait()  # type: ignore[attr-defined]
    try:
        locks.acquire("site1.local", name, lease=100)
    except LockstepError:
        return
    winners.put(name)  # type: ignore[attr-defined]


def test_of_many_that_try_at_once_one_gets_it(tmp_path: pathlib.Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        folder = str(tmp_path / str(attempt))
        barrier, winners = context.Barrier(8), context.Queue()
        contenders = [
            context.Process(target=_contend, args=(folder, f"d{number}", barrier, winners)) for number in range(8)
        ]
        for process in contenders:
            process.start()
        for process in contenders:
            process.join(30)
        owner = _content(pathlib.Path(folder), "site1.local")["owner"]
        assert winners.get(timeout=5) == owner
        assert winners.empty()


def test_one_process_at_a_time_works_on_a_unit_and_death_frees_it(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path))
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _held = locks.at_work("site1.local")
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        with pytest.raises(LockstepError, match=f"process {child} of this server is at work"):
            locks.at_work("site1.local")
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    locks.at_work("site1.local").close()


def test_who_gives_up_waiting_leaves_the_lease_to_the_process_at_work(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path))
    first = locks.take_over("site1.local", "d1", lease=100)
    with locks.at_work("site1.local"), pytest.raises(LockstepError, match="is at work"):
        locks.seize("site1.local", "d1", lease=100, wait=0)
    locks.check(first)
    held, at_work = locks.seize("site1.local", "d1", lease=100, wait=0)
    at_work.close()
    assert held.token == first.token + 1


def test_who_gives_up_waiting_for_a_lease_that_nobody_had_leaves_none(tmp_path: pathlib.Path) -> None:
    locks = LockFolder(str(tmp_path))
    with locks.at_work("site1.local"), pytest.raises(LockstepError, match="is at work"):
        locks.seize("site1.local", "d1", lease=100, wait=0)
    assert locks.describe("site1.local") == {}


def test_nobody_else_can_hold_what_is_waited_for_without_end(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mutex").touch(mode=0o644)
    with mutex(str(tmp_path / "mutex")):
        assert (tmp_path / "mutex").stat().st_mode & 0o777 == 0o600


def test_nobody_else_can_hold_the_lock_of_who_works_on_a_unit(tmp_path: pathlib.Path) -> None:
    """Beside a unit's journal it lies in a folder that was open to others in versions before."""
    path = tmp_path / "watch.flock"
    path.touch(mode=0o644)
    with LockFolder(str(tmp_path)).at_work("watch"):
        assert path.stat().st_mode & 0o777 == 0o600
