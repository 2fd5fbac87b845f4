# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that are waited for by the real Ansible, some of which are killed."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import pytest

from tests.integration.frappe.ground import processes_with
from tests.integration.stage import CLONE
from tests.support.daemons import wait_until

_INVENTORY = {
    "all": {
        "hosts": {"one": {}, "two": {}},
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    }
}
_LONG = 300


class Waiting:
    """Two hosts, each of which waits for a command.

    Args:
        folder: For their files.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.jobs = folder / "jobs"

    def play(self, **commands: str) -> subprocess.Popen[str]:
        """Begin to run and wait; what each host's wait came to is in the file of its name."""
        inventory, playbook = self.folder / "hosts.json", self.folder / "play.json"
        inventory.write_text(json.dumps(_INVENTORY))
        playbook.write_text(json.dumps([self._play(commands)]))
        program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
        own = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
        return subprocess.Popen(
            [program, "-i", str(inventory), str(playbook)],
            cwd=CLONE,
            env={**own, "ANSIBLE_ASYNC_DIR": str(self.jobs)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _play(self, commands: t.Mapping[str, str]) -> dict[str, t.Any]:
        tasks: list[dict[str, t.Any]] = [
            {
                "name": "Begin",
                "ansible.builtin.command": {"argv": ["sh", "-c", "{{ commands[inventory_hostname] }}"]},
                "async": _LONG,
                "poll": 0,
                "register": "begun",
            },
            {
                "name": "Wait",
                "lockstep.deploy.await_job": {"jid": "{{ begun.ansible_job_id }}", "together": "test"},
                "register": "waited",
                "failed_when": False,
            },
            {
                "name": "Keep it",
                "ansible.builtin.copy": {
                    "content": "{{ waited | to_json }}",
                    "dest": f"{self.folder}/{{{{ inventory_hostname }}}}.json",
                },
            },
        ]
        given = {"gather_facts": False, "strategy": "free", "vars": {"commands": commands}}
        return {"hosts": ":".join(commands), **given, "tasks": tasks}

    def found(self, host: str) -> dict[str, t.Any]:
        return dict(json.loads((self.folder / f"{host}.json").read_text()))


@pytest.fixture
def waiting(tmp_path: pathlib.Path) -> Waiting:
    """Nobody waits yet."""
    return Waiting(tmp_path)


def ended(run: subprocess.Popen[str], within: float) -> str:
    """What a run printed, which has to end well and in time."""
    output, _nothing = run.communicate(timeout=within)
    assert run.returncode == 0, output
    return output


def kill_what_runs(mark: str, *, with_its_wrapper: bool) -> None:
    """Kill a command of ours, the module that runs it, and what waits for the module to end."""
    wait_until(lambda: bool(processes_with(mark)), 60, "the command runs")
    command = processes_with(mark)[0]
    chain = [command]
    while b"async_wrapper" not in pathlib.Path(f"/proc/{chain[-1]}/cmdline").read_bytes():
        chain.append(int(pathlib.Path(f"/proc/{chain[-1]}/stat").read_text().rpartition(")")[2].split()[1]))
    above = int(pathlib.Path(f"/proc/{chain[-1]}/stat").read_text().rpartition(")")[2].split()[1])
    doomed = [above, *reversed(chain)] if with_its_wrapper else [*reversed(chain[:-1])]
    for process in doomed:
        os.kill(process, signal.SIGKILL)


def test_a_job_is_heard_of_without_a_word_in_between_and_leaves_nothing(waiting: Waiting) -> None:
    output = ended(waiting.play(one="sleep 3; echo done"), 60)
    found = waiting.found("one")
    assert (found["job"], found["stdout"], found["rc"]) == ("finished", "done", 0)
    assert "RETRYING" not in output
    assert list(waiting.jobs.iterdir()) == []


def test_a_job_that_fails_gives_its_own_result_and_frees_those_who_wait_with_it(waiting: Waiting) -> None:
    mark = f"sleep {_LONG - 1}"
    begun = time.monotonic()
    ended(waiting.play(one=f"exec {mark}", two="sleep 2; echo why >&2; exit 3"), 90)
    assert time.monotonic() - begun < 60
    failed, freed = waiting.found("two"), waiting.found("one")
    assert (failed["job"], failed["rc"], failed["stderr"], failed["released"]) == ("finished", 3, "why", False)
    assert (freed["job"], freed["released"], freed.get("rc")) == ("released", True, None)
    for process in processes_with(*mark.split()):
        os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("with_its_wrapper", [True, False])
def test_a_job_that_was_killed_is_noticed_at_once(waiting: Waiting, with_its_wrapper: bool) -> None:
    mark = f"{_LONG}.{int(with_its_wrapper)}{os.getpid()}"
    run = waiting.play(one=f"exec sleep {mark}")
    kill_what_runs(mark, with_its_wrapper=with_its_wrapper)
    ended(run, 40)
    found = waiting.found("one")
    assert found["job"] == "gone"
    assert found["msg"].startswith("its process on the server is gone and left no result: it was killed")
    assert list(waiting.jobs.iterdir()) == []
