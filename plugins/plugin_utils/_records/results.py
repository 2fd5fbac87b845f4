# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a deployment's stages and of its green side, with the names of the source document (SPEC.md, J2, E4).

Units carry a site through all of its stages at once, so the stages share its backup, its migration and its times.
"""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model

_Row = t.Mapping[str, t.Any]

_STATUSES = {"restored": "rolled_back", "planned": "pending", **dict.fromkeys(model.DONE, "completed")}
_CHECKED = ("checks", "passed", "failed")


def of_stages(
    stages: t.Sequence[_Row], units: t.Sequence[_Row], failed_checks: t.Mapping[str, t.Sequence[str]]
) -> list[dict[str, t.Any]]:
    """Every stage with its results.

    Args:
        stages: Of the plan, each with ``level``, ``apps`` and ``sites``.
        units: With their ``phases``, as the ledger has them.
        failed_checks: What stood in the way before anything changed, by unit.
    """
    return [_of_stage(stage, units, failed_checks) for stage in stages]


def _of_stage(stage: _Row, units: t.Sequence[_Row], failed_checks: t.Mapping[str, t.Sequence[str]]) -> dict[str, t.Any]:
    apps = stage.get("apps") or []
    concerned = [unit for unit in units if set(unit["apps"]) & set(apps)]
    sites = {unit["site"]: unit for unit in concerned if unit["site"]}
    found = {site: of_site(unit, apps) for site, unit in sites.items()}
    checked = {site: _phase(unit, "confirm") for site, unit in sites.items()}
    return {
        **stage,
        "pre_check_failures": [text for unit in concerned for text in failed_checks.get(unit["name"], ())],
        "post_checks": {
            site: {name: phase[name] for name in _CHECKED if name in phase} for site, phase in checked.items() if phase
        },
        "site_results": found,
    }


def of_site(unit: _Row, apps: t.Collection[str]) -> dict[str, t.Any]:
    """What became of a site as far as some apps are concerned.

    Args:
        unit: The site's unit with its ``phases``.
        apps: The apps of a stage.
    """
    own = [app for app in unit["apps"] if app in apps]
    deployed = unit["state"] in (*model.DONE, "kept")
    return {
        "site": unit["site"],
        "status": _STATUSES.get(unit["state"], unit["state"]),
        "apps_deployed": own if deployed else [],
        "apps_failed": [{"app": app, "error": unit["error"]} for app in own] if unit["error"] and not deployed else [],
        "backup": _phase(unit, "backup"),
        "migration": _phase(unit, "migrate"),
        "reason": unit["error"],
        "start_time": unit["started_at"],
        "end_time": unit["ended_at"],
    }


def of_blue_green(units: t.Sequence[_Row]) -> dict[str, t.Any]:
    """What a blue-green deployment came to.

    Args:
        units: With their ``phases``, as the ledger has them.

    Returns:
        ``blue_environment`` (the sites), ``green_environment`` (the copies on which their new releases were seen),
        ``switch_time`` (when the last one was moved), ``switch_result`` with ``blue``, ``green`` (None where nothing
        had to be seen on a copy) and ``switched`` (whether the new release serves the site), ``blue_retained``
        (whether a release that was left is still kept running for a way back), ``validation_failures``.
    """
    sites = [unit for unit in units if unit["site"]]
    prepared = {unit["site"]: _phase(unit, "prepare") or {} for unit in sites}
    copies = {site: phase.get("copy") for site, phase in prepared.items()}
    moved = [phase["ended_at"] for unit in sites for phase in unit["phases"] if _is_switch(phase)]
    return {
        "blue_environment": list(prepared),
        "green_environment": [copy for copy in copies.values() if copy],
        "switch_time": max(moved, default=None),
        "switch_result": [
            {
                "blue": unit["site"],
                "green": copies[unit["site"]],
                "switched": unit["state"] in (*model.DONE, "kept") and any(map(_is_switch, unit["phases"])),
            }
            for unit in sites
        ],
        "blue_retained": any(_is_retained(unit) for unit in sites),
        "validation_failures": [
            f"{unit['site']}: {unit['error']}" for unit in sites if unit["error"] and unit["error_phase"] == "prepare"
        ],
    }


def _is_retained(unit: _Row) -> bool:
    """Whether the release that a site left was kept running."""
    retired = _phase(unit, "retire") or {}
    return unit["state"] in model.DONE and bool(retired.get("retained_until"))


def _is_switch(phase: _Row) -> bool:
    return (phase["phase"], phase["direction"], phase["status"]) == ("switch", "forward", "completed")


def _phase(unit: _Row, name: str) -> dict[str, t.Any] | None:
    """What is known of a phase on the way forward; None if it never began."""
    for phase in unit["phases"]:
        if (phase["phase"], phase["direction"]) == (name, "forward"):
            return {"status": phase["status"], "seconds": phase["seconds"], **phase["detail"]}
    return None
