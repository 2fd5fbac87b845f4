# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all commands use: messages, running programs, where benches are."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

import click

FOLDERS = ("apps", "sites", "config", "logs", "config/pids")
_LEVELS = {0: ("blue", "INFO"), 1: ("green", "SUCCESS"), 2: ("red", "ERROR"), 3: ("yellow", "WARN")}


class CommandFailedError(Exception):
    pass


def log(message: str, level: int = 0) -> None:
    """A line of bench's own."""
    color, prefix = _LEVELS[level]
    click.secho(f"{prefix}: {message}", fg=color)


def run(command: t.Sequence[str], cwd: str | os.PathLike[str], env: t.Mapping[str, str] | None = None) -> None:
    """Show a command and run it.

    Raises:
        CommandFailedError: It failed.
    """
    click.secho(f"$ {' '.join(command)}", fg="bright_black")
    sys.stdout.flush()
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, check=False)
    if done.returncode:
        raise CommandFailedError(" ".join(command))


def is_bench(folder: str | os.PathLike[str]) -> bool:
    return all(pathlib.Path(folder, name).exists() for name in FOLDERS)


def parent_bench(folder: str) -> str | None:
    """The bench a folder is, or lies in."""
    path = pathlib.Path(folder)
    for one in (path, *path.parents):
        if is_bench(one):
            return str(one)
    return None


def bench_name(bench: str | os.PathLike[str]) -> str:
    return os.path.basename(os.path.abspath(bench))


def bench_command() -> str:
    """How this very command is called."""
    return os.path.abspath(sys.argv[0])


def env_python(bench: str | os.PathLike[str]) -> str:
    return os.path.join(os.path.abspath(bench), "env", "bin", "python")
