# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benches of a deployment file: one mapping per bench and server."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_apps import Apps
from ansible_collections.lockstep.deploy.plugins.plugin_utils.options import Choices
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem
from ansible_collections.lockstep.deploy.plugins.plugin_utils.requirements import app_name

DEFAULT_USER = "frappe"
DEFAULT_BENCH = "frappe-bench"
DEFAULT_SERVER = "localhost"
# Where a driver takes loopback ports from when the file says nothing.
FIRST_PORT, LAST_PORT = 21000, 29999
_RESOLVED = ("name", "server", "servers", "path", "root", "user", "apps")


@dataclasses.dataclass
class Benches:
    """Benches as read, and what is wrong with them."""

    instances: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    paths: dict[str, Path] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    incomplete: bool = False


def read_benches(raw: t.Any, sites: list[t.Any], servers: list[str], apps: Apps, choices: Choices) -> Benches:
    """Read the benches.

    Args:
        raw: The file's ``benches``, None when there are none.
        sites: The file's sites, for benches that don't say on which server they are.
        servers: Names of the servers the file defines.
        apps: The apps.
        choices: Where the bench is that the file doesn't describe.

    Returns:
        The benches, with problems.
    """
    found = Benches()
    entries = list(_entries(raw, choices, found))
    for path, name, spec in entries:
        if name in found.paths:
            message = f'found the bench "{name}" twice; expected once (with servers, where it is on several)'
            found.problems.append(Problem(path, message))
            continue
        found.paths[name] = path
        names = _servers(path, name, spec, sites, servers, choices, found, len(entries) == 1)
        found.instances.extend(_instance(name, server, spec, apps, choices) for server in names)
        _check(path, spec, apps, found)
    _check_places(found)
    return found


def _entries(raw: t.Any, choices: Choices, found: Benches) -> t.Iterator[tuple[Path, str, dict[str, t.Any]]]:
    if raw is None:
        name = os.path.basename((choices.bench_path or DEFAULT_BENCH).rstrip("/"))
        yield (), name, {}
    elif isinstance(raw, dict):
        for name, spec in raw.items():
            if spec and spec.get("name", name) != name:
                message = f'found "{spec["name"]}" for the bench "{name}"; expected the same name or none'
                found.problems.append(Problem(("benches", name, "name"), message))
            yield ("benches", name), name, spec or {}
    else:
        for at, spec in enumerate(raw):
            if spec is None:
                found.incomplete = True
            else:
                yield ("benches", at), spec["name"], spec


def _servers(
    path: Path,
    name: str,
    spec: dict[str, t.Any],
    sites: list[t.Any],
    servers: list[str],
    choices: Choices,
    found: Benches,
    is_only: bool,
) -> list[str]:
    """Where a bench is: what it says, else what its sites say, else the server everything is on."""
    if "server" in spec and "servers" in spec:
        found.problems.append(Problem((*path, "servers"), "found beside server; expected one of both"))
    if "server" in spec:
        return [spec["server"]]
    if "servers" in spec:
        return list(spec["servers"])
    named = dict.fromkeys(
        site["server"]
        for site in sites
        if isinstance(site, dict) and "server" in site and site.get("bench", name if is_only else None) == name
    )
    if named:
        return list(named)
    if choices.server is None and len(servers) > 1:
        message = f"says no server, and there are several; expected one of {', '.join(servers)} as server or servers"
        found.problems.append(Problem(path or ("benches",), message))
    return [choices.server or (servers[0] if servers else DEFAULT_SERVER)]


def _instance(name: str, server: str, spec: dict[str, t.Any], apps: Apps, choices: Choices) -> dict[str, t.Any]:
    user = spec.get("user") or choices.bench_user
    path = (spec.get("path") or choices.bench_path or f"/home/{user or DEFAULT_USER}/{name}").rstrip("/")
    chosen = [app_name(app) for app in spec.get("apps", ())]
    return {
        "name": name,
        "server": server,
        "path": path,
        "root": spec.get("root", "").rstrip("/") or os.path.join(os.path.dirname(path), "lockstep", name),
        "user": user,
        "apps": apps.complete(chosen) if chosen else list(apps.order),
        **{key: value for key, value in spec.items() if key not in _RESOLVED},
    }


def _check(path: Path, spec: dict[str, t.Any], apps: Apps, found: Benches) -> None:
    for at, name in enumerate(spec.get("apps", ())):
        if app_name(name) not in apps.order and not apps.incomplete:
            message = f'found "{name}", which is no app of this file; expected one of {", ".join(apps.order)}'
            found.problems.append(Problem((*path, "apps", at), message))
    ports = spec.get("ports")
    if ports and ports.get("first", FIRST_PORT) > ports.get("last", LAST_PORT):
        first, last = ports.get("first", FIRST_PORT), ports.get("last", LAST_PORT)
        message = f"found {first} to {last}; expected first to be the smaller one"
        found.problems.append(Problem((*path, "ports"), message))


def _check_places(found: Benches) -> None:
    """Two benches on one server can't be in one place."""
    for key in ("path", "root"):
        places: dict[tuple[str, str], str] = {}
        for bench in found.instances:
            other = places.setdefault((bench["server"], bench[key]), bench["name"])
            if other != bench["name"]:
                message = f'found {bench[key]}, where the bench "{other}" is already; expected a folder of its own'
                found.problems.append(Problem((*found.paths[bench["name"]], key), message))
