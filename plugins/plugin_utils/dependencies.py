# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What planned units stand on: the release of their bench, and units outside the plan that are live already."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, release_id
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import BENCH_DRIVER

_SERVES = ("live", "kept")


def release_apps(plan: t.Mapping[str, t.Any], unit: str) -> list[dict[str, t.Any]]:
    """The apps of the release that a unit builds or goes to.

    Args:
        plan: The plan.
        unit: A unit of the plan, or one that its units depend on.

    Returns:
        ``name``, ``commit`` and ``version`` of each, in the order they are installed.
    """
    known = {found["name"]: found for found in [*plan["units"], *plan["outside"]]}
    candidates = [unit, *known[unit].get("depends_on", ())]
    bench = next(known[name] for name in candidates if known[name]["driver"] == BENCH_DRIVER)
    return _pinned(plan, bench["apps"])


def prove(plan: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any]) -> tuple[list[str], dict[str, list[str]]]:
    """Which of the units outside the plan are live with what the plan wants of them.

    Args:
        plan: The plan.
        found: What the module ``unit_info`` answered for each of them: ``info``, or ``msg`` if it failed.

    Returns:
        Names of those that are live, and for each planned unit why one it depends on is not.
    """
    if plan["options"]["ignore_dependencies"]:
        return [], {}
    reasons = {unit["name"]: _missing(plan, unit, found.get(unit["name"]) or {}) for unit in plan["outside"]}
    live = [name for name, reason in reasons.items() if not reason]
    missing: dict[str, list[str]] = {}
    for unit in plan["units"]:
        for name in unit["depends_on"]:
            if reasons.get(name):
                missing.setdefault(unit["name"], []).append(
                    f"{unit['name']} depends on {name}, which was not selected and is not live: {reasons[name]}. "
                    "Select it too, or set ignore_dependencies=true"
                )
            elif name in reasons and _is_new_there(unit, found[name]["info"]):
                missing.setdefault(unit["name"], []).append(
                    f"{unit['name']} was never deployed, and {name}, which takes it over, was not selected. Select it"
                    " too"
                )
    return live, missing


def _is_new_there(unit: t.Mapping[str, t.Any], info: t.Mapping[str, t.Any]) -> bool:
    """Whether a site has still to be adopted, which its bench's unit does."""
    return "sites" in info and unit["site"] not in info["sites"]


def _missing(plan: t.Mapping[str, t.Any], unit: t.Mapping[str, t.Any], answer: t.Mapping[str, t.Any]) -> str:
    """Why a unit is not live as the plan wants it; empty if it is."""
    info = answer.get("info")
    if not isinstance(info, dict):
        return str(answer.get("msg") or "nothing is known of it").rstrip(".")
    return _bench_missing(plan, unit, info) if unit["driver"] == BENCH_DRIVER else _site_missing(plan, unit, info)


def _bench_missing(plan: t.Mapping[str, t.Any], unit: t.Mapping[str, t.Any], info: t.Mapping[str, t.Any]) -> str:
    wanted = release_id([App(**app) for app in _pinned(plan, unit["apps"])])
    release = next((release for release in info["releases"] if release["id"] == wanted), None)
    if release is None or not release["ready"]:
        return f"release {wanted} is not built"
    return "" if release["answers"] else f"release {wanted} does not run"


def _site_missing(plan: t.Mapping[str, t.Any], unit: t.Mapping[str, t.Any], info: t.Mapping[str, t.Any]) -> str:
    journal = info["journal"]
    if journal and journal["status"] not in _SERVES and journal["status"] != "restored":
        return f"its deployment {journal['deployment_id']} is {journal['status']}"
    wanted = {app["name"]: app["commit"] for app in _pinned(plan, unit["apps"])}
    differing = [name for name, commit in wanted.items() if info["apps"].get(name, {}).get("commit") != commit]
    if differing:
        return f"{', '.join(differing)} in its release are not at the commits of the plan"
    return "" if info["answers"] else "its release does not answer"


def _pinned(plan: t.Mapping[str, t.Any], names: t.Collection[str]) -> list[dict[str, t.Any]]:
    return [
        {"name": app["name"], "commit": app["commit"], "version": app.get("declared_version") or app.get("ref")}
        for app in plan["apps"]
        if app["name"] in names
    ]
