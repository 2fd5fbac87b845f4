# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment of one site: what its phases share."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import manifest
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import Site
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import find_admin


class Options(t.NamedTuple):
    """How a site is deployed.

    ``timeout`` (s) bounds the migration, ``drain_timeout`` (s) the wait for jobs and old requests, ``wait_time`` (s) is
    how long the site is watched after the thaw. ``tests`` are commands, as argument lists, that must succeed before
    traffic moves, and so must ``smoke_tests``, which are asked of the new release: ``path`` with what is expected.
    ``steps`` are the shares (percent) in which visitors get to the new release, each watched for ``step_wait`` (s),
    before all do; none where all do at once. With ``hold`` the last share stays until somebody ends it. ``sticky`` says
    what visitors are told apart by. ``rules`` say when the new release fails, ``on_inconclusive`` what too little data
    means (``back`` or ``go_on``), and ``analysed`` that it does so for the time after a switch, too. ``freeze`` may
    be ``auto``: what the rehearsal found decides (:attr:`SiteDeployment.freeze`).
    ``blue_retention`` (s) is how long the release before keeps running although no site needs it.
    ``green_database`` is ``shared``, or ``clone`` where the new release migrates a copy of the database.
    """

    apps: t.Sequence[str]
    config: t.Mapping[str, t.Any]
    freeze: str
    backup: bool
    tests: t.Sequence[t.Sequence[str]]
    endpoints: t.Sequence[t.Mapping[str, t.Any]]
    timeout: float
    drain_timeout: float
    wait_time: float
    health_check_timeout: float
    # Journals of earlier versions have none of these.
    steps: t.Sequence[int] = ()
    step_wait: float = 300
    sticky: str = "cookie"
    hold: bool = False
    rules: t.Mapping[str, t.Any] = {}
    on_inconclusive: str = "back"
    analysed: bool = False
    smoke_tests: t.Sequence[t.Mapping[str, t.Any]] = ()
    rehearsal: str = "auto"
    blue_retention: float = 0
    green_database: str = "shared"

    @classmethod
    def recorded(cls, journal: Journal) -> Options:
        """Those that a journal holds, which are all but settings: their values may be secrets."""
        return cls(**{**journal.data["options"], "config": {}})


class SiteDeployment:
    """A site on its way from one release to another.

    Args:
        context: The bench.
        site: The site's name.
        journal: The unit's open journal; releases are taken from it, so that an undo means the same ones.
        options: How it is deployed.
    """

    def __init__(self, context: BenchContext, site: str, journal: Journal, options: Options) -> None:
        self.context = context
        self.journal = journal
        self.options = options
        self.placement = Placement(context.layout, site, context.user)
        self.site = Site(site, self.placement.data, context.user)
        self.traffic = context.traffic(site)

    @property
    def before(self) -> Release:
        """The release the site was live on when this deployment began."""
        return self.context.require_release(self.journal.data["before"])

    @property
    def after(self) -> Release:
        return self.context.require_release(self.journal.data["after"])

    @property
    def steps(self) -> t.Sequence[int]:
        """The shares in which visitors are taken along; none where the site stays on the release that it is on."""
        return () if self.journal.data["before"] == self.journal.data["after"] else self.options.steps

    @property
    def old(self) -> Bench:
        return self.context.bench(self.before)

    @property
    def new(self) -> Bench:
        return self.context.bench(self.after)

    @property
    def new_apps(self) -> list[str]:
        """The apps that this deployment installs."""
        return [app for app in self.options.apps if app not in self.journal.data["installed"]]

    @property
    def needs_migration(self) -> bool:
        """Whether the migration of this deployment has anything to do to the data."""
        return bool(self.journal.data["reasons_to_migrate"] or self.new_apps)

    @property
    def clones(self) -> bool:
        """Whether a clone of the database is migrated, and not the database itself."""
        return self.options.green_database == "clone" and self.needs_migration

    @property
    def migration(self) -> tuple[str, ...]:
        """The command of bench that migrates.

        A clone becomes the site's database when no job works on it any more, and users wait for that. Building the
        search index of the website is the one job that every migration queues: it is queued after the thaw instead.
        """
        return ("migrate", "--skip-search-index") if self.clones else ("migrate",)

    @property
    def clone_folder(self) -> str | None:
        """Where the clone that the journal knows of has its folder."""
        migrate = self.journal.last("migrate")
        name = migrate.intent.get("clone") if migrate else None
        return os.path.join(self.context.layout.clones, name) if name else None

    @property
    def green(self) -> Site:
        """The site as the new release has it: its clone as long as that is what it serves, else the site itself."""
        folder = self.clone_folder
        if folder is None or self.placement.leads_to(self.new) != folder:
            return self.site
        return Site(self.site.name, folder, self.context.user)

    @property
    def was_thawed(self) -> bool:
        """Whether users may have written since this deployment's freeze, whatever was undone since."""
        return any(step.phase == "thaw" and "thawed_at" in step.intent for step in self.journal.steps())

    @property
    def freeze(self) -> str:
        """``reads`` or ``full``: with ``auto`` reads go on where a rehearsal has shown that things are only added.

        So they do where a clone is migrated, of which readers see nothing.
        """
        if self.options.freeze != "auto":
            return self.options.freeze
        if self.clones:
            return "reads"
        return "reads" if self.journal.data.get("rehearsal", {}).get("additive") else "full"

    @property
    def backup_folder(self) -> str:
        return os.path.join(self.context.layout.backups(self.site.name), str(self.journal.deployment_id))

    def database(self) -> Database:
        """The site's own database, in which its users' data lies."""
        return self.site.database(self.old, self.context.options["database"])

    def green_database(self) -> Database:
        """The database that the new release works on: that of the clone as long as there is one, else the site's."""
        return self.green.database(self.new, self.context.options["database"])

    def admin(self) -> Database | None:
        """Who can make a scratch schema beside the site's database, if anybody."""
        database = self.database()
        given = self.context.options["database"]["admin"]
        if given is None:
            return find_admin(database)
        if given["socket"]:
            database = dataclasses.replace(database, socket=given["socket"], host=None, port=None)
        return find_admin(database, given["user"], given["password"])

    def manifest(self) -> manifest.Manifest:
        data = self.journal.data
        return manifest.Manifest(self.context.state_dir, data["project"], data["environment"])
