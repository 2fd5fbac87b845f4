# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units: the smallest things deployed on their own, as the deployment file makes them."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Problem

BENCH_DRIVER = "frappe_bench"
SITE_DRIVER = "frappe_site"
CONTROLLER = "lockstep_controller"


class Unit(t.NamedTuple):
    """One unit.

    Args:
        name: Its name, which is the name of its Ansible host.
        driver: How it is deployed.
        server: The managed host its work is done on.
        bench: Its bench on that server as drivers take it: name, path, root, user, and what else was given.
        site: Mapping of the site; None for a bench.
        depends_on: Names of units that must be done before it.
        apps: Its apps, each after those it needs explicitly.
    """

    name: str
    driver: str
    server: str
    bench: dict[str, t.Any]
    site: dict[str, t.Any] | None
    depends_on: list[str]
    apps: list[str]


def servers_of(deployment: Deployment) -> list[str]:
    """All servers the deployment works on, whether the file defines them or the user's inventory does."""
    return list(dict.fromkeys([*deployment.servers, *(bench["server"] for bench in deployment.benches)]))


def make_units(deployment: Deployment) -> list[Unit]:
    """The units of a deployment: the release of each bench on each server, then each site, in the file's order.

    A site is called by its name, unless a server is called so too: then it is ``<site>@<server>``.
    """
    benches = {(bench["name"], bench["server"]): _as_option(bench) for bench in deployment.benches}
    taken = set(servers_of(deployment))
    units = [
        Unit(
            f"{bench['name']}@{bench['server']}",
            BENCH_DRIVER,
            bench["server"],
            benches[bench["name"], bench["server"]],
            None,
            [],
            bench["apps"],
        )
        for bench in deployment.benches
    ]
    names = {site["name"]: _site_unit(site, taken) for site in deployment.sites}
    on_bench = {key: [f"{key[0]}@{key[1]}"] for key in benches}
    for site in deployment.sites:
        key = (site["bench"], site["server"])
        needed = on_bench[key]
        if site["depends_on"]:
            needed = [*needed, *(names[other] for other in site["depends_on"])]
        units.append(Unit(names[site["name"]], SITE_DRIVER, site["server"], benches[key], site, needed, site["apps"]))
    return units


def select(units: t.Sequence[Unit], deployment: Deployment) -> tuple[list[Unit], list[Problem]]:
    """The units that ``only`` and ``target_sites`` name, with what they need unless that was declined.

    Args:
        units: All units.
        deployment: The deployment, with the choices for this run.

    Returns:
        The selected units in their order, and a problem for each name that is not known.
    """
    choices = deployment.choices
    if choices.only is None and choices.target_sites is None:
        return list(units), []
    by_name = {unit.name: unit for unit in units}
    wanted: set[str] = set()
    problems = []
    for variable, names, known in (
        ("only", choices.only, _names_of(units, benches=True)),
        ("target_sites", choices.target_sites, _names_of(units, benches=False)),
    ):
        for name in names or ():
            if name in known:
                wanted.update(known[name])
            else:
                what = "unit, bench or site" if variable == "only" else "site"
                message = f'found "{name}"; expected a {what} of this deployment'
                problems.append(Problem((variable,), message, file="extra variables"))
    waiting = list(wanted) if choices.closure else []
    while waiting:
        for needed in by_name[waiting.pop()].depends_on:
            if needed not in wanted:
                wanted.add(needed)
                waiting.append(needed)
    return [unit for unit in units if unit.name in wanted], problems


def group_name(*parts: str) -> str:
    """A group's name made of parts, with every character that Ansible allows in one."""
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(parts))


def _as_option(bench: dict[str, t.Any]) -> dict[str, t.Any]:
    """A bench without what its units say themselves."""
    return {name: value for name, value in bench.items() if name not in ("server", "apps")}


def _site_unit(site: dict[str, t.Any], taken: set[str]) -> str:
    name: str = site["name"]
    return f"{name}@{site['server']}" if name in taken else name


def _names_of(units: t.Sequence[Unit], benches: bool) -> dict[str, list[str]]:
    """What users may call units: by the unit's name, the site's name, the bench's name."""
    found: dict[str, list[str]] = {}
    for unit in units:
        if unit.site is not None:
            found[unit.name] = found[unit.site["name"]] = [unit.name]
        elif benches:
            found[unit.name] = [unit.name]
            found.setdefault(unit.bench["name"], []).append(unit.name)
    return found
