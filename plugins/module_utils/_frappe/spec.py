# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user says of a bench, as modules take it."""

from __future__ import annotations

import json
import os
import pwd
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import Layout
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Record, Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.supervision import (
    Supervision,
    Supervisor,
    Systemd,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import REALTIME, WEB, SiteTraffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.runtime import TMPFILES, Runtime

#: The argument spec of the ``bench`` option of every module that acts on a bench; names as in the deployment file.
BENCH_OPTIONS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "root": {"type": "path"},
    "user": {"type": "str"},
    "bench_command": {"type": "str", "default": "bench"},
    "python": {"type": "str"},
    # Values may be secrets, as the address of a package index. As one JSON text, only the whole of it is masked.
    "env": {"type": "json", "no_log": True},
    "process_manager": {"type": "str", "choices": ["supervisor", "systemd"], "default": "supervisor"},
    "supervisor": {
        "type": "dict",
        "default": {},
        "apply_defaults": True,
        "options": {
            "control": {"type": "list", "elements": "str", "default": ["supervisorctl"]},
            "conf_dir": {"type": "path", "default": "/etc/supervisor/conf.d"},
        },
    },
    "ports": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            "first": {"type": "int", "default": 21000},
            "last": {"type": "int", "default": 29999},
        },
    },
    "state_dir": {"type": "path", "default": "/var/lib/lockstep"},
    "runtime_dir": {"type": "path", "default": "/run/lockstep"},
    "backup_dir": {"type": "path"},
    "keep_releases": {"type": "int", "default": 2},
    "nginx": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            "binary": {"type": "str", "default": "nginx"},
            "conf": {"type": "path", "default": "/etc/nginx/nginx.conf"},
            "prefix": {"type": "path"},
            "conf_dir": {"type": "path", "default": "/etc/nginx/conf.d"},
            "log_dir": {"type": "path", "default": "/var/log/nginx"},
            "listen": {"type": "list", "elements": "str"},
        },
    },
    "database": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            "host": {"type": "str"},
            "port": {"type": "int"},
            "socket": {"type": "path"},
            "admin": {
                "type": "dict",
                "options": {
                    "user": {"type": "str", "default": "root"},
                    "password": {"type": "str", "no_log": True},
                    "socket": {"type": "path"},
                },
            },
        },
    },
}


_HINT = "correct the bench's user in the deployment file"


class BenchContext:
    """A bench of a server with everything that acts on it.

    Args:
        options: The ``bench`` option of a module, defaults filled in.
    """

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self.options = options
        path = os.path.normpath(options["path"])
        if not os.path.isdir(path):
            raise LockstepError(f"{path} is not a bench: there is no such folder")
        self.user = _user_of(path, options["user"])
        self.command: str = options["bench_command"]
        self.state_dir: str = options["state_dir"]
        root = options["root"] or os.path.join(os.path.dirname(path), "lockstep", options["name"])
        self.layout = Layout(
            name=options["name"], root=root, state_dir=self.state_dir, backup_dir=options["backup_dir"]
        )
        self.adopted = self._bench_at(path)
        self.record = Record(self.layout, options["ports"]["first"], options["ports"]["last"])
        self.supervision = _supervision(options)

    @property
    def access_log(self) -> str:
        """nginx's JSON log, one line per request of any of our sites."""
        return os.path.join(self.options["nginx"]["log_dir"], "lockstep-access.log")

    def prepare_state(self) -> None:
        """Make the folders that journals, locks and the bench's record need."""
        folders.ensure(self.state_dir, mode=0o755)
        folders.ensure(os.path.join(self.state_dir, "benches"), mode=0o755)
        # Ansible would make it for everybody, when a site is watched from a process of its own.
        folders.ensure(os.path.join(self.state_dir, "jobs"), mode=0o700)
        folders.ensure(self.layout.root, self.user)

    def locks(self) -> LockFolder:
        return LockFolder(os.path.join(self.state_dir, "locks"))

    def unit_folder(self, unit: str) -> str:
        return os.path.join(self.state_dir, "units", unit)

    def bench(self, release: Release) -> Bench:
        return self._bench_at(release.path)

    def _bench_at(self, path: str) -> Bench:
        return Bench(path, self.user, self.command, json.loads(self.options["env"] or "{}"))

    def group(self, release: Release) -> str:
        """The name of a release's processes at the process manager; other benches may have the same release."""
        return f"lockstep-{self.layout.name}-{release.id}"

    def traffic(self, site: str) -> SiteTraffic:
        """The links that say which release gets a site's traffic."""
        return SiteTraffic(site, root=os.path.join(self.state_dir, "traffic"))

    def runtime(self, release: Release) -> Runtime:
        """The socket folder of a release. It is its slot's, so that nginx knows the bridges of releases to come."""
        return Runtime(
            release=f"{self.layout.root}#{release.slot}",
            owner=self.user,
            assets=os.path.join(release.path, "sites", "assets"),
            bridged=(WEB, REALTIME) if release.adopted else (REALTIME,),
            root=self.options["runtime_dir"],
        )

    def prepare_runtime(self, release: Release) -> None:
        """Make a release's socket folder, and have it made again at boot where it lies in ``/run``."""
        self.runtime(release).prepare(tmpfiles=TMPFILES if self.is_volatile else "")

    @property
    def is_volatile(self) -> bool:
        """Whether the sockets' folder is gone after a reboot; one that somebody keeps elsewhere is theirs to keep."""
        return str(self.options["runtime_dir"]).startswith("/run/")

    def live_release(self, site: str) -> Release:
        """The release that gets a site's traffic, from the link nginx follows.

        Raises:
            LockstepError: The site was not adopted, or its link leads nowhere known.
        """
        target = self.traffic(site).current()
        if target is None:
            raise LockstepError(f"site {site} was not adopted yet")
        for release in self.record.releases():
            if self.runtime(release).folder == target:
                return release
        raise LockstepError(
            f"the traffic of {site} goes to {target}, which no known release of {self.layout.name} uses"
        )

    def serving(self, site: str) -> list[Release]:
        """The releases that a site's visitors get to: the live one, and one that shares them with it."""
        candidate = self.traffic(site).slots.candidate()
        shared = [release for release in self.record.releases() if self.runtime(release).folder == candidate]
        return [self.live_release(site), *shared]

    def newest_live(self) -> Release | None:
        """The newest release that any site of the bench is on; None before the adoption."""
        if not self.record.exists():
            return None
        live = {self.live_release(site).id for site in self.record.sites()}
        serving = [release for release in self.record.releases() if release.id in live]
        return serving[-1] if serving else self.record.adopted()

    def require_release(self, release: str) -> Release:
        """A release that was built.

        Raises:
            LockstepError: There is none of that id.
        """
        found = self.record.release(release)
        if found is None or not found.ready:
            raise LockstepError(f"release {release} of {self.layout.name} is not built on this server")
        return found


def _user_of(path: str, given: str | None) -> str:
    """Who owns a bench, unless the deployment file says whose it is.

    Raises:
        LockstepError: There is no such user, or the bench is not that user's.
    """
    owner = os.stat(path).st_uid
    try:
        account = pwd.getpwnam(given) if given else pwd.getpwuid(owner)
    except KeyError:
        told = f"there is no user {given} on this server" if given else f"{path} belongs to nobody this server knows"
        raise LockstepError(told, hint=_HINT) from None
    if account.pw_uid != owner:
        # git and bench refuse folders of others, with advice that would be wrong here.
        raise LockstepError(f"{path} belongs to the user with the number {owner}, not to {given}", hint=_HINT)
    return account.pw_name


def _supervision(options: t.Mapping[str, t.Any]) -> Supervision:
    supervisor = Supervisor(options["supervisor"]["control"], options["supervisor"]["conf_dir"])
    return Systemd(supervisor) if options["process_manager"] == "systemd" else supervisor
