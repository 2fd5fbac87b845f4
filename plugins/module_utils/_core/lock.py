# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may change a unit: a lease that outlives processes, and a kernel lock that doesn't.

The lease (a JSON file) says which deployment owns a unit between its steps. The kernel lock (``flock``) is held by
the one process that is at work on it, and is free the moment that process is gone, however it went. Taking a lease
raises its token; a step that finds another token than its own was fenced off and changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_LOOK_AGAIN = 0.2
_UNSAFE = re.compile(r"[^A-Za-z0-9._@-]")


@contextlib.contextmanager
def mutex(path: str) -> t.Iterator[None]:
    """Be the only one for a moment, by the kernel lock of a file.

    Nobody else may open it: a lock can be held by whoever may read its file, and this one is waited for without end.
    """
    with open(path, "a", encoding="utf-8") as handle:
        os.fchmod(handle.fileno(), 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def holder(path: str) -> int | None:
    """The process of this server that holds the kernel lock of a file; None if there is none. Looked at, not tried.

    Args:
        path: The file, with the number of that process in it (see :meth:`LockFolder.at_work`). It is held as long as
            that process has it open.
    """
    path = os.path.realpath(path)
    try:
        with open(path, encoding="ascii", errors="replace") as handle:
            pid = int(handle.read().strip() or 0)
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except (OSError, ValueError):
        return None
    return pid if any(_leads_to(f"/proc/{pid}/fd/{number}", path) for number in descriptors) else None


def _leads_to(link: str, path: str) -> bool:
    try:
        return os.readlink(link) == path
    except OSError:
        return False


class Held(t.NamedTuple):
    """A lease that was taken, and what every later step shows to prove it."""

    name: str
    owner: str
    token: int


class LockFolder:
    """The locks of one server.

    Args:
        folder: Where they lie; made with mode 0700 if missing.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def acquire(self, name: str, owner: str, lease: float) -> Held:
        """Take or renew the lease of a unit or bench.

        Args:
            name: The unit or bench.
            owner: The deployment that shall own it.
            lease: Seconds it is good for without being renewed.

        Raises:
            LockstepError: Another deployment holds it and its lease hasn't run out, or it was set by hand.
        """
        with self._mutex():
            found = self._read(name)
            self._refuse_foreign(name, found, owner)
            token = int(found.get("token", 0)) + (0 if found.get("owner") == owner else 1)
            self._write(name, owner, token, lease)
            return Held(name, owner, token)

    def take_over(self, name: str, owner: str, lease: float) -> Held:
        """Take the lease of a deployment that is being rolled back, from whatever controller it still has.

        The token rises even when ``owner`` holds it already, so that a controller which is only slow is fenced off.

        Raises:
            LockstepError: Another deployment holds it and its lease hasn't run out, or it was set by hand.
        """
        return self._take_over(name, owner, lease)[0]

    def _take_over(self, name: str, owner: str, lease: float) -> tuple[Held, dict[str, t.Any]]:
        """The lease, and what was known of it before."""
        with self._mutex():
            found = self._read(name)
            self._refuse_foreign(name, found, owner)
            token = int(found.get("token", 0)) + 1
            self._write(name, owner, token, lease)
            return Held(name, owner, token), found

    def seize(self, name: str, owner: str, lease: float, wait: float) -> tuple[Held, t.IO[str]]:
        """Take the lease over, see :meth:`take_over`, and the kernel lock when the process at work has ended its step.

        Raises:
            LockstepError: That process didn't end in time, and has its lease back: fenced off by somebody who does not
                go on in its stead, it would stop half-way. Or the lease can't be taken over.
        """
        held, before = self._take_over(name, owner, lease)
        try:
            return held, self.at_work(name, wait)
        except LockstepError:
            with self._mutex():
                if self._is_ours(held):
                    atomic.write_json(self._path(name), before)
            raise

    def check(self, held: Held) -> None:
        """Make sure that a lease is still ours, before a change.

        Raises:
            LockstepError: It is not: somebody else took it over.
        """
        found = self._read(held.name)
        if found.get("owner") != held.owner or found.get("token") != held.token:
            now = found.get("owner") or "nobody"
            # A rollback has the id of what it takes back.
            changed = "was taken over" if now == held.owner else f"is held by {now}, no longer by {held.owner}"
            raise LockstepError(
                f"fenced off: the lock of {held.name} {changed}",
                left="this step changed nothing",
                hint="look at playbooks/status.yml",
            )

    def release(self, held: Held) -> None:
        """Give a lease back; one that somebody else took over is left alone."""
        with self._mutex():
            if self._is_ours(held):
                atomic.write_json(self._path(held.name), {"owner": None, "token": held.token})

    def at_work(self, name: str, wait: float = 0) -> t.IO[str]:
        """Hold the kernel lock of a unit: one process at a time works on it.

        Args:
            name: The unit or bench.
            wait: Seconds to wait for another process to end its work.

        Returns:
            The open file; the lock lasts until it is closed or this process ends.

        Raises:
            LockstepError: Another process has it.
        """
        descriptor = os.open(self._path(name, ".flock"), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        handle = open(descriptor, "a+", encoding="utf-8")  # noqa: SIM115  (kept open on purpose)
        # Whoever may read it could hold it, for ever.
        os.fchmod(descriptor, 0o600)
        deadline = time.monotonic() + wait
        while not _locked(handle):
            if time.monotonic() < deadline:
                time.sleep(_LOOK_AGAIN)
                continue
            handle.seek(0)
            who = handle.read().strip() or "unknown"
            handle.close()
            raise LockstepError(
                f"process {who} of this server is at work on {name} right now",
                left="nothing was changed",
                hint="wait for it to end, then try again",
            )
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        return handle

    def describe(self, name: str) -> dict[str, t.Any]:
        """What is known of a lock: ``owner``, ``token``, ``since``, ``expired``, ``manual``."""
        found = self._read(name)
        return {**found, "expired": self._expired(found)} if found.get("owner") else {}

    def _is_ours(self, held: Held) -> bool:
        found = self._read(held.name)
        return found.get("owner") == held.owner and found.get("token") == held.token

    @contextlib.contextmanager
    def _mutex(self) -> t.Iterator[None]:
        with mutex(os.path.join(self._folder, ".mutex")):
            yield

    def _path(self, name: str, suffix: str = ".json") -> str:
        return os.path.join(self._folder, _UNSAFE.sub("_", name) + suffix)

    def _read(self, name: str) -> dict[str, t.Any]:
        return dict(atomic.read_json(self._path(name), {}))

    def _write(self, name: str, owner: str, token: int, lease: float) -> None:
        content = {
            "owner": owner,
            "token": token,
            "since": clock.utc_now(),
            "boot_id": clock.boot_id(),
            "until": clock.since_boot() + lease,
        }
        atomic.write_json(self._path(name), content)

    @staticmethod
    def _expired(found: t.Mapping[str, t.Any]) -> bool:
        if found.get("manual"):
            return False
        return found.get("boot_id") != clock.boot_id() or clock.since_boot() > float(found.get("until", 0))

    def _refuse_foreign(self, name: str, found: t.Mapping[str, t.Any], owner: str) -> None:
        if found.get("manual"):
            raise LockstepError(
                f"{name} was locked by hand by {found['owner']}",
                left="nothing was changed",
                hint=f"remove {self._path(name)} when you know why it was set",
            )
        if found.get("owner") not in (None, owner) and not self._expired(found):
            raise LockstepError(
                f"{name} is locked by deployment {found['owner']} since {found.get('since', 'an unknown time')}",
                left="nothing was changed",
                hint=f"wait for it, or roll it back: playbooks/rollback.yml -e deployment_id={found['owner']}",
            )


def _locked(handle: t.IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
