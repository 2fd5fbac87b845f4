# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of all sites, put together."""

from __future__ import annotations

import typing as t

Record = t.Mapping[str, t.Any]

_COUNTS = ("total_checks", "passed", "failed", "inconclusive")
_HEALTH = "health"


def unite(
    records: t.Mapping[str, t.Sequence[Record]], choices: Record | None = None, environment: str | None = None
) -> dict[str, t.Any]:
    """Sites that were checked one by one, as one result.

    Args:
        records: By unit, one for each time it was looked at: what ``frappe_site_check`` or ``frappe_site_load``
            returned, or ``error`` why nothing was returned, which is a failure of the ``types`` beside it.
        choices: What was asked for: ``types``, ``duration``, ``deployment_id``, ``notes``.
        environment: The environment of the deployment.

    Returns:
        ``total_checks``, ``passed``, ``failed``, ``inconclusive``, ``overall_status``, what was asked for, the
        ``sites``, each with ``types`` and ``checks``, and ``lines`` for people. Without any site nothing was found
        out, which is no pass.
    """
    asked = choices or {}
    sites = {unit: _site(looks) for unit, looks in records.items()}
    counts = {name: sum(site[name] for site in sites.values()) for name in _COUNTS}
    found = {
        **counts,
        "overall_status": _status(counts) if sites else "inconclusive",
        "types": list(asked.get("types") or [_HEALTH]),
        "duration": asked.get("duration"),
        "environment": environment,
        "deployment_id": asked.get("deployment_id"),
        "sites": sites,
    }
    return {**found, "lines": [*_lines(found), *_total(found, asked.get("notes") or [])]}


def _site(looks: t.Sequence[Record]) -> dict[str, t.Any]:
    checks = [check for look in looks for check in _checks(look)]
    kinds = list(dict.fromkeys(check["validation"] for check in checks))
    counts = _count(checks)
    return {
        **counts,
        "overall_status": _status(counts),
        "release": next((look["release"] for look in looks if look.get("release")), None),
        "types": {kind: _of_kind([check for check in checks if check["validation"] == kind]) for kind in kinds},
        "checks": checks,
    }


def _checks(look: Record) -> list[dict[str, t.Any]]:
    if look.get("checks"):
        return [{"validation": _HEALTH, **check} for check in look["checks"]]
    message = look.get("error") or "nothing was found out"
    kinds = look.get("types") or [_HEALTH]
    name = "load" if kinds == ["performance"] else "accessible"
    return [{"name": name, "validation": kind, "type": "http", "passed": False, "message": message} for kind in kinds]


def _of_kind(checks: t.Sequence[Record]) -> dict[str, t.Any]:
    counts = _count(checks)
    return {**counts, "overall_status": _status(counts)}


def _count(checks: t.Sequence[Record]) -> dict[str, int]:
    passed = [check["passed"] for check in checks]
    return {
        "total_checks": len(passed),
        "passed": sum(one is True for one in passed),
        "failed": sum(one is False for one in passed),
        "inconclusive": sum(one is None for one in passed),
    }


def _status(counts: t.Mapping[str, int]) -> str:
    if counts["failed"]:
        return "failed"
    return "inconclusive" if counts["inconclusive"] or not counts["total_checks"] else "passed"


def _lines(found: Record) -> list[str]:
    lines = []
    several = len(found["types"]) > 1
    for unit, site in found["sites"].items():
        release = f", release {site['release']}" if site["release"] else ""
        lines.append(f"{unit}: {site['overall_status']}, {site['passed']} of {site['total_checks']} checks{release}")
        for check in site["checks"]:
            sign = _sign(check)
            if sign:
                kind = f"{check['validation']}/" if several else ""
                lines.append(f"  {sign} {kind}{check['name']}: {check['message']}")
    return lines


def _sign(check: Record) -> str | None:
    """How a check is told; None for those that are not worth a line. Figures are what load is made for."""
    if check["passed"] is None:
        return "?"
    if not check["passed"]:
        return "x"
    if check.get("warning"):
        return "!"
    return "=" if check["name"] == "load" else None


def _total(found: Record, notes: t.Sequence[str]) -> list[str]:
    total = f"{found['passed']} of {found['total_checks']} checks passed"
    counts = f"{found['failed']} failed, {found['inconclusive']} inconclusive"
    return [*notes, f"Together: {found['overall_status']}, {total}, {counts}"]
