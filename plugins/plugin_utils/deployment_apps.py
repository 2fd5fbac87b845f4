# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a deployment file: names, sources, explicit requirements."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import requirements, urls
from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import CycleError, Graph
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem

FRAMEWORK = "frappe"


@dataclasses.dataclass
class Apps:
    """Apps as read, and what is wrong with them."""

    apps: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    order: list[str] = dataclasses.field(default_factory=list)
    paths: dict[str, Path] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    incomplete: bool = False
    graph: Graph | None = None

    def complete(self, names: t.Iterable[str]) -> list[str]:
        """The apps named, what they need explicitly, and the framework, each after what it needs."""
        wanted = set(names) | ({FRAMEWORK} if FRAMEWORK in self.order else set())
        known = wanted & set(self.order)
        return self.graph.closure(known) if self.graph else [name for name in self.order if name in known]


def with_framework(needs: t.Mapping[str, t.Collection[str]]) -> dict[str, list[str]]:
    """The graph in which every app comes after the framework, as every Frappe app needs it without saying so.

    Only apps that need nothing else get the edge: the others come after it anyway, and a plan stays readable.
    """
    found = {name: list(needed) for name, needed in needs.items()}
    if FRAMEWORK not in found:
        return found
    below, waiting = {FRAMEWORK}, list(found[FRAMEWORK])
    while waiting:
        name = waiting.pop()
        if name not in below:
            below.add(name)
            waiting.extend(found.get(name, ()))
    return {name: needed or ([] if name in below else [FRAMEWORK]) for name, needed in found.items()}


def read_apps(raw: list[dict[str, t.Any] | None], dependencies: t.Mapping[str, t.Any], base: str) -> Apps:
    """Read the apps.

    Args:
        raw: Entries of ``apps``; None for those already refused.
        dependencies: The file's ``dependencies``.
        base: Folder that relative sources start from.

    Returns:
        The apps, in the file's order, with problems and warnings.
    """
    found = Apps(incomplete=None in raw)
    first: dict[str, int] = {}
    for at, entry in enumerate(raw):
        if entry is None:
            continue
        name = requirements.app_name(entry["name"])
        if name in first:
            message = f'found "{name}" twice (first at apps[{first[name]}]); expected once'
            found.problems.append(Problem(("apps", at, "name"), message))
            continue
        first[name] = at
        found.paths[name] = ("apps", at)
        try:
            urls.parse(entry["source"], base)
        except ValueError as error:
            found.problems.append(Problem(("apps", at, "source"), str(error)))
        found.warnings.extend(literal_templates(f"apps[{at}].config", entry.get("config")))
        found.apps.append(
            {
                "name": name,
                "version": entry.get("version"),
                "source": entry["source"],
                "config": entry.get("config") or {},
                "requires": _own_requirements(entry, at, found),
            }
        )
    _add_dependencies(dependencies, found)
    _find_order(found)
    return found


def _own_requirements(entry: dict[str, t.Any], at: int, found: Apps) -> dict[str, str]:
    both = [name for name in ("requires", "dependencies") if name in entry]
    if len(both) == 2:
        found.problems.append(Problem(("apps", at, "dependencies"), "means the same as requires; expected one of both"))
    return _requirements(entry[both[0]], ("apps", at, both[0]), found) if both else {}


def _requirements(raw: t.Any, path: Path, found: Apps) -> dict[str, str]:
    """Requirements given as a list of names or as a mapping of ranges, as name → range."""
    result: dict[str, str] = {}
    entries: t.Iterable[tuple[t.Any, t.Any]] = enumerate(raw) if isinstance(raw, list) else raw.items()
    for key, value in entries:
        try:
            if isinstance(raw, list):
                need = requirements.parse(value)
            else:
                requirements.check_range(value)
                need = requirements.Requirement(requirements.app_name(key), requirements.clean(value))
        except ValueError as error:
            found.problems.append(Problem((*path, key), f"found {error}"))
            continue
        result[need.name] = need.range
    return result


def _add_dependencies(dependencies: t.Mapping[str, t.Any], found: Apps) -> None:
    by_name = {app["name"]: app for app in found.apps}
    for name, raw in dependencies.items():
        needed = _requirements(raw, ("dependencies", name), found)
        app = by_name.get(requirements.app_name(name))
        if app is None:
            if not found.incomplete:
                known = ", ".join(by_name) or "none"
                message = f'found "{name}", which is no app of this file; expected one of {known}'
                found.problems.append(Problem(("dependencies", name), message))
            continue
        for needed_name, limits in needed.items():
            both = (app["requires"].get(needed_name, ""), limits)
            app["requires"][needed_name] = ",".join(dict.fromkeys(one for one in both if one))


def _find_order(found: Apps) -> None:
    known = {app["name"] for app in found.apps}
    needs = {app["name"]: [name for name in app["requires"] if name in known] for app in found.apps}
    try:
        found.graph = Graph(with_framework(needs))
        found.order = found.graph.order()
    except CycleError as error:
        found.order = list(needs)
        for cycle in error.cycles:
            chain = " → ".join(cycle)
            found.problems.append(
                Problem(("dependencies",), f"found the cycle {chain}; expected no app to need itself")
            )


def literal_templates(place: str, config: t.Any) -> list[str]:
    """Values that look like templates: they are not templated, and the user should know."""
    names = [name for name, value in (config or {}).items() if isinstance(value, str) and "{{" in value]
    return [f"{place}.{name} contains {{{{ and is taken as it is; keep secrets in !vault values" for name in names]
