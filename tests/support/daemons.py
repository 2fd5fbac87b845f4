# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting background programs, waiting for them, and ending exactly those."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import typing as t

_PORTS = range(20000, 30000)
"""Below the ephemeral ports, so that no outgoing connection takes one between choosing and binding."""
_PORT_LOCKS = pathlib.Path(f"/tmp/lockstep-ports-{os.getuid()}")
_held_ports: dict[int, t.TextIO] = {}

UNIX_PATH_LIMIT = 107


class NotReady(Exception):
    """A condition did not come true in time."""


def wait_until(
    condition: t.Callable[[], t.Any], timeout: float, what: str, interval: float = 0.02, log: pathlib.Path | None = None
) -> t.Any:
    """Wait for a condition and return its first true value.

    Args:
        condition: Looked at again and again; an OSError from it counts as false.
        timeout: Seconds to wait at most.
        what: The condition in words, for the error.
        interval: Seconds between two looks.
        log: A file whose end explains why the condition didn't come true.

    Raises:
        NotReady: It didn't come true.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        if time.monotonic() > deadline:
            tail = f"\n{log}:\n{log.read_text(errors='replace')[-3000:]}" if log and log.exists() else ""
            raise NotReady(f"not within {timeout:g} s: {what}{tail}")
        time.sleep(interval)


def free_port() -> int:
    """A loopback port nobody listens on, kept for this process against other runs on this machine."""
    _PORT_LOCKS.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(_PORTS, len(_PORTS)):
        if port in _held_ports:
            continue
        try:
            handle = (_PORT_LOCKS / str(port)).open("w")
        except FileNotFoundError:
            # Another run removed the folder just now.
            _PORT_LOCKS.mkdir(mode=0o700, exist_ok=True)
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            continue
        if _is_there(handle, port) and _can_bind(port):
            _held_ports[port] = handle
            return port
        handle.close()
    raise NotReady("a free port: none left")


def forget_ports() -> None:
    """Remove what :func:`free_port` left behind of runs that have ended."""
    for path in _PORT_LOCKS.glob("*"):
        with path.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            path.unlink()
    with contextlib.suppress(OSError):
        # Others may hold ports in it, or there is none.
        _PORT_LOCKS.rmdir()


def _is_there(handle: t.TextIO, port: int) -> bool:
    """Whether a lock is still the one that everybody looks at."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), (_PORT_LOCKS / str(port)).stat())
    except OSError:
        return False


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether something accepts TCP connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unix_path(path: pathlib.Path) -> str:
    """A path as a string, refused where the kernel would refuse it as a socket's address."""
    text = str(path)
    if len(os.fsencode(text)) > UNIX_PATH_LIMIT:
        raise ValueError(f"{text} is longer than {UNIX_PATH_LIMIT} bytes: take a shorter scratch folder")
    return text


def _stat(pid: int) -> list[str]:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for doesn't."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def birth(pid: int) -> str:
    """When a process began, in clock ticks since boot: with the id it names one process for ever."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def record(pid_file: pathlib.Path, pid: int) -> None:
    """Write down a process of ours, so that :func:`recorded` finds it and nothing else."""
    pid_file.with_suffix(".born").write_text(f"{birth(pid)}\n")
    pid_file.write_text(f"{pid}\n")


def recorded(pid_file: pathlib.Path) -> int | None:
    """The process a file names, if it runs and is the very one that was written down."""
    try:
        number = int(pid_file.read_text())
        born = pid_file.with_suffix(".born").read_text().strip()
    except (OSError, ValueError):
        return None
    return number if alive(number) and birth(number) == born else None


def end_recorded(scratch: pathlib.Path) -> list[pathlib.Path]:
    """End every process written down below a folder.

    Returns:
        The pid files whose processes were still running.
    """
    found = []
    for born in sorted(scratch.rglob("*.born")):
        pid_file = born.with_suffix(".pid")
        number = recorded(pid_file)
        if number is not None:
            end(number)
            found.append(pid_file)
        pid_file.unlink(missing_ok=True)
        born.unlink(missing_ok=True)
    return found


def end(pid: int, signals: t.Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL), patience: float = 20) -> None:
    """End one process, by the first signal that works.

    Args:
        pid: The process.
        signals: Tried in this order.
        patience: Seconds each signal but the last gets.
    """
    for number in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        try:
            wait_until(lambda: _gone(pid), patience, f"process {pid} ends")
        except NotReady:
            continue
        return


def _gone(pid: int) -> bool:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return not alive(pid)


class Daemon:
    """A background program with a folder of its own and its process id in a file.

    Args:
        name: Short, also the name of the folder.
        scratch: Where the folder is made.
    """

    start_timeout = 60.0

    def __init__(self, name: str, scratch: pathlib.Path) -> None:
        self.name = name
        self.folder = scratch / name
        self.pid_file = self.folder / f"{name}.pid"
        self.log = self.folder / f"{name}.log"

    def prepare(self) -> None:
        """Write what the program needs to start."""

    def command(self) -> list[str]:
        """The program and its arguments; it stays in the foreground."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it does its work."""
        raise NotImplementedError

    def pid(self) -> int | None:
        """The running program's process id, if it is still the one we started."""
        return recorded(self.pid_file)

    def start(self) -> t.Self:
        """Start it if it doesn't run, and wait until it does its work."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.pid() is None:
            self.prepare()
            self._launch()
        wait_until(self._ready_or_dead, self.start_timeout, f"{self.name} is ready", log=self.log)
        return self

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        record(self.pid_file, process.pid)

    def _ready_or_dead(self) -> bool:
        if self.pid() is None:
            tail = self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""
            raise NotReady(f"{self.name} ended while it started:\n{tail}")
        return self.ready()

    def stop(self) -> None:
        """End it and wait until it is gone."""
        number = self.pid()
        if number is not None:
            end(number)
        self.pid_file.unlink(missing_ok=True)
        self.pid_file.with_suffix(".born").unlink(missing_ok=True)

    def __enter__(self) -> t.Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
