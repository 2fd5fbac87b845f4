# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which app needs which: explicit and declared requirements united, checked against what is there."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import requirements
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_apps import FRAMEWORK, with_framework
from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import CycleError, Graph
from ansible_collections.lockstep.deploy.plugins.plugin_utils.pinning import Pinned
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import repository_name


@dataclasses.dataclass
class Resolution:
    """The apps' dependency graph, and what is wrong with it.

    Args:
        requires: App → app it needs → range it must be in (empty: any).
        graph: The graph over the apps of the deployment; None when it has cycles.
        missing: Apps that are needed and neither in the deployment nor installed.
        conflicts: Who requires what, and what is there.
        problems: One for each missing app, conflict and cycle.
        warnings: Ranges that could not be checked.
    """

    requires: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    graph: Graph | None = None
    missing: list[str] = dataclasses.field(default_factory=list)
    conflicts: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def as_plan(self) -> dict[str, t.Any]:
        """The part of the plan that carries S0's names."""
        resolved = self.graph.order() if self.graph and not self.missing and not self.conflicts else []
        return {"resolved": resolved, "missing": self.missing, "conflicts": self.conflicts}


def resolve(
    deployment: Deployment, pinned: t.Mapping[str, Pinned], installed: t.Mapping[str, str | None]
) -> Resolution:
    """Unite requirements and check them.

    Args:
        deployment: The deployment.
        pinned: Its apps at their commits; those that could not be pinned are absent and not held against others.
        installed: Apps that are on the benches already, with their versions where known.

    Returns:
        The resolution; its problems are empty when the deployment can go on.
    """
    found = Resolution()
    names = _Names(deployment)
    for app in deployment.apps:
        found.requires[app["name"]] = _requirements(app, pinned.get(app["name"]), names)
    found.missing = _find_missing(deployment, found, installed)
    versions = {name: _version(name, pinned, installed) for name in {*found.requires, *installed}}
    _find_conflicts(deployment, found, versions)
    needs = {name: [other for other in needed if other in found.requires] for name, needed in found.requires.items()}
    try:
        found.graph = Graph(with_framework(needs))
    except CycleError as error:
        for cycle in error.cycles:
            path = deployment.app_paths[cycle[0]]
            message = f"found the cycle {' → '.join(cycle)}; expected no app to need itself"
            found.problems.append(deployment.problem(path, message))
    return found


class _Names:
    """Apps by the names others call them: their own, or that of their repository (``org/india-compliance``)."""

    def __init__(self, deployment: Deployment) -> None:
        names: list[str] = [app["name"] for app in deployment.apps]
        by_repository = [requirements.app_name(repository_name(app["source"])) for app in deployment.apps]
        self._names: dict[str, str] = {**dict(zip(by_repository, names, strict=True)), **{name: name for name in names}}

    def __getitem__(self, name: str) -> str:
        return self._names.get(name, name)


def _requirements(app: dict[str, t.Any], pinned: Pinned | None, names: _Names) -> dict[str, str]:
    ranges: dict[str, list[str]] = {names[name]: [limits] for name, limits in app["requires"].items()}
    for needed in pinned.declaration.requires if pinned else ():
        if names[needed.name] != app["name"]:
            ranges.setdefault(names[needed.name], []).append(needed.range)
    return {name: ",".join(dict.fromkeys(one for one in limits if one)) for name, limits in ranges.items()}


def _version(name: str, pinned: t.Mapping[str, Pinned], installed: t.Mapping[str, str | None]) -> str | None:
    return pinned[name].declaration.version if name in pinned else installed.get(name)


def _find_missing(deployment: Deployment, found: Resolution, installed: t.Mapping[str, str | None]) -> list[str]:
    there = {*found.requires, *installed}
    who: dict[str, list[str]] = {}
    for name, needed in found.requires.items():
        for other in needed:
            if other not in there:
                who.setdefault(other, []).append(name)
    if FRAMEWORK not in found.requires:
        # A release is built from the listed apps alone, whatever an older one has.
        who.setdefault(FRAMEWORK, [])
    for missing, needing in who.items():
        path: Path = deployment.app_paths[needing[0]] if needing else ("apps",)
        requirer = (
            f"{_words(needing)} require{'s' if len(needing) == 1 else ''} it" if needing else "every app needs it"
        )
        message = f'found no app "{missing}", and {requirer}; expected it among the apps'
        found.problems.append(deployment.problem(path, message))
    return list(who)


def _find_conflicts(deployment: Deployment, found: Resolution, versions: t.Mapping[str, str | None]) -> None:
    for name in versions:
        wanted = {app: needed[name] for app, needed in found.requires.items() if needed.get(name)}
        if not wanted:
            continue
        version = versions[name]
        if version is None:
            found.warnings.append(f"{name} says no version, so {_who(wanted)} could not be checked")
            continue
        try:
            refused = {app: limits for app, limits in wanted.items() if not requirements.matches(version, limits)}
        except ValueError as error:
            found.warnings.append(f"{name}: {error}, so {_who(wanted)} could not be checked")
            continue
        if refused:
            found.conflicts.append({"app": name, "version": version, "required": wanted, "refused": list(refused)})
            path = deployment.app_paths.get(name, deployment.app_paths[next(iter(refused))])
            message = f"found {name} {version}; {_who(refused)}; expected a version that all of them accept"
            found.problems.append(deployment.problem(path, message))


def _who(wanted: t.Mapping[str, str]) -> str:
    return _words([f"{app} requires {limits}" for app, limits in wanted.items()])


def _words(items: t.Sequence[str]) -> str:
    """A list in a sentence: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(items[:-1]), items[-1]) if part)
