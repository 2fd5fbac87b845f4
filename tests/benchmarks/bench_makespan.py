# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a deployment takes from its first unit's start to its last one's end, against the bound and other ways.

All runs are of the same 60 units, by a real ansible-playbook, one after the other: with one task per unit and with
four, with a barrier after each level, and linear with ``serial``. The tasks are ``raw`` ones: starting a module's
interpreter is work of the servers, of which there are none here, and would take the cores away from the controller.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.admission import Unit
from tests.benchmarks.simulate import layered, lower_bound
from tests.benchmarks.simulate import measure as measure_simulated

CLONE = pathlib.Path(__file__).parents[2]
LEVELS = 5
WINDOW = 10
SEED = 62
"""Of 100 seeds the one in the middle, judged by the simulated makespan against that with a barrier after each level."""
SCALE = 1.5
"""Seconds for a second of the simulation: units take minutes in earnest, here at least long beside a task's start."""
PHASES = {"prepare": 0.4, "backup": 0.2, "migrate": 0.3, "verify": 0.1}
"""The phases that take time, with their share of the unit's seconds."""

Play = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Deployment:
    """Units that only take time.

    Args:
        folder: A scratch folder for the playbooks and for what the units record.
        units: The units, level by level.
    """

    folder: pathlib.Path
    units: t.Sequence[Unit]

    def makespan(self, plays: t.Sequence[Play]) -> float:
        """Seconds from the start of the first unit to the end of the last, as the units recorded them."""
        events = self.folder / "events"
        events.unlink(missing_ok=True)
        self._write("inventory.json", self._inventory())
        self._write("playbook.json", plays)
        command = pathlib.Path(sys.executable).with_name("ansible-playbook")
        subprocess.run(
            [command, self.folder / "playbook.json", "-i", self.folder / "inventory.json", "--forks", str(WINDOW)],
            cwd=CLONE,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.DEVNULL,
            timeout=300,
            check=True,
        )
        return self._span([line.split() for line in events.read_text("utf-8").splitlines()])

    def _span(self, events: t.Sequence[t.Sequence[str]]) -> float:
        took = dict.fromkeys((unit.name for unit in self.units), 0.0)
        for _ignored, name, seconds in events:
            took[name] += float(seconds)
        wrong = [unit.name for unit in self.units if abs(took[unit.name] - unit.seconds) > 0.01]
        if wrong:
            raise RuntimeError(f"did not run, or not once: {', '.join(wrong)}")
        begun = min(float(at) for at, _ignored, _ignored in events)
        return max(float(at) + float(seconds) for at, _ignored, seconds in events) - begun

    def _inventory(self) -> dict[str, t.Any]:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        planned = [
            {"name": unit.name, "depends_on": unit.depends_on, "estimated_seconds": unit.seconds} for unit in self.units
        ]
        controller = {**local, "lockstep_plan": {"units": planned}, "lockstep_window": WINDOW}
        size = len(self.units) // LEVELS
        levels = [self.units[start : start + size] for start in range(0, len(self.units), size)]
        groups: dict[str, t.Any] = {
            f"level{number}": {"hosts": {unit.name: {**local, "seconds": unit.seconds} for unit in level}}
            for number, level in enumerate(levels)
        }
        groups["lockstep_control"] = {"hosts": {"lockstep_controller": controller}}
        return {"all": {"children": groups}}

    def _write(self, name: str, content: t.Any) -> None:
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def play(self, hosts: str, shares: t.Mapping[str, float], **keywords: t.Any) -> Play:
        """A play in which each unit takes its time, divided into phases.

        Args:
            hosts: Its hosts.
            shares: The phases, with their share of the unit's seconds.
            **keywords: Its strategy and what belongs to it.
        """
        return {
            "hosts": hosts,
            "gather_facts": False,
            "tasks": [self._phase(name, share) for name, share in shares.items()],
            **keywords,
        }

    def _phase(self, name: str, share: float) -> Play:
        # The first number in /proc/uptime is a monotonic clock that a shell can read without starting a process.
        work = f"""
            seconds={{{{ seconds * {share} }}}}
            read -r at _ </proc/uptime
            echo "$at {{{{ inventory_hostname }}}} $seconds" >>{self.folder}/events
            exec sleep "$seconds"
        """
        return {"name": name, "ansible.builtin.raw": work}


def measure() -> dict[str, float]:
    """The simulated makespan ratios, and those of real runs."""
    units = [dataclasses.replace(unit, seconds=unit.seconds * SCALE) for unit in layered(SEED, levels=LEVELS)]
    bound = lower_bound(units, WINDOW)
    whole = {"deploy": 1.0}
    levels = [f"level{number}" for number in range(LEVELS)]
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(pathlib.Path(folder), units)
        ours = deployment.makespan([deployment.play("all", whole, strategy="lockstep.deploy.dependency")])
        phases = deployment.makespan([deployment.play("all", PHASES, strategy="lockstep.deploy.dependency")])
        barrier = deployment.makespan([deployment.play(level, whole, strategy="free") for level in levels])
        serial = deployment.makespan([deployment.play(level, whole, serial=WINDOW) for level in levels])
    return {
        **measure_simulated(),
        "makespan_ratio_real": ours / bound,
        "makespan_ratio_phases": phases / bound,
        "vs_level_barrier": ours / barrier,
        "vs_linear_serial": ours / serial,
    }
