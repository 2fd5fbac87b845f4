# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting and stopping a release, by supervisor (Frappe's own way) or by systemd."""

from __future__ import annotations

import glob
import itertools
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import programs as programs_of

#: Workers get this long to end a job before they are killed; bench itself says up to 1560 s.
_COMMAND_TIMEOUT = 1800.0

#: Behind the name of a file that supervisord shall not include any more.
_STOPPED = ".stopped"


class Supervision(t.Protocol):
    """What a release needs of a process manager. A group is all processes of one release."""

    def install(self, group: str, programs: t.Sequence[programs_of.Program], user: str) -> None:
        """Make a group known; nothing is started."""

    def start(self, group: str) -> None:
        """Start it, and again at every boot."""

    def stop(self, group: str) -> None:
        """Stop it, and not again at the next boot."""

    def remove(self, group: str) -> None:
        """Stop it and forget it."""

    def running(self, group: str) -> bool:
        """Whether every process of it runs."""

    def idle(self, group: str) -> list[str]:
        """Which processes of it don't, in the process manager's words."""

    def start_foreign(self, groups: t.Sequence[str]) -> None:
        """Start groups that bench configured, those of an adopted bench, and again at every boot."""

    def stop_foreign(self, groups: t.Sequence[str]) -> None:
        """Stop them, and not again at the next boot."""


class Supervisor:
    """supervisord, which somebody else keeps running.

    Args:
        control: The ``supervisorctl`` command with its options.
        conf_dir: The folder whose files supervisord includes.
    """

    def __init__(self, control: t.Sequence[str], conf_dir: str) -> None:
        self._control = list(control)
        self._conf_dir = conf_dir

    def install(self, group: str, programs: t.Sequence[programs_of.Program], user: str) -> None:
        account = user if os.geteuid() == 0 else None
        text = programs_of.supervisor_text(programs, group, account)
        atomic.write_text(self._installed(group), text, mode=0o644)

    def start(self, group: str) -> None:
        if os.path.exists(self._stopped(group)):
            os.rename(self._stopped(group), self._installed(group))
        self._reread(group)
        self._run("start", f"{group}:*", accepted=(0, 7))

    def stop(self, group: str) -> None:
        if os.path.exists(self._installed(group)):
            os.rename(self._installed(group), self._stopped(group))
        if self._known(group):
            self._reread(group)

    def remove(self, group: str) -> None:
        self.stop(group)
        if os.path.exists(self._stopped(group)):
            os.unlink(self._stopped(group))

    def running(self, group: str) -> bool:
        return bool(self._known(group)) and not self.idle(group)

    def idle(self, group: str) -> list[str]:
        found = [line.split(None, 2) for line in self._known(group)]
        return [" ".join(words) for words in found if words[1] != "RUNNING"]

    def _known(self, group: str) -> list[str]:
        """What supervisord says of the processes of a group; nothing if it has no such group."""
        return [line for line in self._status().splitlines() if line.startswith(f"{group}:")]

    def start_foreign(self, groups: t.Sequence[str]) -> None:
        groups = [programs_of.safe_name(group) for group in groups]
        stopped = self._file_of(groups, _STOPPED)
        if stopped:
            os.rename(stopped, stopped[: -len(_STOPPED)])
            self._reread(*groups)
        for group in groups:
            # `start` says the same of a group that runs, one that isn't there and a supervisord that isn't.
            if not self._known(group):
                raise LockstepError(f"supervisord knows no group {group}", hint="is its file still included?")
            self._run("start", f"{group}:*", accepted=(0, 7))

    def stop_foreign(self, groups: t.Sequence[str]) -> None:
        groups = [programs_of.safe_name(group) for group in groups]
        included = self._file_of(groups)
        if included:
            os.rename(included, included + _STOPPED)
            self._reread(*groups)
            return
        # They are stopped for good, or another file has them along with others: then they come back at the next boot.
        for group in groups:
            if self._known(group):
                self._run("stop", f"{group}:*", accepted=(0, 7))

    def _file_of(self, groups: t.Sequence[str], suffix: str = "") -> str | None:
        """The included file, or link to one, that has these groups and no others."""
        for path in sorted(glob.glob(os.path.join(glob.escape(self._conf_dir), f"*.conf{suffix}"))):
            try:
                _programs, found = programs_of.read_programs(path)
            except LockstepError:
                continue
            if set(found) == set(groups):
                return path
        return None

    def _reread(self, *groups: str) -> None:
        self._run("reread")
        for group in groups:
            # Named, so that nobody else's changed group is restarted along with these.
            self._run("update", group)

    def _run(self, *args: str, accepted: tuple[int, ...] = (0,)) -> process.Completed:
        done = process.run([*self._control, *args], timeout=_COMMAND_TIMEOUT, check=False)
        if done.rc not in accepted or "refused connection" in done.stdout:
            raise LockstepError(f"supervisorctl {' '.join(args)} failed with return code {done.rc}", detail=done.tail())
        return done

    def _status(self) -> str:
        # Its return code is 3 as soon as anything of anybody does not run.
        return self._run("status", accepted=(0, 3)).stdout

    def _installed(self, group: str) -> str:
        return os.path.join(self._conf_dir, f"{group}.conf")

    def _stopped(self, group: str) -> str:
        return self._installed(group) + _STOPPED


class Systemd:
    """systemd as PID 1.

    Args:
        foreign: What runs an adopted bench; its own configuration knows supervisor only.
        unit_dir: Where units of the administrator lie.
    """

    def __init__(self, foreign: Supervisor, unit_dir: str = "/etc/systemd/system") -> None:
        self._foreign = foreign
        self._unit_dir = unit_dir

    def install(self, group: str, programs: t.Sequence[programs_of.Program], user: str) -> None:
        for name, text in programs_of.systemd_units(programs, group, user).items():
            atomic.write_text(os.path.join(self._unit_dir, name), text, mode=0o644)
        self._run("daemon-reload")

    def start(self, group: str) -> None:
        self._run("enable", "--now", f"{group}.target", *self._services(group))

    def stop(self, group: str) -> None:
        self._run("disable", "--now", f"{group}.target", *self._services(group))

    def remove(self, group: str) -> None:
        self.stop(group)
        for path in glob.glob(os.path.join(self._unit_dir, f"{group}[-.]*")):
            if not os.path.isdir(path):
                os.unlink(path)
        self._run("daemon-reload")

    def running(self, group: str) -> bool:
        return bool(self._services(group)) and not self.idle(group)

    def idle(self, group: str) -> list[str]:
        services = self._services(group)
        states = process.run(["systemctl", "is-active", *services], timeout=60, check=False).stdout.split()
        # What systemd says nothing of does not run.
        told = itertools.zip_longest(services, states, fillvalue="unknown")
        return [f"{name} {state}" for name, state in told if state != "active"]

    def start_foreign(self, groups: t.Sequence[str]) -> None:
        self._foreign.start_foreign(groups)

    def stop_foreign(self, groups: t.Sequence[str]) -> None:
        self._foreign.stop_foreign(groups)

    def _services(self, group: str) -> list[str]:
        return sorted(os.path.basename(path) for path in glob.glob(os.path.join(self._unit_dir, f"{group}-*.service")))

    def _run(self, *args: str) -> None:
        process.run(["systemctl", *args], timeout=_COMMAND_TIMEOUT)
