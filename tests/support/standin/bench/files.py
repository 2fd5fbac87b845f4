# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files bench writes: Redis, Procfile, supervisor."""

from __future__ import annotations

import getpass
import os
import pathlib
import shutil

import click

from tests.support.standin.bench.config import get_config, redis_port, update_config
from tests.support.standin.bench.shared import bench_command, bench_name

_CACHE_SHARE = 0.05


def write_redis(bench: str) -> None:
    """``config/redis_{cache,queue}.conf`` and their empty access lists."""
    config = get_config(bench)
    folder = pathlib.Path(bench, "config").absolute()
    (folder / "pids").mkdir(exist_ok=True)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**2
    extra = {
        "redis_cache": f"maxmemory {config.get('cache_maxmemory') or max(50, int(memory * _CACHE_SHARE))}mb\n"
        'maxmemory-policy allkeys-lru\nappendonly no\n\nsave ""\n\n',
        "redis_queue": "",
    }
    for name, more in extra.items():
        (folder / f"{name}.conf").write_text(
            f"dbfilename {name}.rdb\ndir {folder}/pids\npidfile {folder}/pids/{name}.pid\nbind 127.0.0.1\n"
            f"port {redis_port(config, name)}\n{more}\naclfile {folder}/{name}.acl\n"
        )
        (folder / f"{name}.acl").touch()


def write_procfile(bench: str, with_redis: bool = True) -> None:
    redis = "redis_cache: redis-server config/redis_cache.conf\nredis_queue: redis-server config/redis_queue.conf\n"
    port = get_config(bench).get("webserver_port")
    pathlib.Path(bench, "Procfile").write_text(
        f"{redis if with_redis else ''}web: bench serve --port {port}\nsocketio: bench socketio\n"
        "schedule: bench schedule\nworker: bench worker 1>> logs/worker.log 2>> logs/worker.error.log\n"
    )


def write_supervisor(bench: str, user: str | None, yes: bool, skip_redis: bool) -> None:
    """``config/supervisor.conf``: web, workers and Redis in three groups."""
    path = pathlib.Path(bench, "config", "supervisor.conf")
    if path.exists() and not yes:
        click.confirm("supervisor.conf already exists and this will overwrite it. Do you want to continue?", abort=True)
    name = bench_name(bench)
    web, workers, redis = _programs(os.path.abspath(bench), get_config(bench), bool(skip_redis))
    owner = user or getpass.getuser()
    text = "".join(
        _section(f"{name}-{title}", options, owner) for title, options in {**web, **workers, **redis}.items()
    )
    for group, programs in (("web", web), ("workers", workers), ("redis", redis)):
        if programs:
            text += f"[group:{name}-{group}]\nprograms={','.join(f'{name}-{title}' for title in programs)}\n\n"
    path.write_text(text)
    update_config({"restart_supervisor_on_update": True, "restart_systemd_on_update": False}, bench)


Programs = dict[str, dict[str, str]]


def _programs(bench: str, config: dict[str, object], skip_redis: bool) -> tuple[Programs, Programs, Programs]:
    command, sites = bench_command(), f"{bench}/sites"
    timeout = config.get("http_timeout", 120)
    numbered = {"autorestart": "true", "killasgroup": "true", "numprocs": str(config.get("background_workers") or 1)}
    numbered["process_name"] = "%(program_name)s-%(process_num)d"
    gunicorn = (
        f"{bench}/env/bin/gunicorn -b 127.0.0.1:{config.get('webserver_port', 8000)} "
        f"-w {config.get('gunicorn_workers', 5)} --max-requests 5000 --max-requests-jitter 500 -t {timeout} "
        "--graceful-timeout 30 frappe.app:application --preload"
    )
    web = {
        "frappe-web": _program(
            gunicorn, 4, bench, "web", sites, autorestart="true", stopwaitsecs="40", killasgroup="true"
        )
    }
    if shutil.which("node") or shutil.which("nodejs"):
        web["node-socketio"] = _program(f"{command} socketio", 4, bench, "node-socketio", bench, autorestart="true")
    workers = {
        "frappe-schedule": _program(f"{command} schedule", 3, bench, "schedule", bench),
        "frappe-short-worker": _program(
            f"{command} worker --queue short,default", 4, bench, "worker", bench, stopwaitsecs="360", **numbered
        ),
        "frappe-long-worker": _program(
            f"{command} worker --queue long,default,short", 4, bench, "worker", bench, stopwaitsecs="1560", **numbered
        ),
    }
    server = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/bin") or "redis-server"
    redis = {
        f"redis-{kind}": _program(
            f"{server} {bench}/config/redis_{kind}.conf", 1, bench, f"redis-{kind}", sites, autorestart="true"
        )
        for kind in ("cache", "queue")
    }
    return web, workers, {} if skip_redis else redis


def _program(command: str, priority: int, bench: str, log: str, folder: str, **options: str) -> dict[str, str]:
    return {
        "command": command,
        "priority": str(priority),
        "autostart": "true",
        "stdout_logfile": f"{bench}/logs/{log}.log",
        "stderr_logfile": f"{bench}/logs/{log}.error.log",
        **options,
        "directory": folder,
        "startretries": "10",
    }


def _section(title: str, options: dict[str, str], user: str) -> str:
    lines = "".join(f"{name}={value}\n" for name, value in {**options, "user": user}.items())
    return f"[program:{title}]\n{lines}\n"
