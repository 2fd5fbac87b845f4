# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the controller's work grows with the number of units: CPU time of a whole ansible-playbook, workers included."""

from __future__ import annotations

import json
import math
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

from tests.benchmarks.simulate import layered

CLONE = pathlib.Path(__file__).parents[2]
FEW, MANY = 500, 2000


def cpu_seconds(count: int) -> float:
    """CPU seconds of a deployment whose units do next to nothing, so that what is left is the controller's own work.

    Args:
        count: How many units.
    """
    units = layered(1, count=count, levels=10)
    planned = [{"name": unit.name, "depends_on": unit.depends_on, "estimated_seconds": unit.seconds} for unit in units]
    controller = {"lockstep_plan": {"units": planned}, "lockstep_window": 20}
    hosts = {"lockstep_controller": controller, **{unit.name: {} for unit in units}}
    task = {"name": "Do next to nothing", "ansible.builtin.debug": {"msg": "{{ inventory_hostname }}"}}
    play = {"hosts": "all", "gather_facts": False, "strategy": "lockstep.deploy.dependency", "tasks": [task]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        (folder / "playbook.json").write_text(json.dumps([play]), encoding="utf-8")
        command = pathlib.Path(sys.executable).with_name("ansible-playbook")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        finished = subprocess.run(
            [command, folder / "playbook.json", "-i", folder / "inventory.json", "--forks", "20"],
            cwd=CLONE,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            timeout=300,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if finished.stdout.count(b"ok: [unit") != count:
        raise RuntimeError(f"not all of {count} units were run")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> dict[str, float]:
    """The exponent of that growth: 1 if twice the units take twice the time, 2 if they take four times."""
    few, many = cpu_seconds(FEW), cpu_seconds(MANY)
    return {
        "controller_cpu_exponent": math.log(many / few) / math.log(MANY / FEW),
        "controller_cpu_s_per_1000_units": (many - few) / (MANY - FEW) * 1000,
    }
