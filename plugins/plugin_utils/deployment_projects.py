# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The projects of a deployment file, in the form of S2: domains by environment, containers, the locations of an API."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem, dotted

#: What isn't said of a project.
_BODY_SIZE, _TIMEOUT = "50m", 60


@dataclasses.dataclass
class Projects:
    """Projects as read, and what is wrong with them."""

    projects: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def read_projects(
    raw: t.Mapping[str, t.Any],
    environment: str,
    servers: t.Sequence[str],
    sites: t.Sequence[t.Mapping[str, t.Any]],
) -> Projects:
    """Read the projects.

    Args:
        raw: The mapping ``projects``, by name.
        environment: Which of their domains are meant.
        servers: The servers with a bench, whose nginx is ours to write; empty where what is known is not complete.
        sites: Its sites, whose domains are taken.

    Returns:
        The projects that have a domain in this environment, each with ``name``, ``server``, ``domains``, ``tls``,
        ``body_size``, ``timeout`` and ``containers`` (``key``, ``name``, ``port``, ``published``, ``api_locations``).
    """
    return _Reader(environment, servers, sites).read(raw)


class _Reader:
    """Reads projects one by one, and remembers what may be there once only."""

    def __init__(self, environment: str, servers: t.Sequence[str], sites: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        self._environment = environment
        self._servers = list(servers)
        self._domains = {(site["server"], name.lower()): site["name"] for site in sites for name in site["domains"]}
        self._sites = {(site["server"], site["name"]) for site in sites}
        self._ports: dict[tuple[str, int], Path] = {}
        self._found = Projects()

    def read(self, raw: t.Mapping[str, t.Any]) -> Projects:
        for name, entry in raw.items():
            self._read_one(name, entry)
        return self._found

    def _refuse(self, path: Path, message: str) -> None:
        self._found.problems.append(Problem(path, message))

    def _read_one(self, name: str, entry: t.Mapping[str, t.Any]) -> None:
        path: Path = ("projects", name)
        server = self._server(entry, path)
        if (server, name) in self._sites:
            self._refuse(path, "is called as a site is; expected another name, by which nginx's log tells them apart")
        # What was refused already is missing.
        containers = self._containers(entry.get("containers") or {}, server, (*path, "containers"))
        known = entry.get("domains") or {}
        given = known.get(self._environment)
        if given is None:
            others = ", ".join(known)
            self._found.warnings.append(
                f"projects.{name} has no domain in {self._environment} (but in {others}), so nginx does not serve it"
            )
            return
        domains = [given] if isinstance(given, str) else list(given)
        self._claim(name, server, domains, (*path, "domains", self._environment))
        self._found.projects.append(
            {
                "name": name,
                "server": server,
                "domains": domains,
                "tls": entry.get("tls"),
                "listen": list(entry.get("listen") or []),
                "body_size": entry.get("body_size", _BODY_SIZE),
                "timeout": entry.get("timeout", _TIMEOUT),
                "containers": containers,
            }
        )

    def _server(self, entry: t.Mapping[str, t.Any], path: Path) -> str:
        given = entry.get("server")
        known = ", ".join(self._servers)
        if self._servers and given is not None and given not in self._servers:
            message = (
                f'found "{given}", which has no bench, and nginx is written on servers with one only; expected {known}'
            )
            self._refuse((*path, "server"), message)
        elif given is None and len(self._servers) > 1:
            self._refuse(path, f"names no server, and there are several; expected one of {known}")
        return str(given or next(iter(self._servers), "localhost"))

    def _containers(self, raw: t.Mapping[str, t.Any], server: str, path: Path) -> list[dict[str, t.Any]]:
        rest = [key for key, entry in raw.items() if not entry.get("api_locations")]
        if len(rest) > 1:
            message = (
                f"found no api_locations in {' and '.join(rest)}; expected them in all but one, which gets the rest"
            )
            self._refuse(path, message)
        owners: dict[str, str] = {}
        for key, entry in raw.items():
            for at, location in enumerate(entry.get("api_locations") or []):
                owner = owners.setdefault(_tidy(location), key)
                if owner != key or [_tidy(one) for one in entry["api_locations"]].index(_tidy(location)) != at:
                    message = f'found "{location}" twice (first in {owner}); expected each location once'
                    self._refuse((*path, key, "api_locations", at), message)
            self._publish(entry.get("published"), server, (*path, key, "published"))
        return [
            {
                "key": key,
                "name": entry["name"],
                "port": entry.get("port"),
                "published": entry.get("published"),
                "api_locations": [_tidy(one) for one in entry.get("api_locations") or []],
            }
            for key, entry in raw.items()
        ]

    def _publish(self, port: int | None, server: str, path: Path) -> None:
        if port is None:
            return
        first = self._ports.setdefault((server, port), path)
        if first != path:
            self._refuse(path, f"found port {port} twice on {server} (first at {dotted(first)}); expected each once")

    def _claim(self, name: str, server: str, domains: t.Sequence[str], path: Path) -> None:
        """nginx takes the first of two servers with one name and ignores the other without a word."""
        for domain in domains:
            owner = self._domains.setdefault((server, domain.lower()), name)
            if owner != name:
                message = f'found the domain "{domain}", which "{owner}" has too; expected each once per server'
                self._refuse(path, message)


def _tidy(location: str) -> str:
    """A location without a slash behind it: what is below belongs to it in any case."""
    return location.rstrip("/") or "/"
