# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a site that serves its users: from outside, of its database, and of Frappe itself (SPEC.md, G3)."""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import redis
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.patches import missing_patches
from ansible_collections.lockstep.deploy.plugins.module_utils._health import site as site_health
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Result, summary
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text

_NAMED = 20
_RECENT = datetime.timedelta(hours=1)

# Frappe's own way from an app to its tables. Not every version knows virtual DocTypes, which have none.
_TABLES_MISSING = """
SELECT DocType.name FROM tabDocType AS DocType JOIN `tabModule Def` AS Module ON Module.name = DocType.module
WHERE Module.app_name = {app} AND DocType.issingle = 0 {virtual} AND CONCAT('tab', DocType.name) NOT IN
(SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE())
"""
_IS_VIRTUAL_KNOWN = """
SELECT 1 FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = 'tabDocType' AND column_name = 'is_virtual'
"""


class SiteChecks:
    """The checks of one site.

    Args:
        live: The site on the release in question.
        apps: The apps it must have.
        endpoints: Further requests it must answer: ``path`` with the options of :class:`expect.Expectation`.
    """

    def __init__(self, live: LiveSite, apps: t.Sequence[str], endpoints: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        self._live = live
        self._apps = apps
        self._endpoints = endpoints

    def validate(self) -> dict[str, t.Any]:
        """Everything there is to say of a site, under the names of the deployment guide (S0).

        Returns:
            ``total_checks``, ``passed``, ``failed``, ``inconclusive``, ``overall_status`` and ``checks``.
        """
        return summary(self.results())

    def results(self) -> list[Result]:
        """The same, check by check."""
        results = _asked("accessible", "http", self._outside)
        results += _asked("apps_installed", "sql", self.installed)
        results += _asked("database_integrity", "sql", self._integrity)
        results += _asked("scheduled_jobs", "command", self._scheduler)
        results += _asked("no_critical_errors", "sql", self._errors)
        for app in self._apps:
            results += _asked(f"app_{app}_health", "sql", self._app, app, results)
        return results

    def installed(self) -> list[Result]:
        """The site has the apps it must have, and the bench has the code of all it has.

        Raises:
            LockstepError: The database could not be asked.
        """
        installed = self._live.installed_apps()
        results = [
            Result(f"app_{app}_installed", "sql", app in installed, "installed" if app in installed else "missing")
            for app in self._apps
        ]
        stray = sorted(set(installed) - set(self._live.bench.app_names()))
        message = f"installed but not on the bench: {', '.join(stray)}" if stray else "every installed app has its code"
        return [*results, Result("apps_have_code", "sql", not stray, message)]

    def patched(self) -> Result:
        """Every patch of the apps ran."""
        missing = missing_patches(self._live.bench, self._database, self._apps)
        message = f"{len(missing)} patches did not run: {missing[0]}" if missing else "every patch ran"
        return Result("patches", "sql", not missing, message, observed=missing[:_NAMED])

    @property
    def _database(self) -> Database:
        return self._live.database()

    def _outside(self) -> list[Result]:
        release = self._live.release
        # A bench that was not adopted doesn't say which release it is.
        expected = release.id if release is not None else None
        # The site is closed: its release is asked, and assets are nginx's.
        assets = os.path.join(self._live.bench.sites_folder, "assets") if self._live.traffic.closed else None
        outside = self._live.outside()
        return site_health.check_site(outside, release=expected, assets=assets, endpoints=self._endpoints)

    def _integrity(self) -> Result:
        broken = self._database.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            " AND table_type = 'BASE TABLE' AND engine IS NULL"
        )
        names = [str(row[0]) for row in broken]
        message = f"broken tables: {', '.join(names)}" if names else "no broken table"
        return Result("database_integrity", "sql", not names, message)

    def _scheduler(self) -> Result:
        bench = self._live.bench
        done = bench.run("--site", self._live.name, "scheduler", "status", "-f", "json", check=False)
        if '"enabled"' not in done.stdout:
            # A scheduler that its owner switched off is no failure, and nothing that could be called working either.
            said = "the scheduler is switched off" if '"disabled"' in done.stdout else done.tail(1) or "no answer"
            return Result("scheduled_jobs", "command", None, said)
        workers = redis.ask(str(bench.common_config().get("redis_queue", "")), "SCARD", "rq:workers").lstrip(":")
        message = f"the scheduler is enabled, {workers} workers are at work"
        return Result("scheduled_jobs", "command", workers != "0", message)

    def _errors(self) -> Result:
        # Frappe writes times in the site's own time zone.
        now = datetime.datetime.fromisoformat(
            str(self._live.bench.execute(self._live.name, "frappe.utils.now_datetime"))
        )
        since = text((now - _RECENT).isoformat(sep=" "))
        count = self._database.value(f"SELECT COUNT(*) FROM `tabError Log` WHERE creation > {since}")
        message = f"{count} entries in the Error Log within the last hour"
        return Result("no_critical_errors", "sql", count == "0", message)

    def _app(self, app: str, results: t.Sequence[Result]) -> Result:
        """An app's own health: its patches ran, its tables are there, its own endpoints answer."""
        own = [result for result in results if result.name.startswith(f"endpoint_/api/method/{app}.")]
        silent = [result.name.partition("_")[2] for result in own if not result.passed]
        patches = missing_patches(self._live.bench, self._database, [app])
        virtual = "AND DocType.is_virtual = 0" if self._database.query(_IS_VIRTUAL_KNOWN) else ""
        tables = self._database.query(_TABLES_MISSING.format(app=text(app), virtual=virtual))
        wrong = [f"{path} does not answer as it should" for path in silent]
        if patches:
            wrong.append(f"{len(patches)} patches did not run: {patches[0]}")
        if tables:
            wrong.append(f"{len(tables)} tables are missing: tab{tables[0][0]}")
        told = f", {len(own)} endpoints of its own answer" if own else ""
        message = "; ".join(wrong) or f"its patches ran, its tables are there{told}"
        return Result(f"app_{app}_health", "sql", not wrong, message)


def _asked(name: str, kind: str, question: t.Callable[..., Result | list[Result]], *arguments: t.Any) -> list[Result]:
    """The answers; a question that can't be asked has failed."""
    try:
        answer = question(*arguments)
        return answer if isinstance(answer, list) else [answer]
    except LockstepError as error:
        return [Result(name, kind, False, str(error))]
