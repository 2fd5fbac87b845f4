# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths, sites, locks."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import subprocess
import time
import typing as t

import frappe
from frappe.exceptions import CommandFailedError, LockTimeoutError


def get_bench_path() -> str:
    """The bench this code lies in, wherever the site's folder is."""
    return os.environ.get("FRAPPE_BENCH_ROOT") or os.path.realpath(
        os.path.join(os.path.dirname(frappe.__file__), "..", "..", "..")
    )


def get_bench_id() -> str:
    return str(frappe.get_conf().get("bench_id") or get_bench_path().strip("/").replace("/", "-"))


def get_sites(sites_path: str | None = None) -> list[str]:
    """Sites that are real folders; a symlink to a site is none of them."""
    base = sites_path or getattr(frappe.local, "sites_path", None) or "."
    return sorted(
        name
        for name in os.listdir(base)
        if os.path.isdir(os.path.join(base, name))
        and not os.path.islink(os.path.join(base, name))
        and os.path.exists(os.path.join(base, name, "site_config.json"))
    )


def cint(value: t.Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return 0


def now_datetime() -> datetime.datetime:
    """Now, in the site's own time zone."""
    import zoneinfo

    zone = frappe.get_system_settings("time_zone") or "Asia/Kolkata"
    return datetime.datetime.now(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)


@contextlib.contextmanager
def filelock(name: str, *, timeout: float = 30, is_global: bool = False) -> t.Iterator[None]:
    """An flock on a file that stays: of the bench, or of the site.

    Raises:
        LockTimeoutError: Someone else held it all the time.
    """
    base = os.path.join(get_bench_path(), "config") if is_global else frappe.get_site_path("locks")
    path = os.path.abspath(os.path.join(base, f"{name}.lock"))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + timeout
        while not _flock(descriptor):
            if time.monotonic() > deadline:
                raise LockTimeoutError(
                    f"Failed to aquire lock: {name}. Lock may be held by another process.<br>"
                    f"You can manually remove the lock if you think it's safe: {path}"
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def execute_in_shell(command: str, env: dict[str, str] | None = None, verbose: bool = False) -> None:
    """Run a pipeline in bash.

    Raises:
        CommandFailedError: It failed.
    """
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if verbose:
        print(done.stdout, done.stderr)
    if done.returncode:
        raise CommandFailedError(f"Command failed: {done.stderr}\n{done.stdout}")


def file_size(path: str) -> str:
    """As people read it."""
    size = float(os.path.getsize(path)) if os.path.exists(path) else 0.0
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.1f}GiB"
