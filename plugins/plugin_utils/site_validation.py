# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of all sites, put together."""

from __future__ import annotations

import typing as t

Record = t.Mapping[str, t.Any]

_COUNTS = ("total_checks", "passed", "failed", "inconclusive")


def unite(records: t.Mapping[str, Record]) -> dict[str, t.Any]:
    """Sites that were checked one by one, as one result.

    Args:
        records: By unit: what ``frappe_site_check`` returned, or ``error`` why it returned nothing, which is a failure.

    Returns:
        ``total_checks``, ``passed``, ``failed``, ``inconclusive``, ``overall_status``, the ``sites``, and ``lines``
        for people. Without any site nothing was found out, which is no pass.
    """
    sites = {unit: _site(record) for unit, record in records.items()}
    counts = {name: sum(site[name] for site in sites.values()) for name in _COUNTS}
    if counts["failed"]:
        status = "failed"
    else:
        status = "passed" if sites and not counts["inconclusive"] else "inconclusive"
    found = {**counts, "overall_status": status, "sites": sites}
    return {**found, "lines": _lines(found)}


def _site(record: Record) -> dict[str, t.Any]:
    if record.get("checks"):
        counts = {name: record[name] for name in _COUNTS if name != "failed"}
        checks = [dict(check) for check in record["checks"]]
        return {
            **counts,
            "failed": record["failed_checks"],
            "overall_status": record["overall_status"],
            "release": record.get("release"),
            "checks": checks,
        }
    message = record.get("error") or "nothing was found out"
    check = {"name": "accessible", "type": "http", "passed": False, "message": message}
    counts = {"total_checks": 1, "passed": 0, "failed": 1, "inconclusive": 0}
    return {**counts, "overall_status": "failed", "release": None, "checks": [check]}


def _lines(found: Record) -> list[str]:
    lines = []
    for unit, site in found["sites"].items():
        release = f", release {site['release']}" if site["release"] else ""
        lines.append(f"{unit}: {site['overall_status']}, {site['passed']} of {site['total_checks']} checks{release}")
        for check in site["checks"]:
            if not check["passed"]:
                sign = "x" if check["passed"] is False else "?"
                lines.append(f"  {sign} {check['name']}: {check['message']}")
    total = f"{found['passed']} of {found['total_checks']} checks passed"
    lines.append(
        f"Together: {found['overall_status']}, {total}, {found['failed']} failed, {found['inconclusive']} inconclusive"
    )
    return lines
