# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold for a site before a deployment: looked at only, nothing is changed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import backups, claims
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import resources as res
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings, gather
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.jobs import wait_for_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import is_locked
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.prepare import FILE_FOLDERS
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import check_site
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import compression, tables
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import DUMP, tool
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import threads
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import find_admin
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate

#: Seconds after which a connection that does nothing, or a query that doesn't end, is worth a warning.
_IDLE = 60.0
_QUERY_TIMEOUT = 30.0
_NAMED = 3

#: The settings that say in which database a site lies; servers that are not named are the bench's.
_PLACE = ("db_name", "db_host", "db_port", "db_socket")


class SitePreflight:
    """A site that is to move to a new release.

    Args:
        context: Its bench.
        unit: Its unit.
        deployment_id: The deployment that wants to begin.
        site: Its name.
        apps: The apps of the new release.
        backup: Whether it will be backed up.
        reserve: What must be free beyond what is needed.
    """

    def __init__(
        self,
        context: BenchContext,
        unit: str,
        deployment_id: str,
        site: str,
        apps: t.Sequence[App],
        backup: bool,
        reserve: res.Reserve,
    ) -> None:
        self._context = context
        self._unit = unit
        self._deployment_id = deployment_id
        self._apps = [app.name for app in apps]
        self._backup = backup
        self._reserve = reserve
        context.adopted.require()
        self._live = LiveSite.find(context, site)
        self._name = site
        self._config: dict[str, t.Any] = {}

    def look(self) -> Findings:
        """Everything there is to say, at once."""
        found = gather([self._claims, self._configuration])
        if not self._config:
            return found
        reachable = gather([self._database])
        found.add(reachable)
        checks = [self._alone, self._answers, self._migration, self._jobs, self._programs]
        if reachable.valid:
            checks += [self._installed, self._scheduler, self._connections, self._admin, self._disk]
        found.add(gather(checks))
        return found

    def _claims(self, found: Findings) -> None:
        claims.look(self._context.state_dir, self._unit, self._deployment_id, found)

    def _configuration(self, found: Findings) -> None:
        self._config = self._live.site.config()
        found.passed.append(f"{self._name} exists on {self._live.bench.path}, and its configuration names a database")
        if self._config.get("maintenance_mode"):
            found.warnings.append(f"{self._name} is in maintenance mode already, and will be left in it")
        state = self._live.traffic.gate.state()
        if state in (gate.MAINTENANCE, gate.STOPPED):
            told = self._live.traffic.gate.told(state)
            words = [
                word
                for word in (told["since"] and f"since {told['since'][:16]}", told["by"] and f"by {told['by']}")
                if word
            ]
            found.warnings.append(
                f"{self._name} is closed to visitors ({' '.join([state, *words])}), and will be left so"
            )

    def _database(self, found: Findings) -> None:
        database = self._live.database()
        version = database.value("SELECT VERSION()", timeout=_QUERY_TIMEOUT) or ""
        if "mariadb" in version.lower():
            found.passed.append(f"the database of {self._name} at {database.where} answers: {version}")
        else:
            found.failed.append(f"the database of {self._name} at {database.where} is {version}; MariaDB is needed")

    def _alone(self, found: Findings) -> None:
        others = sharing(self._live.bench.sites_folder, self._config, self._live.site.config_path)
        if others:
            found.failed.append(
                f"{', '.join(others)} lies in the database of {self._name}, too: its users would go on writing while "
                "that is backed up and migrated, and a way back would lose it"
            )
        else:
            found.passed.append(f"no other site of the bench lies in the database of {self._name}")

    def _answers(self, found: Findings) -> None:
        if self._config.get("maintenance_mode"):
            return
        transport = self._live.direct()
        results = check_site(transport, assets=os.path.join(self._live.bench.sites_folder, "assets"))
        for result in results:
            sentence = f"{self._name} at {transport.connect}, {result.name}: {result.message}"
            if result.passed:
                found.passed.append(sentence)
            else:
                # A page without its assets is ugly; without an answer the site is broken already.
                (found.warnings if result.name == "assets" else found.failed).append(sentence)

    def _installed(self, found: Findings) -> None:
        """Apps whose code the new release doesn't have would break the site after its migration."""
        installed = self._live.installed_apps()
        lacking = [name for name in installed if name not in self._apps]
        if lacking:
            found.failed.append(
                f"{self._name} has {', '.join(lacking)} installed, which the new release doesn't have; add them to the "
                "deployment, or uninstall them first"
            )
        else:
            found.passed.append(f"the new release has all {len(installed)} apps that are installed on {self._name}")

    def _migration(self, found: Findings) -> None:
        path = os.path.join(self._live.site.folder, "locks", "bench_migrate.lock")
        if is_locked(path):
            found.failed.append(f"a migration of {self._name} is running; wait for it to end")
        else:
            found.passed.append(f"no migration of {self._name} is running")

    def _jobs(self, found: Findings) -> None:
        jobs = wait_for_jobs(self._live.bench, self._name, timeout=0)
        sentence = f"{len(jobs.running)} jobs of {self._name} are running and {len(jobs.queued)} are queued"
        (found.passed if jobs.idle else found.warnings).append(sentence)

    def _scheduler(self, found: Findings) -> None:
        """Frappe's own rule (frappe/utils/scheduler.py, is_scheduler_inactive), asked without starting Frappe."""
        config = {**self._live.bench.common_config(), **self._config}
        reasons = [name for name in ("pause_scheduler", "disable_scheduler") if config.get(name)]
        enabled = self._live.database().value(
            "SELECT value FROM tabSingles WHERE doctype = 'System Settings' AND field = 'enable_scheduler'",
            timeout=_QUERY_TIMEOUT,
        )
        if enabled in (None, "", "0"):
            reasons.append("System Settings")
        if reasons:
            found.warnings.append(f"the scheduler of {self._name} is switched off ({', '.join(reasons)})")
        else:
            found.passed.append(f"the scheduler of {self._name} is enabled")

    def _connections(self, found: Findings) -> None:
        database = self._live.database()
        old = [thread for thread in threads(database.query, [database.user]) if thread.seconds > _IDLE]
        if old:
            named = ", ".join(thread.describe() for thread in old[:_NAMED])
            found.warnings.append(
                f"{len(old)} connections to the database of {self._name} are older than {_IDLE:g} s and may hold up "
                f"its migration: {named}"
            )
        else:
            found.passed.append(f"no connection to the database of {self._name} is older than {_IDLE:g} s")

    def _admin(self, found: Findings) -> None:
        given = self._context.options["database"]["admin"]
        if given is None:
            return
        database = self._live.database()
        if given["socket"]:
            database = dataclasses.replace(database, socket=given["socket"], host=None, port=None)
        if find_admin(database, given["user"], given["password"]):
            found.passed.append(f"{given['user']} may make schemas at {database.where}")
        else:
            found.warnings.append(
                f"{given['user']} may not make schemas at {database.where}: a restore would close {self._name} "
                "meanwhile"
            )

    def _programs(self, found: Findings) -> None:
        if not self._backup:
            return
        best = compression.best().name
        sentence = f"backups are made by {os.path.basename(tool(DUMP))} and compressed by {best}"
        if best == "zstd":
            found.passed.append(sentence)
        else:
            found.warnings.append(f"{sentence}: zstd is missing, and takes half the time")

    def _disk(self, found: Findings) -> None:
        if self._backup:
            res.judge_disks([backup_need(self._context, self._live)], self._reserve, found)


def backup_need(context: BenchContext, live: LiveSite) -> res.Need:
    """What a backup of a site takes: its tables, and the files that no backup before has as they are."""
    database = live.database()
    size = sum(table.bytes for table in tables.listing(database.query, database.name).values())
    folder = context.layout.backups(live.name)
    older = backups.newest(folder)
    for name in FILE_FOLDERS:
        known = snapshot.listing(os.path.join(older, "files", name)) if older else {}
        now = snapshot.listing(os.path.join(live.site.folder, name))
        size += sum(state[0] for path, state in now.items() if known.get(path) != state)
    return res.Need(f"the backup of {live.name}", folder, size)


def sharing(sites_folder: str, config: t.Mapping[str, t.Any], path: str) -> list[str]:
    """The other sites of a bench that name the same database.

    Args:
        sites_folder: The bench's sites.
        config: The site's configuration.
        path: The file it is from; who leads to that is no other site, but another name of it.
    """
    found = []
    for name in sorted(os.listdir(sites_folder)):
        other = os.path.join(sites_folder, name, "site_config.json")
        if os.path.realpath(other) == os.path.realpath(path):
            continue
        # What can't be read is no site that anybody writes to.
        with contextlib.suppress(LockstepError):
            content = atomic.read_json(other, {})
            if isinstance(content, dict) and all(content.get(key) == config.get(key) for key in _PLACE):
                found.append(name)
    return found
