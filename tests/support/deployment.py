# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment file for a stand-in bench, and the playbooks run on it as a user runs them."""

from __future__ import annotations

import os
import pathlib
import sys
import typing as t
import zlib

import yaml

from tests.support.bench import Bench
from tests.support.services import program

CLONE = pathlib.Path(__file__).parents[2]

#: The versions a fresh stand-in bench is taken to.
NEXT: t.Mapping[str, str] = {"frappe": "v16.0.0", "erpnext": "v16.0.0", "custom_app": "v1.0.0"}

#: Below those that services of tests are given.
_RELEASE_PORTS = range(10000, 20000)
_BLOCK = 40

Settings = t.Mapping[str, t.Any]


def describe(bench: Bench, apps: t.Mapping[str, str] = NEXT, **more: t.Any) -> dict[str, t.Any]:
    """The deployment of all sites of a bench, in the shape of the sample configuration of S0.

    Args:
        bench: The bench, running.
        apps: Versions by app, in any order.
        more: Further keys of the file; they win.
    """
    repositories = bench.services.scratch / "git"
    return {
        "project": "demo",
        "environment": "development",
        "apps": [
            {"name": app, "version": version, "source": f"file://{repositories / app}"} for app, version in apps.items()
        ],
        "benches": {bench.name: place(bench)},
        "sites": list(bench.sites),
        "strategy": "rolling",
        "options": {"batch_size": 1, "wait_time": 0},
        "dependencies": {"custom_app": ["erpnext"], "erpnext": ["frappe"]},
        **more,
    }


def place(bench: Bench) -> dict[str, t.Any]:
    """Where a bench and its services are: nothing of the system's own is used."""
    services = bench.services
    return {
        "path": str(bench.path),
        "user": bench.user,
        "bench_command": str(bench.command),
        "state_dir": str(services.scratch / "state"),
        "runtime_dir": str(services.scratch / "run"),
        "ports": _ports(services.scratch),
        "supervisor": {
            "control": services.supervisor.control(),
            "conf_dir": str(services.supervisor.conf_d),
        },
        "nginx": {
            "binary": program("nginx"),
            "conf": str(services.nginx.config),
            "prefix": str(services.nginx.prefix),
            "conf_dir": str(services.nginx.conf_d),
            "log_dir": str(services.nginx.folder / "logs"),
        },
        "database": {
            "admin": {
                "user": "root",
                "password": services.mariadb.root_password,
                "socket": str(services.mariadb.socket),
            }
        },
    }


def _ports(scratch: pathlib.Path) -> dict[str, int]:
    """Ports for the releases of a bench, which are chosen long before they are used: no other bench's, nor a test's."""
    first = _RELEASE_PORTS.start + zlib.crc32(os.fsencode(scratch)) % (len(_RELEASE_PORTS) // _BLOCK) * _BLOCK
    return {"first": first, "last": first + _BLOCK - 1}


def write(path: pathlib.Path, deployment: Settings) -> pathlib.Path:
    """Write a deployment file; it holds the database's root password, so it is for its owner only."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(dict(deployment), sort_keys=False))
    return path


def playbook(name: str, inventory: pathlib.Path, *options: str, **variables: t.Any) -> list[str]:
    """The command that runs one of the collection's playbooks."""
    extra = [argument for key, value in variables.items() for argument in ("-e", f"{key}={value}")]
    program_path = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    return [program_path, "-i", str(inventory), str(CLONE / "playbooks" / f"{name}.yml"), *options, *extra]
