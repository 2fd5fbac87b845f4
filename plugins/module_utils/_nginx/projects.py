# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Projects of containers in nginx: what is below the locations of an API goes to one of them, the rest to another.

Each container has links of its own, as a site has. nginx follows ``live`` among them to a socket, so whoever replaces
that link switches the container, without a reload. A container that listens on a port only is behind a bridge.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import links, model
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import WEB, SiteTraffic, short_id
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import quote
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.runtime import Runtime

_SIZE = re.compile(r"[0-9]+[kKmMgG]?")
_PLAIN_LISTEN = (model.Listen("80"), model.Listen("[::]:80"))
_TLS_LISTEN = (model.Listen("443", ("ssl",)), model.Listen("[::]:443", ("ssl",)))

Lines = list[str]


@dataclass(frozen=True)
class Container:
    """One container of a project.

    Args:
        name: Its name.
        traffic: Folder with its links.
        locations: Paths that it gets with what is below them; none for all that no other one gets.
    """

    name: str
    traffic: str
    locations: model.Words = ()

    def __post_init__(self) -> None:
        model.path(self.traffic)
        for location in self.locations:
            model.path(location)


@dataclass(frozen=True)
class Project:
    """One project, which nginx serves by names of its own.

    Args:
        name: Its name.
        traffic: Folder with the files that close it to visitors; see :mod:`.gate`.
        fronts: The servers that lead to it.
        containers: At most one of them without locations.
        body_size: Largest request, as nginx writes it.
        timeout: Seconds a container may be silent before nginx gives up.
    """

    name: str
    traffic: str
    fronts: tuple[model.Front, ...]
    containers: tuple[Container, ...]
    body_size: str = "50m"
    timeout: int = 60

    def __post_init__(self) -> None:
        model.name(self.name)
        model.path(self.traffic)
        if not _SIZE.fullmatch(self.body_size) or self.timeout < 1:
            raise LockstepError(f"{self.name} needs a size as nginx writes it and a timeout of at least a second")
        locations = [location for container in self.containers for location in container.locations]
        rest = [container.name for container in self.containers if not container.locations]
        if len(set(locations)) < len(locations) or len(rest) > 1:
            raise LockstepError(f"{self.name} leads from one location to several containers")


def directives(project: Project, access_log: str) -> Lines:
    """What a project's server says beside its locations."""
    return [
        "",
        f"access_log {access_log} lockstep_json;",
        "open_file_cache off;",
        f"client_max_body_size {project.body_size};",
        "proxy_http_version 1.1;",
        "proxy_set_header Host $host;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Host $host;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $lockstep_connection;",
        f"proxy_read_timeout {project.timeout}s;",
        f"proxy_send_timeout {project.timeout}s;",
        "proxy_redirect off;",
    ]


def locations(project: Project) -> t.Iterator[tuple[str, Lines]]:
    """Where each request goes: the match of a location, and what is in it."""
    for container in project.containers:
        lines = [f"proxy_pass http://unix:{container.traffic}/live/{WEB};"]
        if not container.locations or "/" in container.locations:
            yield "/", lines
        # /api is the API, and so is /api/x, but not /apidocs.
        below = "|".join(re.escape(one) for one in sorted(container.locations) if one != "/")
        if below:
            yield f"~ {quote(f'^({below})(/|$)')}", lines
    if all(container.locations and "/" not in container.locations for container in project.containers):
        yield "/", ["return 404;"]


class ProjectRecords:
    """What deployment files said of the projects of one server, a record for each deployment.

    Args:
        folder: Where they lie.
        owner: The deployment that says something new; others may have projects of the same name.
        given: Its projects in the one form of a deployment file; None where nothing new is said.
    """

    def __init__(
        self, folder: str, owner: str | None = None, given: t.Sequence[t.Mapping[str, t.Any]] | None = None
    ) -> None:
        self._folder = folder
        self._path = os.path.join(folder, f"{short_id(owner or '')}.json")
        self._given = None if given is None else [{**one, "id": f"{owner}/{one['name']}"} for one in given]

    def all(self) -> list[dict[str, t.Any]]:
        """The projects of all deployments, what is new instead of what was known."""
        paths = sorted(glob.glob(os.path.join(self._folder, "*.json")))
        known = [path for path in paths if self._given is None or path != self._path]
        return [*(project for path in known for project in self._read(path)), *(self._given or [])]

    @contextlib.contextmanager
    def written(self) -> t.Iterator[None]:
        """Write down what is new; when what follows fails, what was known is there again."""
        before = self._read(self._path)
        new = self._given is not None and self._given != before
        if new:
            self._write(self._given)
        try:
            yield
        except BaseException:
            if new:
                self._write(before)
            raise

    def _read(self, path: str) -> list[dict[str, t.Any]]:
        return list(atomic.read_json(path, {}).get("projects", []))

    def _write(self, projects: t.Sequence[t.Mapping[str, t.Any]] | None) -> None:
        folders.ensure(self._folder, mode=0o700)
        atomic.write_json(self._path, {"projects": list(projects or [])})


class Place:
    """The projects of one server, from the records of what a deployment file says of them.

    Args:
        traffic: Folder of all links.
        sockets: Folder of all sockets.
    """

    def __init__(self, traffic: str, sockets: str) -> None:
        self._traffic = traffic
        self._sockets = sockets

    def project(self, found: t.Mapping[str, t.Any]) -> Project:
        """A project from its record: ``id``, and what a deployment file says of it in its one form."""
        return Project(
            name=found["name"],
            traffic=self._links(found["id"]).folder,
            fronts=_fronts(found),
            containers=tuple(
                Container(one["name"], self._links(_id(found, one)).folder, tuple(one["api_locations"]))
                for one in found["containers"]
            ),
            body_size=found["body_size"],
            timeout=found["timeout"],
        )

    def bridges(self, found: t.Mapping[str, t.Any]) -> list[model.Bridge]:
        """The bridges to ports that containers are published at."""
        return [
            model.Bridge(self._runtime(_id(found, one)).bridge(WEB), one["published"])
            for one in found["containers"]
            if one["published"]
        ]

    def prepare(self, found: t.Mapping[str, t.Any], tmpfiles: str) -> None:
        """Make the links that nginx follows. One that leads somewhere is left: who deploys the container moved it."""
        self._links(found["id"]).prepare()
        for one in found["containers"]:
            found_links = self._links(_id(found, one))
            found_links.prepare()
            if one["published"]:
                runtime = self._runtime(_id(found, one))
                runtime.prepare(tmpfiles)
                if found_links.current() is None:
                    links.switch(found_links.live, runtime.folder)

    def _links(self, name: str) -> SiteTraffic:
        return SiteTraffic(name, self._traffic)

    def _runtime(self, name: str) -> Runtime:
        return Runtime(name, "root", "/nonexistent", bridged=(WEB,), root=self._sockets)


def _id(found: t.Mapping[str, t.Any], container: t.Mapping[str, t.Any]) -> str:
    return f"{found['id']}/{container['key']}"


def _fronts(found: t.Mapping[str, t.Any]) -> tuple[model.Front, ...]:
    names, tls = tuple(found["domains"]), found.get("tls")
    plain = tuple(model.Listen(*_listen(text)) for text in found.get("listen") or ()) or _PLAIN_LISTEN
    if not tls:
        return (model.Front(names, plain),)
    carried = model.tls(tls["certificate"], tls["key"])
    return model.Front(names, plain, redirect=True), model.Front(names, _TLS_LISTEN, carried)


def _listen(text: str) -> tuple[str, model.Words]:
    address, *options = str(text).split()
    return address, tuple(options)
