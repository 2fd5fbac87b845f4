# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our file in nginx: the sites of every adopted bench of this server, and the bridges of their releases."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import folders
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config, runtime
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.drift import Drift, gravest
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import REALTIME, WEB
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Bridge, Front, Listen, Site, Traffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.projects import Place, ProjectRecords
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.server import Applied, Nginx, Wanted


class Fronts:
    """nginx in front of the benches of a server.

    Args:
        context: One of them; nginx's place is taken from its options.
        projects_of: A deployment whose projects of containers are given, too.
        projects: Those projects, instead of the ones that the records know of it; None to leave these.
    """

    def __init__(
        self,
        context: BenchContext,
        projects_of: str | None = None,
        projects: t.Sequence[t.Mapping[str, t.Any]] | None = None,
    ) -> None:
        self._context = context
        self._options = context.options["nginx"]
        self._projects = ProjectRecords(os.path.join(context.state_dir, "projects"), projects_of, projects)
        self._place = Place(os.path.join(context.state_dir, "traffic"), context.options["runtime_dir"])
        self._socket = os.path.join(runtime.nginx_folder(context.options["runtime_dir"]), "generation.sock")
        self.nginx = Nginx(
            binary=self._options["binary"],
            conf=self._options["conf"],
            prefix=self._options["prefix"],
            conf_dir=self._options["conf_dir"],
            state=os.path.join(context.state_dir, "nginx"),
            generation_socket=self._socket,
        )

    def apply(self, overwrite: bool = False) -> Applied:
        """Bring nginx to what the records say; no reload when it serves that already.

        Args:
            overwrite: Whether our file is written although somebody changed it by hand.

        Raises:
            LockstepError: The new configuration is not in force; the one before is back. Or our file was changed by
                hand.
        """
        folders.ensure(os.path.join(self._context.state_dir, "nginx"), mode=0o700)
        with self._projects.written():
            return self.nginx.bring(self._prepared, overwrite=overwrite)

    def drift(self) -> Drift | None:
        """How our file differs from what the records say; None if it doesn't, or there is nothing to serve yet."""
        found = gravest(self.nginx.look(self._wanted()))
        records = self._context.record.of_server()
        begun = any(record.get("bridges") or record.get("sites") for record in records) or bool(self._projects.all())
        return found if found and (begun or found.by_hand) else None

    def _prepared(self) -> Wanted:
        """The same once what nginx is about to follow is there: sites that an earlier version adopted may lack it."""
        for record in self._context.record.of_server():
            for name in record.get("sites", {}):
                self._context.traffic(name).prepare()
        for project in self._projects.all():
            self._place.prepare(project, runtime.TMPFILES if self._context.is_volatile else "")
        return self._wanted()

    def _wanted(self) -> Wanted:
        rendered = config.render(self._traffic())
        return Wanted({config.FILE: rendered.text}, rendered.generation)

    def bridges(self, slots: t.Mapping[int, t.Mapping[str, int]], adopted: Release) -> list[dict[str, t.Any]]:
        """The bridges of all slots of this bench: realtime of every release, and the web of the adopted one."""
        found: list[dict[str, t.Any]] = []
        for slot, ports in slots.items():
            place = self._context.runtime(adopted._replace(slot=slot, adopted=slot == adopted.slot))
            found.append({"socket": place.bridge(REALTIME), "port": ports["socketio"], "release": None})
            if slot == adopted.slot:
                found.append({"socket": place.bridge(WEB), "port": ports["web"], "release": adopted.id})
        return found

    def _traffic(self) -> Traffic:
        sites: list[Site] = []
        bridges: list[Bridge] = []
        for record in self._context.record.of_server():
            sites.extend(site_of(name, served) for name, served in record.get("sites", {}).items())
            bridges.extend(Bridge(**bridge) for bridge in record.get("bridges", []))
        projects = []
        for project in self._projects.all():
            projects.append(self._place.project(project))
            bridges.extend(self._place.bridges(project))
        return Traffic(
            tuple(sites),
            tuple(bridges),
            generation_socket=self._socket,
            access_log=self._context.access_log,
            projects=tuple(projects),
        )


def served(site: Site) -> dict[str, t.Any]:
    """A site of nginx as a record holds it; the opposite of :func:`site_of`."""
    fronts = [
        {
            "names": list(front.names),
            "listens": [[listen.address, list(listen.options)] for listen in front.listens],
            "carried": [list(words) for words in front.carried],
            "inside": [[place, list(words)] for place, words in front.inside],
            "redirect": front.redirect,
        }
        for front in site.fronts
    ]
    return {
        "traffic": site.traffic,
        "data": site.data,
        "fronts": fronts,
        "body_size": site.body_size,
        "timeout": site.timeout,
        "access_logs": [list(words) for words in site.access_logs],
    }


def site_of(name: str, found: t.Mapping[str, t.Any]) -> Site:
    """A site of nginx from its record; the opposite of :func:`served`."""
    fronts = tuple(
        Front(
            names=tuple(front["names"]),
            listens=tuple(Listen(address, tuple(options)) for address, options in front["listens"]),
            carried=tuple(tuple(words) for words in front["carried"]),
            # Sites that were adopted before locations were looked at have none.
            inside=tuple((place, tuple(words)) for place, words in front.get("inside", [])),
            redirect=front["redirect"],
        )
        for front in found["fronts"]
    )
    return Site(
        name=name,
        traffic=found["traffic"],
        data=found["data"],
        fronts=fronts,
        body_size=found["body_size"],
        timeout=found["timeout"],
        access_logs=tuple(tuple(words) for words in found["access_logs"]),
    )
