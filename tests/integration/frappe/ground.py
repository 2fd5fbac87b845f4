# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench that was adopted, with the release of the next deployment beside it, and its sites taken there and back."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pathlib
import signal
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import claims
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench_work import BenchWork, roll_back
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, release_id
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import Site
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_rollback import SiteRollback
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import PHASES, Identity, SiteUnit
from tests.integration.preflight.look import ship
from tests.integration.stage import BENCH, Stage

OPTIONS = Options(
    apps=("frappe", "erpnext", "custom_app"),
    config={},
    freeze="reads",
    backup=True,
    tests=(),
    endpoints=(),
    timeout=240,
    drain_timeout=20,
    wait_time=0,
    health_check_timeout=30,
)

#: A user's own row that the new version's patch can't deal with: amounts were text, and become numbers.
BREAKS_PATCH = (
    "INSERT INTO `tabCustom Note` (name, creation, modified, title, amount)"
    " VALUES ('own', NOW(), NOW(), 'by hand', 'a dozen')"
)

_numbers = itertools.count()


def new_id() -> str:
    """The id of another deployment, later than all before it."""
    return f"20261120T20{next(_numbers):04d}Z-0f0f0f"


class Ground:
    """One bench and what tests do with it.

    Args:
        stage: The bench with its services.
        sites: The sites that are driven without playbooks.
    """

    def __init__(self, stage: Stage, sites: t.Sequence[str]) -> None:
        self.stage = stage
        self.sites = sites
        self.context = stage.context()

    def build(self, apps: t.Sequence[App]) -> str:
        """Adopt, build and start a release; returns the deployment's id."""
        for app in apps:
            ship(self.context.layout.source(app), self.stage.bench.repositories[app.name], app.commit)
        deployment_id = new_id()
        BenchWork(self.context, BENCH, deployment_id, apps, {site: [] for site in self.sites}).run(undo_on_failure=True)
        return deployment_id

    def bench_work(self, sites: t.Mapping[str, t.Sequence[str]]) -> BenchWork:
        """The bench in a new deployment of the release that is there.

        Args:
            sites: Domains by site.
        """
        return BenchWork(self.context, BENCH, new_id(), self.stage.apps(), sites)

    @contextlib.contextmanager
    def release(self, apps: t.Sequence[App]) -> t.Iterator[list[App]]:
        """A release for a while."""
        deployment_id = self.build(apps)
        yield list(apps)
        changed, _journal, _done = roll_back(self.context, BENCH, deployment_id)
        assert changed, "the release is gone again"
        assert self.context.record.release(release_id(apps)) is None

    def unit(
        self, site: str, release: t.Sequence[App] | None = None, deployment_id: str | None = None, **options: t.Any
    ) -> SiteUnit:
        """A site in a new deployment."""
        identity = Identity(site, deployment_id or new_id(), "shop", "staging", "v1", "ada", None)
        return SiteUnit(self.context, site, identity, release or self.stage.apps(), OPTIONS._replace(**options))

    def deploy(self, site: str, release: t.Sequence[App] | None = None, **options: t.Any) -> SiteUnit:
        """Take a site through all phases."""
        unit = self.unit(site, release, **options)
        unit.advance(PHASES, unit.to_do(), undo_on_failure=True)
        return unit

    def roll_back(self, site: str, deployment_id: str | None = None, **options: t.Any) -> Journal:
        """Undo a deployment of a site; the newest one if no other is named."""
        deployment_id = deployment_id or self.journal(site).deployment_id
        assert deployment_id is not None
        given = {"reason": "the test says so", "rollback_data": False, **options}
        rollback = SiteRollback(self.context, unit=site, site=site, deployment_id=deployment_id, **given)
        assert rollback.needed()
        rollback.run()
        return rollback.journal

    def journal(self, site: str) -> Journal:
        return Journal(self.context.unit_folder(site))

    def site(self, site: str) -> Site:
        """The site's data."""
        return Site(site, self.placement(site).data, self.context.user)

    def placement(self, site: str) -> Placement:
        return Placement(self.context.layout, site, self.context.user)

    def get(self, site: str, name: str, **options: t.Any) -> t.Any:
        """What an API method of the app answers through nginx."""
        answer = self.stage.bench.get(site, f"/api/method/custom_app.api.{name}", **options)
        assert answer.status == 200, answer
        return answer.message

    def write(self, site: str, number: int, name: str = "write") -> None:
        """A user's write, which must be acknowledged."""
        self.get(site, name, method="POST", data={"number": number})

    def content(self, site: str) -> dict[str, tuple[str, ...]]:
        """Definition and checksum of every table, asked without any code that backs up or restores."""
        return content_of(self.stage, self.site(site).config()["db_name"])

    def active_in(self, site: str) -> list[str]:
        """The releases whose scheduler sees a site."""
        releases: list[Release] = self.context.record.releases()
        placement = self.placement(site)
        return [one.id for one in releases if placement.is_active(self.context.bench(one))]

    def require_as_before(self, site: str, content: t.Mapping[str, t.Any], config: t.Mapping[str, t.Any]) -> None:
        """All that a deployment which was undone must leave."""
        adopted = self.context.record.adopted()
        assert adopted is not None
        assert self.get(site, "version") == "0.9.0"
        assert self.context.live_release(site).id == adopted.id
        assert self.site(site).config() == config
        assert self.active_in(site) == [adopted.id]
        assert not self.context.traffic(site).closed
        now = self.content(site)
        assert {name for name in now.keys() | content.keys() if now.get(name) != content.get(name)} == set()
        assert not self.context.locks().describe(site), "the lock is free"
        assert claims.at_work(self.context.state_dir, site) is None
        assert not self.migrations(site)
        number = 800_000_000 + next(_numbers)
        self.write(site, number)
        assert number in self.get(site, "read")
        self.stage.bench.sql(site, f"DELETE FROM `tabCustom Write` WHERE number = {number}")

    def migrations(self, site: str) -> list[int]:
        """Processes that migrate a site of this bench."""
        return processes_with("migrate", site, beneath=self.stage.folder)

    def die(self, unit: SiteUnit, where: t.Any, name: str, *, after: bool = False) -> None:
        """Run all phases in another process that is killed, as by ``kill -9``, at a function of the driver.

        Args:
            unit: The unit.
            where: Module or class of the function.
            name: Of the function.
            after: Whether it is done before the end comes.
        """

        def work() -> None:
            unit.advance(PHASES, unit.to_do(), undo_on_failure=True)

        _die(work, where, name, after=after)

    def die_in_rollback(self, site: str, where: t.Any, name: str, *, after: bool = False) -> None:
        """The same on the way back."""
        _die(lambda: self.roll_back(site), where, name, after=after)


class As:
    """A site as it was found, and the way to require that."""

    def __init__(self, ground: Ground, site: str) -> None:
        self._ground, self._site = ground, site
        self.content, self.config = ground.content(self._site), ground.site(self._site).config()

    def require(self) -> None:
        self._ground.require_as_before(self._site, self.content, self.config)

    def take_back(self) -> None:
        """Take it back if it was left deployed, or in the middle of it."""
        if self._ground.journal(self._site).status not in ("absent", "restored"):
            self._ground.roll_back(self._site, rollback_data=True)


def _die(work: t.Callable[[], t.Any], where: t.Any, name: str, *, after: bool) -> None:
    def doomed() -> None:
        function = getattr(where, name)

        def deadly(*args: t.Any, **kwargs: t.Any) -> None:
            if after:
                function(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(where, name, deadly)
        work()

    child = multiprocessing.get_context("fork").Process(target=doomed)
    child.start()
    child.join(240)
    assert child.exitcode == -signal.SIGKILL, "it came to the point where it was to die"


def content_of(stage: Stage, database: str) -> dict[str, tuple[str, ...]]:
    """Definition and checksum of every table of a database."""
    sql = stage.services.mariadb.sql
    found: dict[str, tuple[str, ...]] = {}
    names = [row[0] for row in sql("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'", database)]
    quoted = ", ".join(f"`{name}`" for name in names)
    for table, checksum in sql(f"CHECKSUM TABLE {quoted} EXTENDED", database):
        found[table.split(".", 1)[1]] = (checksum,)
    columns = (
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS"
        f" WHERE TABLE_SCHEMA = '{database}' ORDER BY TABLE_NAME, ORDINAL_POSITION"
    )
    for table, *column in sql(columns):
        found[table] = (*found.get(table, ()), *column)
    return found


def processes_with(*words: str, beneath: pathlib.Path = pathlib.Path("/")) -> list[int]:
    """Processes that have all these words among their arguments, and work in a folder or beneath it."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if set(words) <= set(arguments) and (process / "cwd").readlink().is_relative_to(beneath):
                found.append(int(process.name))
    return found
