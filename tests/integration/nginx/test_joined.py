# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Benches that change nginx at a time take one reload together, and none of them is lost."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import pathlib
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts, served
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from tests.integration.nginx.scene import BINARY, Scene, wait_until

pytestmark = pytest.mark.integration

BENCHES = 6
_fork = multiprocessing.get_context("fork")


class Benches:
    """Benches of one server, whose nginx writes down when it is reloaded.

    Args:
        scene: The server.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._log = scene.folder / "reloads"
        self._log.touch()
        self._program = scene.folder / "nginx"
        self._program.write_text(
            f'#!/bin/sh\ncase "$*" in *"-s reload"*) echo >> {self._log};; esac\nexec {BINARY} "$@"\n'
        )
        self._program.chmod(0o755)
        # Whoever makes the folder of all benches finds somebody else's in it otherwise, and refuses it.
        (scene.folder / "lockstep").mkdir()

    def context(self, number: int) -> BenchContext:
        path = self._scene.folder / f"bench{number}"
        path.mkdir(exist_ok=True)
        nginx = {
            "binary": str(self._program),
            "conf": str(self._scene.conf),
            "conf_dir": str(self._scene.conf_dir),
            "log_dir": str(self._scene.folder),
        }
        bench = {
            "name": f"bench{number}",
            "path": str(path),
            "state_dir": str(self._scene.folder / "state"),
            "runtime_dir": str(self._scene.run),
            "nginx": nginx,
        }
        checked = ArgumentSpecValidator({"bench": {"type": "dict", "options": BENCH_OPTIONS}}).validate(
            {"bench": bench}
        )
        assert not checked.error_messages, checked.error_messages
        return BenchContext(checked.validated_parameters["bench"])

    def adopt(self, number: int) -> bool:
        """Write down a site of a bench, and have nginx serve it; whether this one changed nginx."""
        context = self.context(number)
        context.prepare_state()
        name = f"site{number}.local"
        context.record.add_site(name, served(self._scene.site(name)))
        return Fronts(context).apply().changed

    def reloads(self) -> int:
        return len(self._log.read_text().splitlines())


def _adopt(benches: Benches, number: int, begin: t.Any, answers: t.Any) -> None:
    begin.wait(60)
    answers.put((number, benches.adopt(number)))


def _waits(pid: int | None, lock: pathlib.Path) -> bool:
    """Whether a process has a lock's file open, which it has as long as it waits."""
    folder = pathlib.Path(f"/proc/{pid}/fd")
    return any(link.is_symlink() and os.path.realpath(link) == str(lock) for link in folder.iterdir())


def test_benches_that_wait_for_one_change_are_all_served_by_the_next(scene: Scene) -> None:
    benches, begin, answers = Benches(scene), _fork.Event(), _fork.Queue()
    assert benches.adopt(0)
    assert (benches.reloads(), scene.nginx.master().leaving() or 0) == (1, 0)
    before = scene.nginx.master().workers()
    lock = scene.folder / "state" / "nginx" / "lock"
    processes = [_fork.Process(target=_adopt, args=(benches, number, begin, answers)) for number in range(1, BENCHES)]
    for process in processes:
        process.start()
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        begin.set()
        wait_until(lambda: all(_waits(process.pid, lock) for process in processes), "all of them wait")
    changed = dict(answers.get(timeout=60) for _process in processes)
    for process in processes:
        process.join(20)
    assert sum(changed.values()) == 1, "one made the change of all"
    assert benches.reloads() == 2, "the first bench's, and one for all others"
    assert not before & scene.nginx.master().workers()
    for number in range(BENCHES):
        # No release is behind them, and nginx says so in their name.
        assert scene.get("/", host=f"site{number}.local").status == 502


def test_benches_that_change_at_once_lose_nothing_and_nobody_reloads_for_what_is_served(scene: Scene) -> None:
    benches, begin, answers = Benches(scene), _fork.Event(), _fork.Queue()
    processes = [_fork.Process(target=_adopt, args=(benches, number, begin, answers)) for number in range(BENCHES)]
    for process in processes:
        process.start()
    begin.set()
    changed = dict(answers.get(timeout=120) for _process in processes)
    for process in processes:
        process.join(20)
    assert benches.reloads() == sum(changed.values())
    for number in range(BENCHES):
        assert scene.get("/", host=f"site{number}.local").status == 502
    assert not benches.adopt(0)
    assert benches.reloads() == sum(changed.values())
