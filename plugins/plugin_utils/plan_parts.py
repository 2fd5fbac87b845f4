# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a plan, each as the data that goes into it."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options as option_reader
from ansible_collections.lockstep.deploy.plugins.plugin_utils import traffic
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import Graph
from ansible_collections.lockstep.deploy.plugins.plugin_utils.pinning import Pinned
from ansible_collections.lockstep.deploy.plugins.plugin_utils.plan_render import duration
from ansible_collections.lockstep.deploy.plugins.plugin_utils.schedule import BATCHED, WAITING, simulate
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import SITE_DRIVER, Unit
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import without_credentials

MASK = "********"
_PRE_CHECKS = (
    "site_exists",
    "site_health",
    "database_connection",
    "cache",
    "message_broker",
    "running_migrations",
    "queued_jobs",
    "disk_space",
    "memory",
)
_POST_CHECKS = ("accessible", "database_integrity", "scheduled_jobs", "no_critical_errors")


def apps(
    deployment: Deployment,
    graph: Graph,
    pinned: t.Mapping[str, Pinned],
    requires: t.Mapping[str, t.Mapping[str, str]],
) -> list[dict[str, t.Any]]:
    """The apps in the order they are installed. Of settings only the names are said."""
    by_name = {app["name"]: app for app in deployment.apps}
    return [
        {
            "name": name,
            "version": by_name[name]["version"],
            "source": without_credentials(by_name[name]["source"]),
            "ref": pinned[name].resolved.ref,
            "commit": pinned[name].resolved.commit,
            "declared_version": pinned[name].declaration.version,
            "requires": dict(requires[name]),
            "depends_on": graph.needs(name),
            "config": dict.fromkeys(by_name[name]["config"], MASK),
        }
        for name in graph.order()
    ]


def stages(levels: list[list[str]], units: t.Sequence[Unit], pinned: t.Mapping[str, Pinned]) -> list[dict[str, t.Any]]:
    """The levels of the apps' graph, with the sites that take an app of each."""
    return [
        {
            "level": level,
            "apps": names,
            "parallel": len(names) > 1,
            "sites": [
                unit.name for unit in units if unit.driver == SITE_DRIVER and not set(names).isdisjoint(unit.apps)
            ],
            "pre_checks": [*(f"app_{name}_source" for name in names), *_PRE_CHECKS],
            "post_checks": [
                *_POST_CHECKS,
                *(f"app_{name}_installed" for name in names),
                *(f"app_{name}_health" for name in names),
            ],
        }
        for level, names in enumerate(levels, start=1)
    ]


def units(ordered: t.Sequence[Unit], levels: list[list[str]], seconds: t.Mapping[str, float]) -> list[dict[str, t.Any]]:
    """The units in the order they are admitted. A unit's stage is the one with which its last app is there."""
    stage = {name: level for level, names in enumerate(levels, start=1) for name in names}
    return [
        {
            "name": unit.name,
            "driver": unit.driver,
            "server": unit.server,
            "bench": unit.bench["name"],
            "site": unit.site["name"] if unit.site else None,
            "depends_on": list(unit.depends_on),
            "apps": list(unit.apps),
            "stage": max((stage[name] for name in unit.apps), default=1),
            "estimated_seconds": seconds[unit.name],
        }
        for unit in ordered
    ]


def outside(found: t.Sequence[Unit]) -> list[dict[str, t.Any]]:
    """The units that have to be live already, with the apps they have to be live with."""
    return [
        {
            "name": unit.name,
            "driver": unit.driver,
            "server": unit.server,
            "site": unit.site["name"] if unit.site else None,
            "apps": list(unit.apps),
        }
        for unit in found
    ]


def rollback(ordered: t.Sequence[Unit], options: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """What a rollback would do, the last unit first."""
    saved = has_backup(options)
    site = ["switch_back", "restore_from_backup", "thaw", "verify"] if saved else ["switch_back", "thaw", "verify"]
    bench = ["stop_release", "remove_release"]
    return [{"unit": unit.name, "actions": site if unit.driver == SITE_DRIVER else bench} for unit in reversed(ordered)]


def has_backup(options: t.Mapping[str, t.Any]) -> bool:
    """Whether sites are backed up before they change."""
    return bool(options["backup_before_deployment"]) and not options["skip_backup"]


def warnings(
    deployment: Deployment,
    selected: t.Sequence[Unit],
    outside: t.Sequence[Unit],
    seconds: t.Mapping[str, float],
    at_once: int,
) -> list[str]:
    """What a user should know before the plan is carried out."""
    options = deployment.options
    ignores = options["ignore_dependencies"]
    said = {
        "notify_users is set, but no channel is configured: nobody will be told": options["notify_users"],
        "run_tests is true, but names no commands: nothing is tested": options["run_tests"] is True,
        "sites are not backed up: a failed migration can't be undone": not has_backup(options),
        "force is set: failed checks don't stop the deployment": options["force"],
        "ignore_dependencies is set: units outside the selection need not be live": ignores,
        "rollback_on_failure is off: a failed unit stays as it is": not options["rollback_on_failure"],
        "rollback_data is set: a rollback restores data over what users wrote since": options["rollback_data"],
        "there are no sites: only the releases of benches are built": not deployment.sites,
    }
    found = [text for text, applies in said.items() if applies]
    sites = [unit for unit in selected if unit.driver == SITE_DRIVER]
    if options["thaw"] == "together" and sites:
        frozen = simulate(sites, seconds, at_once, options["per_server"]).seconds
        found.append(f"thaw: together keeps every site frozen until the last one is verified, about {duration(frozen)}")
        if options["rollback_scope"] == "unit":
            found.append("thaw: together overrules rollback_scope: a failure takes all units back")
    found += _of_no_use(deployment)
    found += _of_rehearsals(options, sites)
    found += _of_clones(options, sites)
    found += _of_shares(options) if sites else []
    if outside:
        names = _some([unit.name for unit in outside])
        live = "nobody looks whether they are live" if ignores else "they have to be live already"
        found.append(f"not selected, though selected units depend on them: {names}; {live}")
    return found


def _of_no_use(deployment: Deployment) -> list[str]:
    """Options that decide nothing with what was chosen.

    Those of a file are left alone where the run chose for itself: they may be meant for another strategy.
    """
    options, strategy = deployment.options, deployment.strategy
    shares = bool(traffic.shares(options)["steps"])
    canary, blue_green = strategy == model.CANARY, strategy == model.BLUE_GREEN
    by_strategy, by_traffic = f"strategy {strategy}", f"traffic_strategy {options['traffic_strategy']}"
    by_share = "traffic_strategy gradual, canary or a_b_test"
    shared = (shares, by_traffic, by_share)
    watched = (shares or canary, f"{by_strategy} and {by_traffic}", f"{by_share}, or strategy {model.CANARY}")
    uses = {
        "batch_size": (strategy in BATCHED, by_strategy, f"strategy {', '.join(BATCHED)}"),
        "wait_time": (strategy in WAITING, by_strategy, f"strategy {', '.join(WAITING)}"),
        "steps": shared,
        "sticky": shared,
        "step_wait": watched,
        "on_inconclusive": watched,
        "waves": (canary, by_strategy, f"strategy {model.CANARY}"),
        "blue_retention": (blue_green, by_strategy, f"strategy {model.BLUE_GREEN}"),
    }
    given = set(deployment.choices.options)
    if deployment.choices.strategy is None and "traffic_strategy" not in given:
        given |= {name for name, value in option_reader.defaults().items() if options[name] != value}
    return [
        f"{name} has no effect with {now}, only with {what}"
        for name, (used, now, what) in uses.items()
        if name in given and not used
    ]


def _of_shares(options: t.Mapping[str, t.Any]) -> list[str]:
    """What two releases that share visitors mean for them, where they do."""
    shared = traffic.shares(options)
    if not shared["steps"]:
        return []
    found = ["while visitors are shared out, realtime messages of one release don't get to visitors of the other"]
    if shared["hold"]:
        found.append(
            "traffic_strategy: a_b_test: the run lasts until somebody ends the share of each site: playbooks/split.yml"
        )
    least = traffic.concluding_seconds(options)
    if options["step_wait"] < least:
        found.append(
            f"step_wait: {options['step_wait']:g}: nothing can be concluded from visitors' requests in less than "
            f"{least:g} s, and on_inconclusive: go_on takes that for a pass"
        )
    return found


def _of_rehearsals(options: t.Mapping[str, t.Any], sites: t.Sequence[Unit]) -> list[str]:
    """What rehearsals need, where there are any."""
    decides = options["freeze"] == "auto"
    if not sites or options["rehearsal"] == "never" or not (decides or options["rehearsal"] == "always"):
        return []
    found = ["migrations are rehearsed: a copy of each site's database is made beside it, and needs room there"]
    otherwise = "readers are kept out of the freeze, too" if options["rehearsal"] == "auto" else "nothing is deployed"
    return found + _without_admin(sites, otherwise)


def _of_clones(options: t.Mapping[str, t.Any], sites: t.Sequence[Unit]) -> list[str]:
    """What cloned databases cost and need, where there are any."""
    if not sites or options["green_database"] != "clone":
        return []
    told = (
        "green_database: clone: each site whose migration has something to do is frozen for as long as a copy of its "
        "database takes, too, and needs room for two copies beside it"
    )
    return [told, *_without_admin(sites, "nothing is deployed")]


def _without_admin(sites: t.Sequence[Unit], otherwise: str) -> list[str]:
    """Benches of which it isn't said who makes schemas, and what becomes of that."""
    nameless = sorted({unit.bench["name"] for unit in sites if not (unit.bench.get("database") or {}).get("admin")})
    if not nameless:
        return []
    unless = "unless root can make schemas by the server's socket"
    return [f"{_some(nameless)} names no database.admin: {unless}, {otherwise}"]


def _some(names: list[str], at_most: int = 10) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
