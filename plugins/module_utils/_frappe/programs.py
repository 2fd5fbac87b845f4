# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a release: what bench itself would run, with the web server on a unix socket.

``bench setup supervisor`` knows, for its version of Frappe, which workers there are and how each is started. That file
is read, and only what differs for a release is changed: names, the socket, and the header that names the release.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

#: Answers carry it, so that who looks from outside knows which release answered.
RELEASE_HEADER = "X-Lockstep-Release"

_GUNICORN_HOOK = '''\
"""Written by lockstep.deploy: every answer says which release gave it."""


def post_worker_init(worker):
    inner = worker.wsgi

    def tagged(environ, start_response):
        def start(status, headers, *rest):
            return start_response(status, [*headers, ("{header}", "{release}")], *rest)

        return inner(environ, start)

    worker.wsgi = tagged
'''


class Program(t.NamedTuple):
    """One process that supervisor or systemd keeps running."""

    name: str
    argv: tuple[str, ...]
    directory: str
    stdout: str
    stderr: str
    environment: str
    stop_seconds: int
    processes: int

    @property
    def is_web(self) -> bool:
        return os.path.basename(self.argv[0]) == "gunicorn"

    @property
    def is_redis(self) -> bool:
        return os.path.basename(self.argv[0]) == "redis-server"


def gunicorn_hook(release: str) -> str:
    """The text of the configuration file that makes gunicorn name its release."""
    return _GUNICORN_HOOK.format(header=RELEASE_HEADER, release=release)


def read_programs(path: str) -> tuple[list[Program], list[str]]:
    """The programs of a supervisor configuration made by bench, and the names of its groups.

    Raises:
        LockstepError: There is no such file, or it can't be parsed.
    """
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        with open(path, encoding="utf-8") as handle:
            parser.read_file(handle)
    except (OSError, configparser.Error) as error:
        raise LockstepError(
            f"{path} can't be read: {error}", hint="run `bench setup supervisor` in that bench"
        ) from error
    programs = [_program(name, parser[name]) for name in parser.sections() if name.startswith("program:")]
    groups = [name.split(":", 1)[1] for name in parser.sections() if name.startswith("group:")]
    return programs, groups


def of_release(programs: t.Sequence[Program], group: str, socket: str, hook: str) -> list[Program]:
    """The same programs for a release.

    Args:
        programs: As bench wants them in the release's own folder.
        group: The name of its processes, with which every program's name begins.
        socket: Where gunicorn shall listen.
        hook: Path of the gunicorn configuration that names the release.
    """
    return [_renamed(program, group, socket, hook) for program in programs]


def supervisor_text(programs: t.Sequence[Program], group: str, user: str | None) -> str:
    """A supervisor configuration for a release: one group with all programs, redis started first and stopped last."""
    parts = [f"; written by lockstep.deploy for {group}", f"[group:{group}]"]
    parts.append("programs=" + ",".join(program.name for program in programs))
    for program in programs:
        lines = {
            "command": shlex.join(program.argv).replace("%", "%%"),
            "directory": program.directory,
            "priority": "1" if program.is_redis else "4",
            "autostart": "true",
            "autorestart": "true",
            "startretries": "10",
            "stdout_logfile": program.stdout,
            "stderr_logfile": program.stderr,
            "stopwaitsecs": str(program.stop_seconds),
            "killasgroup": "true",
            "numprocs": str(program.processes),
            "process_name": "%(program_name)s-%(process_num)d",
        }
        if user:
            lines["user"] = user
        if program.environment:
            lines["environment"] = program.environment
        parts.append(f"\n[program:{program.name}]")
        parts.extend(f"{name}={value}" for name, value in lines.items())
    return "\n".join(parts) + "\n"


def systemd_units(programs: t.Sequence[Program], group: str, user: str) -> dict[str, str]:
    """A target and one service per process, by file name; the target starts and stops them all."""
    units = {f"{group}.target": _target(group)}
    redis = [f"{program.name}-0.service" for program in programs if program.is_redis]
    for program in programs:
        after = " ".join(["network.target", *([] if program.is_redis else redis)])
        for number in range(program.processes):
            units[f"{program.name}-{number}.service"] = _service(program, group, user, after)
    return units


def _target(group: str) -> str:
    return f"[Unit]\nDescription=lockstep.deploy release {group}\n\n[Install]\nWantedBy=multi-user.target\n"


def _service(program: Program, group: str, user: str, after: str) -> str:
    environment = "".join(f"Environment={item}\n" for item in shlex.split(program.environment.replace(",", " ")))
    return (
        f"[Unit]\nDescription={program.name}\nPartOf={group}.target\nAfter={after}\n\n"
        f"[Service]\nUser={user}\nWorkingDirectory={program.directory}\n{environment}"
        f"ExecStart={shlex.join(program.argv).replace('%', '%%')}\n"
        f"Restart=always\nRestartSec=1\nTimeoutStopSec={program.stop_seconds}\n"
        f"StandardOutput=append:{program.stdout}\nStandardError=append:{program.stderr}\n\n"
        f"[Install]\nWantedBy={group}.target\n"
    )


def _program(section: str, found: t.Mapping[str, str]) -> Program:
    return Program(
        name=section.split(":", 1)[1],
        argv=tuple(shlex.split(found["command"])),
        directory=found.get("directory", "/"),
        stdout=found.get("stdout_logfile", "AUTO"),
        stderr=found.get("stderr_logfile", "AUTO"),
        environment=found.get("environment", ""),
        stop_seconds=int(found.get("stopwaitsecs", "40")),
        processes=int(found.get("numprocs", "1")),
    )


def _renamed(program: Program, group: str, socket: str, hook: str) -> Program:
    kind = re.sub(r"^.*?-(?=frappe-|redis-|node-)", "", program.name)
    renamed = program._replace(name=f"{group}-{kind}")
    if not program.is_web:
        return renamed
    argv = list(program.argv)
    argv[argv.index("-b") + 1] = f"unix:{socket}"
    return renamed._replace(argv=(argv[0], "-c", hook, *argv[1:]))
