# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site as one release serves it, or as its bench does that was not adopted yet; and how to reach it."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import Site
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import Transport
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import adopt
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.claims import address
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import WEB
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.slots import CANDIDATE, LIVE

_QUERY_TIMEOUT = 30.0
_INSTALLED = "SELECT defvalue FROM tabDefaultValue WHERE parent = '__global' AND defkey = 'installed_apps'"
_EVERYWHERE = {"*": "127.0.0.1", "[::]": "[::1]"}


class Door(t.NamedTuple):
    """An address of nginx where the site is: how to ask there, by which names, and whether it only sends to https."""

    transport: Transport
    names: tuple[str, ...]
    redirect: bool


class LiveSite:
    """A site on a release.

    Args:
        context: The bench.
        name: The site's name.
        release: The release; None for a bench that was not adopted, or not with this site.
        folder: What the release serves as the site; None for the site's own folder.
    """

    def __init__(self, context: BenchContext, name: str, release: Release | None, folder: str | None = None) -> None:
        self.context = context
        self.name = name
        self.release = release
        self.bench: Bench = context.bench(release) if release else context.adopted
        placement = Placement(context.layout, name, context.user)
        own = placement.data if placement.is_adopted() else os.path.join(self.bench.sites_folder, name)
        self.site = Site(name, folder or own, context.user)
        self.traffic = context.traffic(name)

    @classmethod
    def find(cls, context: BenchContext, name: str) -> LiveSite:
        """The site where it gets its traffic now.

        Raises:
            LockstepError: There is no such site, or its traffic goes nowhere known.
        """
        adopted = context.record.exists() and name in context.record.sites()
        found = cls(context, name, context.live_release(name) if adopted else None)
        if not os.path.isdir(found.site.folder):
            raise LockstepError(
                f"no such site in {found.bench.path}: {name}", hint="create it with bench new-site, or correct the name"
            )
        return found

    def database(self) -> Database:
        """Its database as its own user."""
        return self.site.database(self.bench, self.context.options["database"])

    def installed_apps(self) -> list[str]:
        """The apps installed on the site, from where ``frappe.get_installed_apps`` takes them.

        ``bench list-apps`` tells what was there at the last migration.
        """
        stored = self.database().value(_INSTALLED, timeout=_QUERY_TIMEOUT)
        return [str(name) for name in json.loads(stored or "[]")]

    def direct(self) -> Transport:
        """The release itself, without nginx: its own socket, or the port of a bench that was not adopted.

        Raises:
            LockstepError: The bench names no port.
        """
        if self.release is not None:
            return Transport(self.name, f"unix:{self.context.runtime(self.release).socket(WEB)}")
        port = self.bench.common_config().get("webserver_port")
        if not port:
            raise LockstepError(f"{self.bench.path} names no webserver_port in common_site_config.json")
        return Transport(self.name, f"127.0.0.1:{port}")

    def outside(self) -> Transport:
        """nginx, as visitors reach it; what nginx reaches where the site shows its maintenance page.

        Raises:
            LockstepError: nginx serves no such site.
        """
        if self.traffic.closed:
            # Where visitors of this release would get to, which need not be where all the others do.
            return Transport(self.name, f"unix:{os.path.join(self.traffic.folder, self._side() or LIVE, WEB)}")
        fronts = self.fronts()
        front = next((front for front in fronts if not front["redirect"]), fronts[0])
        return self._door(front, front["listens"][0])

    def doors(self) -> list[Door]:
        """Every address nginx serves the site on.

        Raises:
            LockstepError: nginx serves no such site.
        """
        return [
            Door(self._door(front, listen), tuple(front["names"]), bool(front["redirect"]))
            for front in self.fronts()
            for listen in front["listens"]
        ]

    def _door(self, front: t.Mapping[str, t.Any], listen: tuple[str, t.Sequence[str]]) -> Transport:
        given, options = listen
        host, _colon, port = address((given,)).rpartition(":")
        names = [name for name in front["names"] if not name.startswith("*")]
        name = self.name if self.name in names else (names or [self.name])[0]
        where = f"{_EVERYWHERE.get(host, host)}:{port}"
        return Transport(name, where, tls="ssl" in options, verify=False, side=self._side())

    def _side(self) -> str | None:
        """Which side of shared visitors the release is; None for a bench that was not adopted."""
        if self.release is None:
            return None
        return CANDIDATE if self.traffic.slots.candidate() == self.context.runtime(self.release).folder else LIVE

    def fronts(self) -> list[dict[str, t.Any]]:
        """The servers of nginx that lead to the site: as recorded, else as nginx has them.

        Raises:
            LockstepError: nginx serves no such site.
        """
        known = self.context.record.sites() if self.context.record.exists() else {}
        if self.name in known:
            return list(known[self.name]["fronts"])
        found = adopt.find(Fronts(self.context).nginx.configuration(), self.name)
        if found is None:
            raise LockstepError(f"nginx serves no site {self.name}")
        return [
            {
                "names": front.names,
                "listens": [(listen.address, listen.options) for listen in front.listens],
                "redirect": front.redirect,
            }
            for front in found.fronts
        ]
