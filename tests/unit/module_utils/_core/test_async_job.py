# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A job has a result, is at work, or is gone; nothing else."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import threading
import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.async_job import (
    FINISHED,
    GONE,
    RUNNING,
    AsyncJob,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from tests.support.daemons import wait_until

_BEGUN = {"started": True, "finished": False}


class Begun:
    """A process like the one that Ansible leaves behind, and its file."""

    def __init__(self, folder: pathlib.Path, user: str | None = None) -> None:
        name = f"j{time.time_ns()}"
        command = ["/bin/sh", "-c", "read line; :", name, "3600"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, user=user)
        self.jid = f"{name}.{self.process.pid}"
        self.file = folder / self.jid
        self.write(_BEGUN)
        self.job = AsyncJob(str(folder), self.jid)

    def write(self, content: t.Mapping[str, t.Any]) -> None:
        self.file.write_text(json.dumps(content))

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def begun(tmp_path: pathlib.Path) -> t.Iterator[Begun]:
    """One that is at work."""
    found = Begun(tmp_path)
    wait_until(lambda: found.job.state() == RUNNING, 10, "it is there with its arguments")
    yield found
    found.end()


def test_it_runs_until_it_has_a_result(begun: Begun) -> None:
    assert begun.job.state() == RUNNING
    begun.file.write_text("")
    assert begun.job.state() == RUNNING, "half of a result is none"
    begun.write({"failed": True, "msg": "no"})
    assert begun.job.state() == FINISHED
    begun.write({**_BEGUN, "finished": 1})
    assert begun.job.state() == FINISHED


def test_a_process_that_is_gone_without_a_result_is_not_waited_for(begun: Begun) -> None:
    begun.end()
    assert begun.job.wait(60) == GONE
    begun.write({"changed": True})
    assert begun.job.wait(60) == FINISHED, "its last word counts"
    begun.file.unlink()
    assert begun.job.wait(60) == GONE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of another account")
def test_a_process_of_another_account_is_not_taken_for_it(tmp_path: pathlib.Path) -> None:
    begun = Begun(tmp_path, user="nobody")
    try:
        cmdline = pathlib.Path(f"/proc/{begun.process.pid}/cmdline")
        wait_until(lambda: b"read line" in cmdline.read_bytes(), 10, "it is there with its arguments")
        assert begun.job.wait(60) == GONE
    finally:
        begun.end()


def test_the_end_is_heard_of_while_it_is_waited_for(begun: Begun) -> None:
    assert begun.job.wait(0) == RUNNING
    threading.Timer(0.2, begun.write, [{"changed": False}]).start()
    assert begun.job.wait(60) == FINISHED


@pytest.mark.parametrize("jid", ["", "../j1.2", "j1", "j1.2/..", "j1.2\n", "x1.2"])
def test_what_is_no_id_is_refused(tmp_path: pathlib.Path, jid: str) -> None:
    with pytest.raises(LockstepError, match="is no id of a job"):
        AsyncJob(str(tmp_path), jid)
