# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites of a deployment file, each with its bench, server, apps and settings."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_apps import Apps, literal_templates
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_benches import Benches
from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import CycleError, Graph
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem, dotted
from ansible_collections.lockstep.deploy.plugins.plugin_utils.requirements import app_name

# Names that mean something else: to Ansible, to this collection, or as an entry beside the sites of a bench.
RESERVED = frozenset(
    ("all", "ungrouped", "lockstep_controller", "assets", "apps.txt", "apps.json", "common_site_config.json")
)


@dataclasses.dataclass
class Sites:
    """Sites as read, and what is wrong with them."""

    sites: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    paths: dict[str, Path] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def read_sites(raw: list[t.Any], benches: Benches, apps: Apps) -> Sites:
    """Read the sites.

    Args:
        raw: Entries of ``sites``: names, mappings, None for those already refused.
        benches: The benches they live on.
        apps: The apps they get.

    Returns:
        The sites, in the file's order, with problems and warnings. Equal parts are shared between sites, so that
        thousands of them stay small; nobody may change them in place.
    """
    return _Reader(benches, apps).read(raw)


class _Reader:
    """Reads sites one by one; what many have in common is made once."""

    def __init__(self, benches: Benches, apps: Apps) -> None:
        self._apps = apps
        self._config = {app["name"]: app["config"] for app in apps.apps}
        self._incomplete = benches.incomplete
        self._benches: dict[str, list[dict[str, t.Any]]] = {}
        for bench in benches.instances:
            self._benches.setdefault(bench["name"], []).append(bench)
        self._configs: dict[tuple[str, ...], dict[str, t.Any]] = {}
        self._nothing: list[t.Any] = []
        self._found = Sites()
        self._plain: dict[str, t.Any] | None = None

    def read(self, raw: list[t.Any]) -> Sites:
        for at, entry in enumerate(raw):
            if entry is None:
                continue
            name = entry if isinstance(entry, str) else entry["name"]
            if self._is_free(name, at):
                self._found.paths[name] = ("sites", at)
                site = self._read_plain(name, at) if isinstance(entry, str) else self._read_mapping(entry, at)
                if site is not None:
                    self._found.sites.append(site)
        self._check_order(complete=None not in raw)
        self._check_domains()
        return self._found

    def _refuse(self, path: Path, message: str) -> None:
        self._found.problems.append(Problem(path, message))

    def _is_free(self, name: str, at: int) -> bool:
        if name in self._found.paths:
            message = f'found the site "{name}" twice (first at {dotted(self._found.paths[name])}); expected once'
            self._refuse(("sites", at), message)
        elif name in RESERVED:
            self._refuse(("sites", at), f'found "{name}", which means something else; expected another name')
        else:
            return True
        return False

    def _read_plain(self, name: str, at: int) -> dict[str, t.Any] | None:
        if self._plain is None:
            self._plain = self._read_mapping({"name": name}, at)
            return self._plain
        return {**self._plain, "name": name, "domains": [name]}

    def _read_mapping(self, entry: dict[str, t.Any], at: int) -> dict[str, t.Any] | None:
        bench = self._bench(entry, at)
        if bench is None:
            return None
        chosen = self._chosen_apps(entry, at, bench)
        self._found.warnings.extend(literal_templates(f"sites[{at}].config", entry.get("config")))
        shared = self._shared_config(chosen)
        return {
            "name": entry["name"],
            "bench": bench["name"],
            "server": bench["server"],
            "apps": chosen,
            "domains": entry.get("domains") or [entry["name"]],
            "config": {**shared, **entry["config"]} if entry.get("config") else shared,
            "depends_on": entry.get("depends_on") or self._nothing,
            "health": [_endpoint(one) for one in entry["health"]] if entry.get("health") else self._nothing,
            "smoke_tests": entry.get("smoke_tests") or self._nothing,
            "performance_paths": entry.get("performance_paths") or self._nothing,
            "dns": entry.get("dns") or self._nothing,
        }

    def _bench(self, entry: dict[str, t.Any], at: int) -> dict[str, t.Any] | None:
        """The instance of a bench that a site lives on."""
        path, name = ("sites", at), entry.get("bench")
        known = ", ".join(self._benches)
        if name is None and len(self._benches) > 1:
            self._refuse(path, f"names no bench, and there are several; expected one of {known}")
        elif name is not None and name not in self._benches:
            if not self._incomplete:
                message = f'found "{name}", which is no bench of this file; expected one of {known}'
                self._refuse((*path, "bench"), message)
        elif self._benches:
            return self._instance(entry, path, self._benches[name or next(iter(self._benches))])
        return None

    def _instance(self, entry: dict[str, t.Any], path: Path, places: list[dict[str, t.Any]]) -> dict[str, t.Any] | None:
        server, bench = entry.get("server"), places[0]["name"]
        known = ", ".join(place["server"] for place in places)
        if server is None and len(places) > 1:
            self._refuse(path, f'names no server, and its bench "{bench}" is on several; expected one of {known}')
            return None
        found = next((place for place in places if server in (None, place["server"])), None)
        if found is None:
            message = f'found "{server}", which is no server of its bench "{bench}"; expected {known}'
            self._refuse((*path, "server"), message)
        return found

    def _chosen_apps(self, entry: dict[str, t.Any], at: int, bench: dict[str, t.Any]) -> list[str]:
        there: list[str] = bench["apps"]
        if "apps" not in entry:
            return there
        wanted = [app_name(name) for name in entry["apps"]]
        for position, name in enumerate(wanted):
            if name not in there and not self._apps.incomplete:
                message = f'found "{name}", which its bench does not have; expected one of {", ".join(there)}'
                self._refuse(("sites", at, "apps", position), message)
        return self._apps.complete(wanted)

    def _shared_config(self, chosen: list[str]) -> dict[str, t.Any]:
        """What the apps of a site put into its configuration, a later app over an earlier one."""
        key = tuple(chosen)
        if key not in self._configs:
            merged: dict[str, t.Any] = {}
            for name in chosen:
                merged.update(self._config.get(name, {}))
            self._configs[key] = merged
        return self._configs[key]

    def _check_order(self, complete: bool) -> None:
        if not any(site["depends_on"] for site in self._found.sites):
            return
        needs = {site["name"]: site["depends_on"] for site in self._found.sites}
        for name, needed in needs.items():
            for position, other in enumerate(needed):
                if other not in self._found.paths and complete:
                    message = f'found "{other}", which is no site of this file; expected one of its sites'
                    self._refuse((*self._found.paths[name], "depends_on", position), message)
        try:
            Graph({name: [other for other in needed if other in needs] for name, needed in needs.items()})
        except CycleError as error:
            for cycle in error.cycles:
                message = f"found the cycle {' → '.join(cycle)}; expected no site to wait for itself"
                self._refuse((*self._found.paths[cycle[0]], "depends_on"), message)

    def _check_domains(self) -> None:
        """nginx takes the first of two servers with one name and ignores the other without a word."""
        owners: dict[tuple[str, str], str] = {}
        for site in self._found.sites:
            for domain in site["domains"]:
                owner = owners.setdefault((site["server"], domain.lower()), site["name"])
                if owner != site["name"]:
                    message = f'found the domain "{domain}", which "{owner}" has too; expected each once per server'
                    self._refuse((*self._found.paths[site["name"]], "domains"), message)


def _endpoint(given: str | dict[str, t.Any]) -> dict[str, t.Any]:
    """A health endpoint as checks take it: its path, and what the answer must be."""
    if isinstance(given, str):
        return {"path": given}
    status = given.get("status", 200)
    statuses = [str(one) for one in (status if isinstance(status, list) else [status])]
    return {**given, "status": statuses}
