# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A status report for people, as lines of text."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.plan_render import duration, table
from ansible_collections.lockstep.deploy.plugins.plugin_utils.split import describe
from ansible_collections.lockstep.deploy.plugins.plugin_utils.status_issues import again
from ansible_collections.lockstep.deploy.plugins.plugin_utils.verdict_lines import RETIRE
from ansible_collections.lockstep.deploy.plugins.plugin_utils.watching import describe as describe_watch

Report = t.Mapping[str, t.Any]
_KINDS = {"frappe_bench": "bench", "frappe_site": "site"}


def as_lines(report: Report, project: str, environment: str) -> list[str]:
    """A report of :func:`status.report` as lines of text."""
    lines = [f"{project}, {environment}, {model.minute(report['timestamp'])}", "", *_units(report["units"]), ""]
    lines += _deployment(report)
    lines += _shared(report["units"])
    lines += _watched(report["units"])
    lines += [f"  {_retained(release)}" for release in report["retained"]]
    if report["issues"]:
        lines += ["", "Issues", *(f"  x {issue}" for issue in report["issues"])]
        lines += ["", "What to do", *(f"  > {action}" for action in report["recommended_actions"])]
    if "history" in report:
        lines += ["", "Last deployments", *_history(report["history"])]
    if "rollback_options" in report:
        lines += ["", "Ways back", *_ways_back(report["rollback_options"], report["timestamp"])]
    if report["statistics"]:
        lines += ["", _statistics(report["statistics"])]
    return lines


def _units(units: t.Sequence[Report]) -> list[str]:
    rows = [
        (
            unit["unit"],
            _KINDS.get(str(unit.get("driver")), str(unit.get("driver") or "-")),
            str(unit["server"] or "-"),
            unit.get("release") or "-",
            ", ".join(f"{name} {app['version'] or app['commit'][:12]}" for name, app in unit.get("apps", {}).items())
            or "-",
            model.minute(unit.get("since")),
            unit.get("deployment_id") or "-",
            unit["state"],
        )
        for unit in units
    ]
    return table(("Unit", "Kind", "Server", "Release", "Apps", "Since", "Deployment", "State"), rows)


def _shared(units: t.Sequence[Report]) -> list[str]:
    """Sites whose visitors are on two releases."""
    return [
        f"  shared: {unit['unit']}, {describe(unit['split'])}"
        for unit in units
        if (unit.get("split") or {}).get("state", "none") != "none"
    ]


def _watched(units: t.Sequence[Report]) -> list[str]:
    """Sites that are, or were, watched after their last deployment."""
    return [f"  watched: {unit['unit']}, {describe_watch(unit['watch'])}" for unit in units if unit.get("watch")]


def _retained(found: Report) -> str:
    """A release that is kept running for a way back, and how it is stopped."""
    what = f"kept running for a way back: release {found['release']} of {found['unit']}, until"
    if found["over"]:
        return f"{what} {model.minute(found['until'])}, which is over; {RETIRE} stops it, or the next deployment"
    return f"{what} {model.minute(found['until'])}; {RETIRE} stops it after that, and before with -e now=true"


def _deployment(report: Report) -> list[str]:
    if report["deployment_id"] is None:
        blind = any(unit["state"] in ("unreachable", "unknown") for unit in report["units"])
        return ["Whether there were deployments is not known." if blind else "No deployment is known."]
    percent = report["progress_percentage"]
    stage = f"{report['current_stage']}{'' if percent is None else f', {percent} %'}"
    lines = [f"Last deployment {report['deployment_id']}: {report['deployment_status']}; {stage}"]
    for name, word in (("sites_completed", "done"), ("sites_pending", "pending"), ("sites_failed", "not done")):
        if report[name]:
            lines.append(f"  {word}: {', '.join(report[name])}")
    for task in report["active_tasks"]:
        seconds = "" if task["seconds"] is None else f" for {duration(task['seconds'])}"
        lines.append(f"  at work: {task['phase']} of {task['unit']}{seconds}")
    if report["estimated_completion"]:
        lines.append(f"  expected to end: {model.minute(report['estimated_completion'])}")
    return lines


def _history(history: t.Sequence[Report]) -> list[str]:
    if not history:
        return ["  none"]
    rows = [
        (
            entry["deployment_id"],
            model.minute(entry["started_at"] or entry["deployed_at"]),
            entry["status"],
            entry["version"] or "-",
            entry["deployed_by"] or "-",
            (entry["git_sha"] or "-")[:12],
            str(len(entry["units"])),
        )
        for entry in history
    ]
    return table(("Deployment", "Begun", "Status", "Version", "By", "Commit", "Units"), rows)


def _ways_back(options: t.Sequence[Report], now: str) -> list[str]:
    """What can be gone back to; units that can go the same way are named together."""
    groups: dict[tuple[t.Any, ...], list[Report]] = {}
    for option in options:
        groups.setdefault((option["deployment_id"], option["backup"], option["release"], option["meaning"]), []).append(
            option
        )
    lines = [line for group in groups.values() for line in _way_back(group, now)]
    return lines or ["  none"]


def _way_back(group: t.Sequence[Report], now: str) -> list[str]:
    first = group[0]
    versions = ", ".join(f"{name} {version or '?'}" for name, version in first["versions"].items())
    what = f"before deployment {first['deployment_id']}" if first["deployment_id"] else f"backup {first['backup']}"
    lines = [f"  {what}, release {first['release']}{f' ({versions})' if versions else ''}", f"    {first['meaning']}"]
    said = "users write since" if first["deployment_id"] else "taken"
    lines += [f"    {option['unit']}{_since(option, said, now)}" for option in group]
    if first["possible"]:
        more = () if first["deployment_id"] else ("-e", f"backup={first['backup']}")
        command = first["command"] if len(group) == 1 else again(first["deployment_id"], None, *more)
        lines.append(f"    > {command}{'' if len(group) == 1 else '   (one of them: -e only=UNIT)'}")
    return lines


def _since(option: Report, said: str, now: str) -> str:
    seconds = model.seconds_between(option["since"], now)
    return "" if seconds is None else f": {said} {model.minute(option['since'])}, {_ago(seconds)} ago"


def _ago(seconds: float) -> str:
    hours = seconds / 3600
    return duration(seconds) if hours < 48 else f"{hours / 24:.0f} days"


def _statistics(found: Report) -> str:
    average = found.get("averageDeploymentTime")
    taken = "" if average is None else f", {duration(average)} on average"
    return (
        f"Deployments in this controller's ledger: {found['totalDeployments']}, {found['successfulDeployments']} "
        f"completed, {found['failedDeployments']} not, {found['rollbackRate']:g} % rolled back{taken}"
    )
