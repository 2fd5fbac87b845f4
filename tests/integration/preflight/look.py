# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at benches and sites as the module does."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench_work import BenchWork
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.preflight import BenchPreflight
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.preflight_site import SitePreflight
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.resources import Reserve
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from tests.integration.stage import BENCH, ID, Stage

SITES = ("site1.local", "site2.local")
ONE, TWO = SITES
# Machines that tests run on may have less than a server must have.
LITTLE = Reserve(1.5, 1_000_000)


class Look:
    """Looks at a stage's bench and sites.

    Args:
        stage: The stage.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def at_bench(
        self,
        context: BenchContext | None = None,
        apps: t.Sequence[App] | None = None,
        sites: t.Sequence[str] = SITES,
        reserve: Reserve = LITTLE,
    ) -> Findings:
        """What is found on the bench."""
        apps = apps or self.stage.apps()
        return BenchPreflight(context or self.stage.context(), BENCH, ID, apps, sites, True, reserve).look()

    def at_site(
        self,
        site: str = ONE,
        context: BenchContext | None = None,
        apps: t.Sequence[App] | None = None,
        backup: bool = True,
        reserve: Reserve = LITTLE,
    ) -> Findings:
        """What is found on a site."""
        apps = apps or self.stage.apps()
        return SitePreflight(context or self.stage.context(), site, ID, site, apps, backup, reserve).look()

    def adopt(self) -> t.Self:
        """Adopt the bench, and build and start the release of the next deployment."""
        context, apps = self.stage.context(), self.stage.apps()
        for app in apps:
            ship(context.layout.source(app), self.stage.bench.repositories[app.name], app.commit)
        work = BenchWork(context, BENCH, "20261119T120000Z-0a0a0a", apps, {site: [] for site in SITES})
        work.run(undo_on_failure=False)
        return self

    @contextlib.contextmanager
    def file(self, path: pathlib.Path, text: str) -> t.Iterator[None]:
        """A file with another content for a while; without one it is gone afterwards."""
        before = path.read_text() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        try:
            yield
        finally:
            path.unlink()
            if before is not None:
                path.write_text(before)

    @contextlib.contextmanager
    def without_program(self, name: str) -> t.Iterator[None]:
        """One program of the bench stopped for a while."""
        supervisor = self.stage.services.supervisor
        supervisor.ctl("stop", name)
        try:
            yield
        finally:
            supervisor.ctl("start", name)
            self.stage.bench.await_web()

    @contextlib.contextmanager
    def without_mariadb(self) -> t.Iterator[None]:
        """No database server for a while."""
        mariadb = self.stage.services.mariadb
        mariadb.stop()
        try:
            yield
        finally:
            mariadb.start()


def ship(source: str, repository: pathlib.Path, commit: str) -> None:
    """What the role does: the one commit of an app in a repository of its own on the server."""
    git = os.path.join(source, ".git")
    if os.path.exists(os.path.join(git, "HEAD")):
        return
    os.makedirs(source)
    where = ["git", "--git-dir", git]
    subprocess.run(["git", "init", "--quiet", "--bare", git], check=True)
    fetch = [*where, "fetch", "--quiet", "--depth", "1", f"file://{repository}", f"{commit}:refs/heads/lockstep"]
    subprocess.run(fetch, check=True)
    subprocess.run([*where, "symbolic-ref", "HEAD", "refs/heads/lockstep"], check=True)


def refused(look: t.Callable[[], Findings]) -> list[str]:
    """The failures, also where they come as an error, which the module reports as one."""
    try:
        return look().failed
    except LockstepError as error:
        return [str(error)]
