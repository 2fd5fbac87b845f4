# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment file of 10,000 sites, checked against its schema, against the same hosts as a static YAML inventory.

Each is loaded by Ansible's InventoryManager in a process of its own, whose processor time and largest memory count,
Python and Ansible itself included. The static one is written as tersely as it can be: what hosts share is a group's.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import typing as t

import yaml

CLONE = pathlib.Path(__file__).parents[2]
SITES = 10_000
SERVERS = 10
APPS = ("frappe", "erpnext", "custom_app")
ROUNDS = 3
LOADER = """
import sys, time
from ansible.plugins.loader import init_plugin_loader
from ansible.parsing.dataloader import DataLoader
from ansible.inventory.manager import InventoryManager
init_plugin_loader([sys.argv[1]])
found = InventoryManager(DataLoader(), sources=[sys.argv[2]])
assert len(found.hosts) >= int(sys.argv[3]), len(found.hosts)
# Not ru_maxrss: it begins with the memory of the process that started this one.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(time.process_time(), int(peak) / 1024)
"""

Document = dict[str, t.Any]


def deployment() -> Document:
    """A deployment in which every site says something of its own."""
    servers = [f"server{number}" for number in range(SERVERS)]
    return {
        "apps": [{"name": app, "version": "v1.0.0", "source": f"https://github.com/frappe/{app}"} for app in APPS],
        "servers": {server: {"ansible_host": f"{server}.example.com"} for server in servers},
        "benches": [{"name": "main", "path": "/home/frappe/main", "servers": servers}],
        "sites": [
            {"name": name, "server": servers[number % SERVERS], "domains": [name, f"www.{name}"]}
            for number, name in enumerate(_names())
        ],
    }


def static() -> Document:
    """The same hosts and groups by hand: vars of a host's own at the host, shared ones at its groups."""
    groups: dict[str, Document] = {
        "driver_frappe_site": {"vars": {"lockstep_driver": "frappe_site"}, "hosts": {}},
        "bench_main": {"vars": {"lockstep_bench": {"name": "main", "path": "/home/frappe/main"}}, "hosts": {}},
        **{f"app_{app}": {"hosts": {}} for app in APPS},
        **{f"server_server{n}": {"vars": {"lockstep_server": f"server{n}"}, "hosts": {}} for n in range(SERVERS)},
    }
    hosts = {}
    for number, name in enumerate(_names()):
        server = f"server{number % SERVERS}"
        hosts[name] = {
            "lockstep_unit": name,
            "lockstep_depends_on": [f"main@{server}"],
            "lockstep_apps": list(APPS),
            "lockstep_site": {"name": name, "bench": "main", "domains": [name, f"www.{name}"], "apps": list(APPS)},
        }
        for group in ("driver_frappe_site", "bench_main", f"server_{server}", *(f"app_{app}" for app in APPS)):
            groups[group]["hosts"][name] = None
    return {"all": {"hosts": hosts, "children": groups}}


def load(path: pathlib.Path) -> tuple[float, float]:
    """Load an inventory in a new process: processor seconds and megabytes."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(CLONE / "ansible.cfg")}
    command = [sys.executable, "-c", LOADER, str(CLONE / ".collections"), str(path), str(SITES)]
    done = subprocess.run(command, env=environment, cwd=CLONE, stdout=subprocess.PIPE, text=True, check=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def measure() -> dict[str, float]:
    """Ratios of processor time and memory, with the figures they are made of."""
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as scratch:
        ours, theirs = pathlib.Path(scratch) / "deployment.yml", pathlib.Path(scratch) / "static.yml"
        _write(ours, deployment())
        _write(theirs, static())
        mine = [load(ours) for _round in range(ROUNDS)]
        other = load(theirs)
    seconds, megabytes = (statistics.median(figures) for figures in zip(*mine, strict=True))
    return {
        "inventory_cpu_vs_yaml": round(seconds / other[0], 3),
        "inventory_rss_vs_yaml": round(megabytes / other[1], 3),
        "inventory_cpu_s": round(seconds, 2),
        "inventory_rss_mb": round(megabytes, 1),
        "inventory_yaml_cpu_s": round(other[0], 2),
        "inventory_yaml_rss_mb": round(other[1], 1),
    }


def _names() -> t.Iterator[str]:
    return (f"site{number}.example.com" for number in range(SITES))


class _Dumper(yaml.CSafeDumper):
    """YAML as people write it: no aliases."""

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _write(path: pathlib.Path, data: Document) -> None:
    with open(path, "w", encoding="utf-8") as handle:
        yaml.dump(data, handle, Dumper=_Dumper, sort_keys=False)
