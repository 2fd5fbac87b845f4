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

from ansible_collections.lockstep.deploy.plugins.module_utils._core import beneath
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

#: Answers carry it, so that who looks from outside knows which release answered.
RELEASE_HEADER = "X-Lockstep-Release"

_HINT = "look who changed config/supervisor.conf of that bench; `bench setup supervisor` writes it anew"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]*\Z")
_COMMAND = re.compile(r"[A-Za-z0-9_./][^%]*\Z")
# A line's end or another control character, what continues a line for systemd, what begins a comment for supervisor.
_ENDS_VALUE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]|\\\Z|\s[;#]")
# What supervisor does by itself with the output of a program.
_NO_FILE = ("AUTO", "NONE")
_MOST_PROCESSES = 256

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

    @property
    def is_realtime(self) -> bool:
        """``bench socketio``, or node with ``socketio.js``."""
        return os.path.basename(self.argv[-1]) in ("socketio", "socketio.js")


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
        with beneath.reading(path) as handle:
            parser.read_file(handle)
    except (OSError, ValueError, configparser.Error) as error:
        raise LockstepError(
            f"{path} can't be read: {error}", hint="run `bench setup supervisor` in that bench"
        ) from error
    try:
        programs = [_program(name, parser[name]) for name in parser.sections() if name.startswith("program:")]
    except (KeyError, ValueError) as error:
        raise LockstepError(f"a program of {path} has no command, or one that can't be read: {error}") from error
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


def confined(programs: t.Sequence[Program], folder: str) -> list[Program]:
    """The same programs, if they log into their own bench or where their process manager likes.

    The process manager is root and makes the files; the configuration they are from is the bench's user's.

    Args:
        programs: As :func:`read_programs` found them.
        folder: The bench.

    Raises:
        LockstepError: A log lies elsewhere, also through a link.
    """
    own = os.path.realpath(folder)
    for program in programs:
        for path in (program.stdout, program.stderr):
            if path not in _NO_FILE and not os.path.realpath(path).startswith(own + "/"):
                raise LockstepError(f"program {program.name} logs to {path}, which is not below {folder}", hint=_HINT)
    return list(programs)


def safe_name(name: str) -> str:
    """A name that means nothing else to supervisor, systemd or a file system.

    Raises:
        LockstepError: It is none.
    """
    if not _NAME.match(name):
        raise LockstepError(f"{name!r} is no name for a program or group of processes", hint=_HINT)
    return name


def supervisor_text(programs: t.Sequence[Program], group: str, user: str | None) -> str:
    """A supervisor configuration for a release: one group with all programs, redis started first and stopped last.

    Raises:
        LockstepError: A value could mean more than itself in such a file.
    """
    _require_plain(programs, group, user)
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
    """A target and one service per process, by file name; the target starts and stops them all.

    Raises:
        LockstepError: A value could mean more than itself in such a file.
    """
    _require_plain(programs, group, user)
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
        f"StandardOutput={_log(program.stdout)}\nStandardError={_log(program.stderr)}\n\n"
        f"[Install]\nWantedBy={group}.target\n"
    )


def _log(path: str) -> str:
    return "journal" if path in _NO_FILE else f"append:{path}"


def _require_plain(programs: t.Sequence[Program], group: str, user: str | None) -> None:
    """Refuse what would not stay the value it is: root reads these files, and a bench's user wrote most of it."""
    safe_name(group)
    if user is not None and not _USER.match(user):
        raise LockstepError(f"{user!r} is no name of a user")
    for program in programs:
        safe_name(program.name)
        _require_values(program)
        paths = [program.directory, *(path for path in (program.stdout, program.stderr) if path not in _NO_FILE)]
        for path in paths:
            if not path.startswith("/") or ".." in path.split("/") or "%" in path:
                raise LockstepError(f"program {program.name}: {path!r} is no absolute path", hint=_HINT)
        if not 1 <= program.processes <= _MOST_PROCESSES:
            raise LockstepError(f"program {program.name}: {program.processes} is no number of processes", hint=_HINT)


def _require_values(program: Program) -> None:
    # systemd takes signs before a command for orders: "+" runs it as root whatever User= says (systemd.service(5)).
    if not program.argv or not _COMMAND.match(program.argv[0]):
        raise LockstepError(f"program {program.name} has no command that can be run", hint=_HINT)
    # "%%" is a percent sign to both; else supervisor puts in what its own environment holds, systemd likewise.
    if "%" in program.environment.replace("%%", ""):
        raise LockstepError(f"program {program.name}: {program.environment!r} refers to other settings", hint=_HINT)
    try:
        shlex.split(program.environment)
    except ValueError as error:
        raise LockstepError(f"program {program.name}: {program.environment!r}: {error}", hint=_HINT) from error
    for value in (*program.argv, program.directory, program.stdout, program.stderr, program.environment):
        if _ENDS_VALUE.search(value):
            raise LockstepError(f"program {program.name}: {value!r} is more than one value", hint=_HINT)


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
    if "-b" not in argv[:-1]:
        raise LockstepError(f"program {program.name} doesn't say where gunicorn listens (-b)", hint=_HINT)
    argv[argv.index("-b") + 1] = f"unix:{socket}"
    return renamed._replace(argv=(argv[0], "-c", hook, *argv[1:]))
