# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments whose units only record what is done to them, run by a real ansible-playbook."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

from tests.support.daemons import wait_until

HERE = pathlib.Path(__file__).parent
CLONE = HERE.parents[2]

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


Task = dict[str, t.Any]

KEEP_OUTCOME = {
    "name": "Keep the outcome",
    "hosts": "lockstep_controller",
    "gather_facts": False,
    "tasks": [{"ansible.builtin.copy": {"content": "{{ lockstep_outcome | to_json }}", "dest": "{{ outcome }}"}}],
}


@dataclasses.dataclass(frozen=True)
class Play:
    """A play over the units with the strategy.

    Args:
        tasks: Its tasks.
        keywords: Its other keywords, where they are not the usual ones.
        before: Plays that run before it.
    """

    tasks: list[Task]
    keywords: Task = dataclasses.field(default_factory=dict)
    before: list[Task] = dataclasses.field(default_factory=list)

    def as_mapping(self) -> Task:
        """The play as it stands in a playbook."""
        usual = {"hosts": "lockstep_controller:lockstep_units", "gather_facts": False}
        return {
            "name": "Units",
            **usual,
            "strategy": "lockstep.deploy.dependency",
            "tasks": self.tasks,
            **self.keywords,
        }


def record(event: str, *, seconds: float = 0, **keywords: t.Any) -> Task:
    """A task that records an event of the unit and then takes a while.

    Args:
        event: The event.
        seconds: How long the task takes.
        **keywords: More keywords of the task.
    """
    argv = ["{{ ansible_playbook_python }}", "{{ recorder }}", "{{ events }}", "{{ inventory_hostname }}", event]
    return {
        "name": f"Record {event}",
        "ansible.builtin.command": {"argv": [*argv, str(seconds)]},
        "delegate_to": "{{ lockstep_server }}",
        **keywords,
    }


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run left behind.

    Args:
        rc: The exit status of ansible-playbook.
        output: What it printed.
        events: ``unit event`` for everything the units recorded, in order.
        outcome: The fact the strategy left, if the run came as far as the verdict.
    """

    rc: int
    output: str
    events: list[str]
    outcome: dict[str, t.Any]

    def units(self, event: str) -> list[str]:
        """The units that recorded an event, in order."""
        return [unit for unit, what in map(str.split, self.events) if what == event]


class Scene:
    """A deployment in a scratch folder.

    Args:
        folder: The scratch folder.
        depends_on: The units, with the units each one depends on.
        unreachable: Units whose server can't be reached.
    """

    def __init__(
        self, folder: pathlib.Path, depends_on: t.Mapping[str, t.Sequence[str]], unreachable: t.Collection[str] = ()
    ) -> None:
        self.folder = folder
        self.depends_on = depends_on
        self.gate = folder / "gate"
        self.gate.touch()
        self._write("inventory.json", self._inventory(unreachable))

    def run(
        self,
        playbook: pathlib.Path | Play,
        *arguments: str,
        interrupt: t.Callable[[], bool] | None = None,
        **variables: t.Any,
    ) -> Result:
        """Runs a playbook as a user would, from the clone.

        Args:
            playbook: A playbook's path, or a single play.
            *arguments: More of the command line.
            interrupt: When Ctrl-C is pressed.
            **variables: Extra variables.

        Returns:
            What the run left behind.
        """
        if not isinstance(playbook, pathlib.Path):
            self._write("playbook.json", [*playbook.before, playbook.as_mapping(), KEEP_OUTCOME])
            playbook = self.folder / "playbook.json"
        self._write("variables.json", {**self._variables(), **variables})
        command = pathlib.Path(sys.executable).with_name("ansible-playbook")
        running = subprocess.Popen(
            [
                command,
                playbook,
                "-i",
                self.folder / "inventory.json",
                "-e",
                f"@{self.folder}/variables.json",
                *arguments,
            ],
            cwd=CLONE,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with running:
            try:
                if interrupt is not None:
                    wait_until(lambda: interrupt() or running.poll() is not None, 60, "it is time to interrupt it")
                    running.send_signal(signal.SIGINT)
                output = running.communicate(timeout=120)[0]
            except BaseException:
                running.kill()
                raise
        return Result(running.returncode, output, self._events(), self._outcome())

    def _inventory(self, unreachable: t.Collection[str]) -> dict[str, t.Any]:
        # A file where a folder is expected: Ansible reports the server as unreachable until the file is gone.
        gone = {**LOCAL, "ansible_pipelining": False, "ansible_remote_tmp": f"{self.gate}/tmp"}
        units = {
            name: {"lockstep_server": "gone" if name in unreachable else "server1", "lockstep_depends_on": list(needs)}
            for name, needs in self.depends_on.items()
        }
        groups = {
            "lockstep_control": {"lockstep_controller": LOCAL},
            "lockstep_servers": {"server1": LOCAL, "gone": gone},
            "lockstep_units": units,
            "driver_frappe_site": {name: {} for name in units if name.startswith("site")},
        }
        return {"all": {"children": {name: {"hosts": hosts} for name, hosts in groups.items()}}}

    def _variables(self) -> dict[str, t.Any]:
        units = [{"name": name, "depends_on": list(needs), "server": "s"} for name, needs in self.depends_on.items()]
        return {
            "plan": {"units": units},
            "window": 2,
            "failing": [],
            "failing_undo": [],
            "recorder": str(HERE / "record.py"),
            "events": str(self.folder / "events"),
            "outcome": str(self.folder / "outcome.json"),
        }

    def _write(self, name: str, content: t.Any) -> None:
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def begun(self) -> list[str]:
        """The events so far, as a run returns them."""
        return self._events()

    def _events(self) -> list[str]:
        path = self.folder / "events"
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
        return [f"{event['unit']} {event['event']}" for event in sorted(found, key=lambda event: int(event["at"]))]

    def _outcome(self) -> dict[str, t.Any]:
        path = self.folder / "outcome.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}
