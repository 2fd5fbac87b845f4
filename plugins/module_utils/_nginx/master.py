# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx that runs: its master, its workers, what it writes to its error log."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration

_OPTION = re.compile(r"--([a-z-]+)=('[^']*'|\S+)")
_LEAVING = "is shutting down"


class Built(t.NamedTuple):
    """Paths that were compiled into an nginx."""

    prefix: str
    pid: str
    error_log: str


def built(binary: str) -> Built:
    """What ``nginx -V`` says of its own paths; nginx's own defaults where it says nothing."""
    said = process.run([binary, "-V"], timeout=30)
    options = {name: value.strip("'") for name, value in _OPTION.findall(said.stderr)}
    return Built(
        options.get("prefix", "/usr/local/nginx"),
        options.get("pid-path", "logs/nginx.pid"),
        options.get("error-log-path", "logs/error.log"),
    )


def _title(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as handle:
            return handle.read().replace("\0", " ").strip()
    except OSError:
        return None


def _parent(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            # The name stands in brackets and may hold anything; the parent is the second field behind them.
            return int(handle.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


class Master:
    """The master process of one configuration.

    Args:
        pid_file: Where it writes its process id.
        error_log: Its error log; None when that is no file (stderr, syslog).
    """

    def __init__(self, pid_file: str, error_log: str | None) -> None:
        self._pid_file = pid_file
        self.error_log = error_log

    @classmethod
    def of(cls, configuration: Configuration, binary: str, prefix: str | None) -> Master:
        """The master that a configuration belongs to.

        Args:
            configuration: What ``nginx -T`` printed.
            binary: The nginx it was asked of.
            prefix: What was given as ``-p``.
        """
        defaults = built(binary)
        base = prefix or defaults.prefix
        pid = (configuration.main_value("pid") or (defaults.pid,))[0]
        log = (configuration.main_value("error_log") or (defaults.error_log,))[0]
        is_file = log != "stderr" and not log.startswith(("syslog:", "memory:"))
        return cls(os.path.join(base, pid), os.path.join(base, log) if is_file else None)

    def pid(self) -> int | None:
        """The process id of the running master; None when there is none."""
        try:
            with open(self._pid_file, encoding="ascii") as handle:
                number = int(handle.read())
        except (OSError, ValueError):
            return None
        # The file outlives a master that was killed, and its number may be somebody else's by now.
        return number if (_title(number) or "").startswith("nginx: master") else None

    def require(self) -> int:
        """The process id of the running master.

        Raises:
            LockstepError: None runs.
        """
        number = self.pid()
        if number is None:
            raise LockstepError(
                "nginx does not run, so it can't take a new configuration",
                left="nothing was changed",
                hint="start it (systemctl start nginx) and try again",
            )
        return number

    def workers(self) -> frozenset[int]:
        """Workers that accept connections."""
        return frozenset(pid for pid, title in self._children() if _LEAVING not in title)

    def leaving(self) -> frozenset[int]:
        """Workers of an earlier configuration that only finish what they began."""
        return frozenset(pid for pid, title in self._children() if _LEAVING in title)

    def _children(self) -> list[tuple[int, str]]:
        master = self.pid()
        found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _parent(entry) == master]
        titles = [(pid, _title(pid) or "") for pid in found] if master is not None else []
        return [(pid, title) for pid, title in titles if title.startswith("nginx: worker")]

    def log_position(self) -> int:
        """Where the error log ends now."""
        try:
            return os.stat(self.error_log).st_size if self.error_log else 0
        except FileNotFoundError:
            return 0

    def emergencies(self, since: int) -> list[str]:
        """What the master could not do, in nginx's words, from its error log.

        Args:
            since: Where to begin; see :meth:`log_position`.
        """
        if self.error_log is None:
            return []
        try:
            with open(self.error_log, "rb") as handle:
                # A log that was rotated meanwhile begins anew.
                handle.seek(since if os.fstat(handle.fileno()).st_size >= since else 0)
                lines = handle.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        marker = f"[emerg] {self.pid()}#"
        return [line.partition(marker)[2].partition(": ")[2] for line in lines if marker in line]
