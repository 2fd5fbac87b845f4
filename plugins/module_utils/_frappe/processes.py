# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a release runs, starting it until it answers, stopping it when nobody needs it."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import socket
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import programs as programs_of
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import WEB, listening

#: supervisorctl says RUNNING seconds before HTTP answers, and a cold start of Frappe takes longer on a busy server.
_START_TIMEOUT = 120.0
_LOOK_AGAIN = 0.1


class Processes:
    """The processes of the releases of one bench.

    Args:
        context: The bench.
    """

    def __init__(self, context: BenchContext) -> None:
        self._context = context

    def answers(self, release: Release) -> bool:
        """Whether redis, web and, where the bench has it, realtime of a release accept connections."""
        return not self._silent(release)

    def running(self, release: Release) -> bool:
        """Whether a release answers and its process manager keeps it running."""
        return self.answers(release) and self._managed(release)

    def start(self, release: Release) -> bool:
        """Start a release and wait until it runs; an adopted bench by its own groups.

        Returns:
            Whether it had to be started.

        Raises:
            LockstepError: It doesn't answer in time.
        """
        with self._deciding():
            if self.running(release):
                return False
            if release.adopted:
                self._context.supervision.start_foreign(self._foreign_groups(release))
            else:
                self._context.supervision.start(self._context.group(release))
            # Its process manager has the last word: what answers could be processes it knows nothing of.
            deadline = time.monotonic() + _START_TIMEOUT
            while not self.running(release):
                if time.monotonic() > deadline:
                    raise self._not_running(release)
                time.sleep(_LOOK_AGAIN)
            return True

    def stop_if_unused(self, release: Release) -> bool:
        """Stop a release unless a site is active in it, on its way to it, or may still have to go back to it.

        So it is with one whose retention is not over.

        Returns:
            Whether it was stopped.
        """
        with self._deciding():
            listeners = self._listeners(release).values()
            needed = self.in_use(release) or self._context.record.is_retained(release.id)
            if needed or not any(accepts() for accepts in listeners):
                return False
            if release.adopted:
                self._context.supervision.stop_foreign(self._foreign_groups(release))
            else:
                self._context.supervision.stop(self._context.group(release))
            return True

    def awaiting(self, release: Release, *, leaving: bool = False) -> list[str]:
        """The units whose deployment is under way to a release, or may have to take them back to it.

        Args:
            release: The release.
            leaving: Whether those count, too, that are confirmed on another one and have only to retire it. They need
                it no more, but should their deployment die just then, it is all they could be rolled back to.
        """
        found = []
        for folder in glob.glob(self._context.unit_folder("*")):
            journal = Journal(folder)
            if not journal.is_open:
                continue
            goes_back = leaving or "rollback_reason" in journal.data or not journal.completed("confirm")
            may_return = journal.data.get("before") == release.id and goes_back
            if may_return or journal.data.get("after") == release.id:
                found.append(os.path.basename(folder))
        return sorted(found)

    def in_use(self, release: Release) -> bool:
        """Whether a release must neither be stopped nor removed."""
        return bool(self.active_sites(release) or self.awaiting(release))

    def active_sites(self, release: Release) -> list[str]:
        """The sites that are active in a release, adopted by us or not."""
        bench = self._context.bench(release)
        if not os.path.isdir(bench.sites_folder):
            return []
        # By no name of ours: somebody's copy of a site may be called anything.
        return [name for name in bench.sites() if not os.path.islink(os.path.join(bench.sites_folder, name))]

    def has_realtime(self, release: Release) -> bool:
        """Whether bench made a realtime process: it makes none where it finds no node."""
        try:
            programs, _groups = programs_of.read_programs(_bench_file(release))
        except LockstepError:
            return True
        return any(program.is_realtime for program in programs)

    @contextlib.contextmanager
    def _deciding(self) -> t.Iterator[None]:
        """One site at a time starts or stops a release of the bench.

        Two that leave it at once must not both think that the other still needs it, and one that returns to it must
        not find it half-started.
        """
        path = os.path.join(self._context.state_dir, "locks", f"{self._context.layout.name}.processes")
        with open(path, "a", encoding="utf-8") as mutex:
            fcntl.flock(mutex, fcntl.LOCK_EX)
            yield

    def _listeners(self, release: Release) -> dict[str, t.Callable[[], bool]]:
        """Where a release accepts connections, in words, each with the way to find out whether it does."""
        names = ["redis_cache", "redis_queue", *(["socketio"] if self.has_realtime(release) else [])]
        if release.adopted:
            names.append("web")
        found = {f"{name} on port {release.ports[name]}": _port(release.ports[name]) for name in names}
        if not release.adopted:
            web = self._context.runtime(release).socket(WEB)
            found[f"web on {web}"] = lambda: listening(web)
        return found

    def _silent(self, release: Release) -> list[str]:
        return [name for name, accepts in self._listeners(release).items() if not accepts()]

    def _not_running(self, release: Release) -> LockstepError:
        silent = self._silent(release)
        idle = [] if release.adopted else self._context.supervision.idle(self._context.group(release))
        missing = "; ".join([*(f"{name} does not answer" for name in silent), *idle]) or "nothing says why"
        return LockstepError(
            f"release {release.id} did not start within {_START_TIMEOUT:g} s: {missing}",
            hint=f"its logs are in {os.path.join(release.path, 'logs')}",
        )

    def _managed(self, release: Release) -> bool:
        return release.adopted or self._context.supervision.running(self._context.group(release))

    def _foreign_groups(self, release: Release) -> list[str]:
        path = _bench_file(release)
        _programs, groups = programs_of.read_programs(path)
        if not groups:
            raise LockstepError(f"{path} names no groups: the adopted bench can't be started or stopped")
        return groups


def _bench_file(release: Release) -> str:
    """What bench itself would run, as `bench setup supervisor` wrote it."""
    return os.path.join(release.path, "config", "supervisor.conf")


def _port(port: int) -> t.Callable[[], bool]:
    def accepts() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return accepts
