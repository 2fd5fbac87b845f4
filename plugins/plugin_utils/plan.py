# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: what happens to which unit in which order, pinned, with its way back."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options as option_reader
from ansible_collections.lockstep.deploy.plugins.plugin_utils import plan_parts as parts
from ansible_collections.lockstep.deploy.plugins.plugin_utils import schedule, traffic
from ansible_collections.lockstep.deploy.plugins.plugin_utils import waves as wave_planner
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment, RefusedDeployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import Graph
from ansible_collections.lockstep.deploy.plugins.plugin_utils.pinning import Pinned, collect
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError, Problem
from ansible_collections.lockstep.deploy.plugins.plugin_utils.resolution import Resolution, resolve
from ansible_collections.lockstep.deploy.plugins.plugin_utils.sources import Sources
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import Unit, make_units, select


class PlanError(DeploymentError):
    """A deployment that can't be planned.

    Args:
        problems: All problems.
        what: What can't be planned.
        resolution: How far dependencies could be resolved.
    """

    def __init__(self, problems: t.Sequence[Problem], what: str, resolution: dict[str, t.Any]) -> None:
        super().__init__(problems, what)
        self.resolution = resolution


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a plan takes into account beside the deployment.

    Args:
        servers: Names of all hosts of the inventory; None when they are not known, then servers are not checked.
        limit: Names of the hosts that ``--limit`` leaves; None without it. Dependencies are not added to it.
        installed: Apps that the benches have already, with their versions where known.
        history: Seconds that units took before, by name or by driver.
        now: The time of planning; the clock's by default.
    """

    servers: t.Collection[str] | None = None
    limit: t.Collection[str] | None = None
    installed: t.Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    history: t.Mapping[str, float] = dataclasses.field(default_factory=dict)
    now: datetime.datetime | None = None


def make_plan(deployment: Deployment, sources: Sources, around: Surroundings | None = None) -> dict[str, t.Any]:
    """Plan a deployment. Repositories are read, nothing else is touched.

    Args:
        deployment: The deployment.
        sources: Where repositories are read through.
        around: What else to take into account.

    Returns:
        The plan as data that JSON can hold, without any value of a configuration and without credentials.

    Raises:
        PlanError: With everything that is wrong.
        LockstepError: The cache of sources can't be written.
    """
    around = around or Surroundings()
    known = make_units(deployment)
    units, problems = select(known, deployment)
    problems = [*problems, *_unknown_servers(deployment, units, around.servers), *_contradictions(deployment)]
    if around.limit is not None:
        units = [unit for unit in units if unit.name in around.limit]
    collected = collect(deployment, sources)
    resolution = resolve(deployment, collected.apps, around.installed)
    problems += [*collected.problems, *resolution.problems]
    if problems or resolution.graph is None:
        raise PlanError(problems, deployment.shown_file, resolution.as_plan())
    warnings = [*deployment.warnings, *collected.warnings, *resolution.warnings]
    planned = [_with_declared(unit, resolution.graph) for unit in units]
    outside = [_with_declared(unit, resolution.graph) for unit in _outside(units, known)]
    return _assemble(deployment, planned, outside, collected.apps, resolution, resolution.graph, around, warnings)


def find_further_problems(
    refused: RefusedDeployment, sources: Sources, around: Surroundings | None = None
) -> list[Problem]:
    """What else is wrong with a deployment whose document was refused already, so that all is told at once.

    Args:
        refused: What was found in the document.
        sources: Where repositories are read through.
        around: What else to take into account.

    Raises:
        LockstepError: The cache of sources can't be written.
    """
    rest, around = refused.rest, around or Surroundings()
    if rest is None:
        return []
    places = {problem.path[:2] for problem in refused.problems}
    sound = dataclasses.replace(
        rest,
        apps=[app for app in rest.apps if rest.app_paths[app["name"]] not in places],
        # What sites wait for may have been refused; for where they are it doesn't matter.
        sites=[{**site, "depends_on": []} for site in rest.sites],
    )
    collected = collect(sound, sources)
    found = [*_unknown_servers(sound, make_units(sound), around.servers), *collected.problems]
    # Apps that were left out would be missed by others.
    if not any(problem.path[:1] in (("apps",), ("dependencies",)) for problem in refused.problems):
        found += resolve(sound, collected.apps, around.installed).problems
    return found


def _assemble(
    deployment: Deployment,
    units: list[Unit],
    outside: list[Unit],
    pinned: t.Mapping[str, Pinned],
    resolution: Resolution,
    graph: Graph,
    around: Surroundings,
    warnings: list[str],
) -> dict[str, t.Any]:
    options, strategy = deployment.options, deployment.strategy
    now = (around.now or datetime.datetime.now(datetime.UTC)).astimezone(datetime.UTC)
    seconds = schedule.estimates(units, around.history, strategy, options)
    at_once = schedule.window(strategy, options)
    waves = wave_planner.plan(units, strategy, options)
    found = schedule.simulate(units, seconds, at_once, options["per_server"], waves)
    by_name = {unit.name: unit for unit in units}
    ordered = [by_name[name] for name in found.order]
    levels = graph.levels()
    inside = {unit.name: [name for name in unit.depends_on if name in by_name] for unit in units}
    critical = Graph(inside).critical_path(seconds)
    return {
        "deployment_id": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "project": deployment.project,
        "environment": deployment.environment,
        "strategy": strategy,
        "options": options,
        "traffic": traffic.shares(options),
        "watched": schedule.watched(strategy, options),
        "waves": waves,
        "apps": parts.apps(deployment, graph, pinned, resolution.requires),
        "resolution": resolution.as_plan(),
        "stages": parts.stages(levels, units, pinned),
        "units": parts.units(ordered, levels, seconds),
        "outside": parts.outside(outside),
        "critical_path": {"units": critical.names, "seconds": round(critical.seconds, 3)},
        "estimated_duration": found.seconds,
        "rollback_plan": parts.rollback(ordered, options),
        "warnings": [*warnings, *parts.warnings(deployment, units, outside, seconds, at_once)],
    }


def _outside(selected: t.Sequence[Unit], known: t.Sequence[Unit]) -> list[Unit]:
    """The units that selected ones depend on and that are not among them."""
    needed = {name for unit in selected for name in unit.depends_on} - {unit.name for unit in selected}
    return [unit for unit in known if unit.name in needed]


def _with_declared(unit: Unit, graph: Graph) -> Unit:
    """A unit with the apps its apps declare to need, in the order they are installed."""
    return unit._replace(apps=graph.closure(unit.apps))


def _contradictions(deployment: Deployment) -> t.Iterator[Problem]:
    """Found here and not when the file is read: it has to stay good for a rollback and for a look at what is live."""
    for name, message in option_reader.find_contradictions(deployment.options, deployment.strategy).items():
        if name in deployment.choices.options:
            yield Problem((name,), message, file=option_reader.SOURCE)
        else:
            yield deployment.problem(("options", name), message)


def _unknown_servers(
    deployment: Deployment, units: t.Sequence[Unit], known: t.Collection[str] | None
) -> t.Iterator[Problem]:
    if known is None:
        return
    there = {*known, *deployment.servers, "localhost"}
    for server in dict.fromkeys(unit.server for unit in units):
        if server in there:
            continue
        unit = next(unit for unit in units if unit.server == server)
        path = deployment.bench_paths.get(unit.bench["name"]) or ("sites",)
        on_it = [site["name"] for site in deployment.sites if site["server"] == server]
        if path == ("sites",) and on_it:
            path = deployment.site_paths[on_it[0]]
        message = f'found the server "{server}"; expected one of this file\'s servers or a host of the inventory'
        yield deployment.problem((*path, "server"), message)
