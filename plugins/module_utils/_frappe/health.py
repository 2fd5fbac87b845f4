# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a release serves a site well: from its own socket before traffic moves, from outside afterwards."""

from __future__ import annotations

import concurrent.futures
import datetime
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.patches import missing_patches
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._health import site as site_health
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Result, summary
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import Transport
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import WEB

if t.TYPE_CHECKING:
    from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment

_LOOK_AGAIN = 0.2
_WATCH_EVERY = 5.0
_FREEZE_TIMEOUT = 30.0


class SiteHealth:
    """The health of one site.

    Args:
        deployment: The site's deployment.
    """

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self._context = deployment.context
        self._site = deployment.site.name

    def of_release(self, release: Release) -> list[Result]:
        """Ask a release on its own socket, and believe what it says of itself: apps, patches, pages.

        Raises:
            LockstepError: Something is not as it must be; all findings in ``detail``.
        """
        bench = self._context.bench(release)
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as beside:
            installed = beside.submit(self._installed, bench)
            results = site_health.check_site(
                self._direct(release),
                release=release.id,
                assets=os.path.join(bench.sites_folder, "assets"),
                endpoints=self._deployment.options.endpoints,
            )
            results += [*installed.result(), self._patched(bench, release)]
        self._require(results, f"release {release.id} does not serve the site well")
        return results

    def from_outside(self, release: Release) -> None:
        """The release that answers through nginx is this one.

        Raises:
            LockstepError: It is not, within the health check's timeout.
        """
        transport = self._outside()
        deadline = time.monotonic() + self._deployment.options.health_check_timeout
        while True:
            outcome = site_health.expected_release(transport, release.id)
            if outcome.passed:
                return
            if time.monotonic() > deadline:
                raise LockstepError(f"release {release.id} does not answer from outside: {outcome.message}")
            time.sleep(_LOOK_AGAIN)

    def wait_frozen(self, release: Release) -> None:
        """Wait until the release refuses writes, and still answers reads.

        Raises:
            LockstepError: It doesn't.
        """
        transport = self._direct(release)
        deadline = time.monotonic() + _FREEZE_TIMEOUT
        while True:
            outcome = site_health.frozen(transport, reads=True)
            if outcome.passed:
                return
            if time.monotonic() > deadline:
                raise LockstepError(f"the freeze is not in force: {outcome.message}")
            time.sleep(_LOOK_AGAIN)

    def watch(self, release: Release, seconds: float) -> None:
        """Look at the site from outside again and again.

        Args:
            release: The release that must answer.
            seconds: How long; 0 looks once.

        Raises:
            LockstepError: Three looks in a row failed.
        """
        end = time.monotonic() + seconds
        failed: list[str] = []
        while True:
            outcome = site_health.expected_release(self._outside(), release.id)
            failed = [] if outcome.passed else [*failed, outcome.message]
            if len(failed) >= 3:
                raise LockstepError(f"the site got unhealthy while it was watched: {failed[-1]}", detail=failed)
            left = end - time.monotonic()
            if left <= 0 and not failed:
                return
            time.sleep(min(_WATCH_EVERY, left) if left > 0 and not failed else _LOOK_AGAIN)

    def validate(self, release: Release) -> dict[str, t.Any]:
        """Everything there is to say of a deployed site, under the names of the deployment guide (S0).

        Returns:
            ``total_checks``, ``passed``, ``failed``, ``overall_status`` and ``checks``.
        """
        bench = self._context.bench(release)
        results = site_health.check_site(
            self._outside(), release=release.id, endpoints=self._deployment.options.endpoints
        )
        results += [*self._installed(bench), self._integrity(), self._scheduler(bench), self._errors(bench)]
        return summary(results)

    def run_tests(self, bench: Bench) -> None:
        """Run the user's own tests against the new release, before anybody is sent to it.

        Raises:
            LockstepError: One failed.
        """
        environment = {**bench.env, "LOCKSTEP_SITE": self._site, "LOCKSTEP_BENCH": bench.path}
        for argv in self._deployment.options.tests:
            done = process.run(
                argv,
                user=bench.user,
                cwd=bench.path,
                env=environment,
                timeout=self._deployment.options.timeout,
                check=False,
            )
            if done.rc != 0:
                raise LockstepError(f"the test {' '.join(argv)} failed with return code {done.rc}", detail=done.tail())

    def _direct(self, release: Release) -> Transport:
        return Transport(self._site, f"unix:{self._context.runtime(release).socket(WEB)}")

    def _outside(self) -> Transport:
        """nginx, as visitors reach it; what nginx reaches where the site shows its maintenance page."""
        if self._deployment.traffic.closed:
            return Transport(self._site, f"unix:{os.path.join(self._deployment.traffic.live, WEB)}")
        fronts = self._context.record.sites()[self._site]["fronts"]
        front = next((front for front in fronts if not front["redirect"]), fronts[0])
        address, options = front["listens"][0]
        host, _colon, port = address.rpartition(":")
        host = "127.0.0.1" if host in ("", "*", "0.0.0.0") else "[::1]" if host == "[::]" else host
        names = [name for name in front["names"] if not name.startswith("*")]
        name = self._site if self._site in names else (names or [self._site])[0]
        return Transport(name, f"{host}:{port}", tls="ssl" in options, verify=False)

    def _installed(self, bench: Bench) -> list[Result]:
        installed = bench.execute(self._site, "frappe.get_installed_apps")
        known = bench.app_names()
        results = [
            Result(f"app_{app}_installed", "command", app in installed, "installed" if app in installed else "missing")
            for app in self._deployment.options.apps
        ]
        stray = sorted(set(installed) - set(known))
        message = f"installed but not on the bench: {', '.join(stray)}" if stray else "every installed app has its code"
        return [*results, Result("apps_have_code", "command", not stray, message)]

    def _patched(self, bench: Bench, release: Release) -> Result:
        missing = missing_patches(bench, self._deployment.database(), self._deployment.options.apps)
        message = f"{len(missing)} patches did not run: {missing[0]}" if missing else "every patch ran"
        return Result("patches", "sql", not missing, message, observed=missing[:20])

    def _integrity(self) -> Result:
        broken = self._deployment.database().query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            " AND table_type = 'BASE TABLE' AND engine IS NULL"
        )
        names = [str(row[0]) for row in broken]
        message = f"broken tables: {', '.join(names)}" if names else "no broken table"
        return Result("database_integrity", "sql", not names, message)

    def _scheduler(self, bench: Bench) -> Result:
        done = bench.run("--site", self._site, "scheduler", "status", "-f", "json", check=False)
        enabled = '"enabled"' in done.stdout
        # A scheduler that its owner switched off is no failure, and nothing that could be called working either.
        return Result("scheduled_jobs", "command", True if enabled else None, done.stdout.strip()[-200:] or "no answer")

    def _errors(self, bench: Bench) -> Result:
        now = datetime.datetime.fromisoformat(str(bench.execute(self._site, "frappe.utils.now")))
        since = (now - datetime.timedelta(hours=1)).isoformat(sep=" ")
        count = self._deployment.database().value(f"SELECT COUNT(*) FROM `tabError Log` WHERE creation > '{since}'")
        passed = count == "0"
        return Result("no_critical_errors", "sql", passed, f"{count} entries in the Error Log within the last hour")

    def _require(self, results: t.Sequence[Result], message: str) -> None:
        failed = [f"{result.name}: {result.message}" for result in results if result.passed is False]
        # Who asks a release of ours on its own socket gets its name: no header there means that somebody else answered.
        failed += [f"{r.name}: {r.message}" for r in results if r.passed is None and r.name in ("release", "accessible")]
        if failed:
            raise LockstepError(f"{message}: {failed[0]}", detail=failed)
