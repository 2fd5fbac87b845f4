# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``sites/common_site_config.json`` and ports."""

from __future__ import annotations

import getpass
import json
import multiprocessing
import os
import pathlib
import typing as t
import urllib.parse

_PORTS = {
    "webserver_port": 8000,
    "socketio_port": 9000,
    "file_watcher_port": 6787,
    "redis_queue": 11000,
    "redis_socketio": 13000,
    "redis_cache": 13000,
}


def config_path(bench: str) -> pathlib.Path:
    return pathlib.Path(bench, "sites", "common_site_config.json")


def get_config(bench: str = ".") -> dict[str, t.Any]:
    path = config_path(bench)
    return dict(json.loads(path.read_text())) if path.exists() else {}


def update_config(changes: t.Mapping[str, t.Any], bench: str = ".") -> None:
    config = {**get_config(bench), **changes}
    config_path(bench).write_text(json.dumps(config, indent=1, sort_keys=True))


def write_first_config(bench: str) -> None:
    """What a new bench begins with; a port that is configured already stays."""
    config = get_config(bench)
    config.update(
        restart_supervisor_on_update=False,
        restart_systemd_on_update=False,
        serve_default_site=True,
        rebase_on_pull=False,
        frappe_user=getpass.getuser(),
        shallow_clone=True,
        background_workers=1,
        use_redis_auth=False,
        live_reload=True,
        gunicorn_workers=multiprocessing.cpu_count() * 2 + 1,
    )
    for key, port in make_ports(bench).items():
        config.setdefault(key, f"redis://127.0.0.1:{port}" if key.startswith("redis") else port)
    update_config(config, bench)


def make_ports(bench: str) -> dict[str, int]:
    """Ports after those of the benches in the same folder; a bench elsewhere is not seen."""
    taken: dict[str, list[int]] = {key: [] for key in _PORTS}
    parent = os.path.dirname(os.path.abspath(bench))
    for name in os.listdir(parent):
        config = get_config(os.path.join(parent, name)) if os.path.isdir(os.path.join(parent, name)) else {}
        for key, found in taken.items():
            value = config.get(key)
            port = urllib.parse.urlparse(value).port if isinstance(value, str) else value
            if port:
                found.append(port)
    ports = {key: max(taken[key]) + 1 if taken[key] else port for key, port in _PORTS.items()}
    ports["redis_socketio"] = ports["redis_cache"]
    return ports


def redis_port(config: t.Mapping[str, t.Any], key: str) -> int:
    return urllib.parse.urlparse(config[key]).port or 0
