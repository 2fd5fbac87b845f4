# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a release serves a site well: from its own socket before traffic moves, from outside afterwards."""

from __future__ import annotations

import dataclasses
import os
import shlex
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_checks import SiteChecks
from ansible_collections.lockstep.deploy.plugins.module_utils._health import site as site_health
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Result

if t.TYPE_CHECKING:
    from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment

_LOOK_AGAIN = 0.2
# A release that just started answers its first requests late; writes are blocked meanwhile, so not for long.
_WARM_UP = 5.0
_FREEZE_TIMEOUT = 30.0
_FORBIDDEN = 403


class SiteHealth:
    """The health of one site.

    Args:
        deployment: The site's deployment.
        site: The name of a copy that is asked in its stead; None for the site itself.
    """

    def __init__(self, deployment: SiteDeployment, site: str | None = None) -> None:
        self._deployment = deployment
        self._context = deployment.context
        self._site = site or deployment.site.name

    def of_release(self, release: Release) -> list[Result]:
        """Ask a release on its own socket, and believe what it says of itself: apps, patches, pages.

        Raises:
            LockstepError: Something is not as it must be; all findings in ``detail``.
        """
        results = self.look(release)
        failed = failures(results)
        if failed:
            raise LockstepError(f"release {release.id} does not serve the site well: {failed[0]}", detail=failed)
        return results

    def look(self, release: Release) -> list[Result]:
        """The same without a verdict: what is found when all is well, or when it was not for a while."""
        checks = self._checks(release)
        known = [*checks.installed(), checks.patched()]
        deadline = time.monotonic() + _WARM_UP
        while True:
            results = [*self._answers(release), *known]
            if not failures(results) or failures(known) or time.monotonic() > deadline:
                return results
            time.sleep(_LOOK_AGAIN)

    def _answers(self, release: Release) -> list[Result]:
        return site_health.check_site(
            dataclasses.replace(self._on(release).direct(), host=self._deployment.site.name),
            release=release.id,
            assets=os.path.join(self._context.bench(release).sites_folder, "assets"),
            endpoints=self._deployment.options.endpoints,
        )

    def from_outside(self, release: Release) -> None:
        """The release that answers through nginx is this one.

        Raises:
            LockstepError: It is not, within the health check's timeout.
        """
        deadline = time.monotonic() + self._deployment.options.health_check_timeout
        while True:
            # An operator may close the site meanwhile.
            outcome = site_health.expected_release(self._on(release).outside(), release.id)
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
        transport = self._on(release).direct()
        deadline = time.monotonic() + _FREEZE_TIMEOUT
        while True:
            outcome = site_health.frozen(transport, reads=True)
            # Where nobody can vote or log in by password, no write can be tried. No process goes by settings of before
            # any more, so that it answers reads at all is what can be known from outside.
            refused = outcome.passed is None and (outcome.observed or {}).get("write") == _FORBIDDEN
            if outcome.passed or refused:
                return
            if time.monotonic() > deadline:
                raise LockstepError(f"the freeze is not in force: {outcome.message}")
            time.sleep(_LOOK_AGAIN)

    def validate(self, release: Release) -> dict[str, t.Any]:
        """Everything there is to say of a deployed site, under the names of the deployment guide (S0).

        Returns:
            ``total_checks``, ``passed``, ``failed``, ``overall_status`` and ``checks``.
        """
        return self._checks(release).validate()

    def run_tests(self, bench: Bench) -> None:
        """Run the user's own tests against the new release, before anybody is sent to it: requests, then commands.

        Raises:
            LockstepError: One failed.
        """
        direct = self._on(self._deployment.after).direct()
        results = site_health.check_endpoints(direct, self._deployment.options.smoke_tests)
        failed = [f"{result.name.partition('_')[2]}: {result.message}" for result in results if not result.passed]
        if failed:
            raise LockstepError(
                f"the smoke test {failed[0]}",
                hint="mend the app, or what is expected of it, and deploy again; the release itself was asked",
                detail=failed,
            )
        environment = {
            **bench.env,
            "PATH": bench.search_path(),
            "LOCKSTEP_SITE": self._site,
            "LOCKSTEP_BENCH": bench.path,
            "LOCKSTEP_SOCKET": direct.connect.partition(":")[2],
        }
        timeout = self._deployment.options.timeout
        for argv in self._deployment.options.tests:
            hint = (
                f"mend the app or the test, and deploy again; it ran as {bench.user} in the folder of the new release"
            )
            try:
                done = process.run(argv, user=bench.user, cwd=bench.path, env=environment, timeout=timeout, check=False)
            except LockstepError as error:
                said = f"the test {shlex.join(argv)} failed: {error.message}"
                raise LockstepError(said, hint=hint, detail=error.detail) from error
            if done.rc != 0:
                said = f"the test {shlex.join(argv)} failed with return code {done.rc}: {done.reason()}"
                raise LockstepError(said, hint=hint, detail=done.tail())

    def _on(self, release: Release) -> LiveSite:
        deployment = self._deployment
        is_green = self._site == deployment.site.name and release.id == deployment.journal.data["after"]
        return LiveSite(self._context, self._site, release, deployment.green.folder if is_green else None)

    def _checks(self, release: Release) -> SiteChecks:
        options = self._deployment.options
        return SiteChecks(self._on(release), options.apps, options.endpoints)


def failures(results: t.Sequence[Result]) -> list[str]:
    """What of a release's answers is not as it must be, in words."""
    failed = [f"{result.name}: {result.message}" for result in results if result.passed is False]
    # Who asks a release of ours on its own socket gets its name: no header there means that somebody else answered.
    silent = [result for result in results if result.passed is None and result.name in ("release", "accessible")]
    return [*failed, *(f"{result.name}: {result.message}" for result in silent)]
