# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan for people: as tables of text, and drawn as a Mermaid graph."""

from __future__ import annotations

import typing as t

_MOST_ROWS = 200
_KINDS = {"frappe_bench": "bench", "frappe_site": "site"}
Row = t.Sequence[str]


def as_lines(plan: t.Mapping[str, t.Any]) -> list[str]:
    """A plan as lines of text, each table with its title.

    Args:
        plan: A plan of :func:`plan.make_plan`.
    """
    lines = [*_headline(plan), ""]
    for title, header, rows in (_apps(plan), _stages(plan), _units(plan)):
        lines += [title, *table(header, rows), ""]
    critical = plan["critical_path"]
    lines.append(f"Critical path ({duration(critical['seconds'])}): {_chain(critical['units'])}")
    lines.append(f"Rollback, should it be needed: {_chain([step['unit'] for step in plan['rollback_plan']])}")
    if plan["warnings"]:
        lines += ["", "Warnings", *(f"  ! {warning}" for warning in plan["warnings"])]
    return lines


def table(header: Row, rows: t.Sequence[Row]) -> list[str]:
    """Rows of text under a header, in columns as wide as they need to be."""
    shown = list(rows[:_MOST_ROWS])
    widths = [max(len(row[at]) for row in [header, *shown]) for at in range(len(header))]
    rule = ["-" * width for width in widths]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, rule, *shown]
    ]
    if len(rows) > len(shown):
        lines.append(f"  … and {len(rows) - len(shown):,} more; plan_file holds all")
    return lines


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``45 s``, ``5 min 15 s``, ``3 h 20 min``."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def as_mermaid(plan: t.Mapping[str, t.Any]) -> str:
    """A plan as a Mermaid flowchart: apps by stage, units by server, arrows in the order of work.

    Args:
        plan: A plan of :func:`plan.make_plan`.
    """
    ids = _Ids()
    lines = ["flowchart LR"]
    lines += ['  subgraph apps["Apps"]']
    for stage in plan["stages"]:
        lines.append(f'    subgraph stage_{stage["level"]}["Stage {stage["level"]}"]')
        versions = {app["name"]: app["ref"] for app in plan["apps"]}
        lines += [f'      {ids["app", name]}["{_label(name)} {_label(versions[name])}"]' for name in stage["apps"]]
        lines.append("    end")
    lines += [
        f"    {ids['app', needed]} --> {ids['app', app['name']]}"
        for app in plan["apps"]
        for needed in app["depends_on"]
    ]
    lines.append("  end")
    planned = {unit["name"] for unit in plan["units"]}
    for at, server in enumerate(dict.fromkeys(unit["server"] for unit in plan["units"])):
        lines.append(f'  subgraph server_{at}["{_label(server)}"]')
        lines += [f"    {_node(ids, unit)}" for unit in plan["units"] if unit["server"] == server]
        lines.append("  end")
    edges = [(needed, unit["name"]) for unit in plan["units"] for needed in unit["depends_on"]]
    for name in dict.fromkeys(needed for needed, _unit in edges if needed not in planned):
        lines.append(f'  {ids["unit", name]}["{_label(name)}"]:::outside')
    lines += [f"  {ids['unit', needed]} --> {ids['unit', unit]}" for needed, unit in edges]
    critical = [ids["unit", name] for name in plan["critical_path"]["units"]]
    if critical:
        lines += ["  classDef critical stroke-width:3px", f"  class {','.join(critical)} critical"]
    lines.append("  classDef outside stroke-dasharray:4")
    return "\n".join(lines) + "\n"


class _Ids(dict[tuple[str, str], str]):
    """Node ids: names may hold characters that mean something to Mermaid."""

    def __missing__(self, key: tuple[str, str]) -> str:
        self[key] = f"{key[0]}_{len(self)}"
        return self[key]


def _node(ids: _Ids, unit: t.Mapping[str, t.Any]) -> str:
    label = f"{_label(unit['name'])}<br/>{duration(unit['estimated_seconds'])}"
    name = ids["unit", unit["name"]]
    return f'{name}["{label}"]' if unit["site"] else f'{name}[("{label}")]'


def _label(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


def _headline(plan: t.Mapping[str, t.Any]) -> list[str]:
    options, sites = plan["options"], sum(1 for unit in plan["units"] if unit["site"])
    batch, wave = options["batch_size"], len(plan["waves"])
    pace = {
        "rolling": f"rolling, {batch} at a time",
        "sequential": "one at a time",
        "canary": f"canary in {_count(wave, 'wave')}, {batch} at a time",
        "blue-green": f"blue-green, all prepared before the first one moves, {batch} at a time",
    }
    shares = ", ".join(f"{step} %" for step in plan["traffic"]["steps"])
    benches = len(plan["units"]) - sites
    what = f"{_count(sites, 'site')} on {_count(benches, 'bench', 'benches')}, {_count(len(plan['apps']), 'app')}"
    held = ", held there until it is ended" if plan["traffic"]["hold"] else ""
    by_share = f"; visitors by {shares}{held}" if shares else ""
    how = f"{pace.get(plan['strategy'], plan['strategy'])}{by_share}; about {duration(plan['estimated_duration'])}"
    watched = plan["options"]["watch_for"] if sites else 0
    after = f"; then its sites are watched for {duration(watched)}, and the run ends after that" if watched else ""
    return [f"Deployment {plan['deployment_id']}: {plan['project']}, {plan['environment']}", f"{what}; {how}{after}"]


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _apps(plan: t.Mapping[str, t.Any]) -> tuple[str, Row, list[Row]]:
    rows: list[Row] = [
        (
            app["name"],
            app["version"] or "newest",
            app["ref"] if app["ref"] != app["commit"] else "-",
            app["commit"][:12],
            app["declared_version"] or "-",
            ", ".join(f"{name} {limits}".strip() for name, limits in app["requires"].items()) or "-",
            ", ".join(app["config"]) or "-",
        )
        for app in plan["apps"]
    ]
    return "Apps", ("App", "Asked", "Ref", "Commit", "Declares", "Requires", "Settings"), rows


def _stages(plan: t.Mapping[str, t.Any]) -> tuple[str, Row, list[Row]]:
    rows: list[Row] = [
        (
            str(stage["level"]),
            ", ".join(stage["apps"]),
            "yes" if stage["parallel"] else "no",
            str(len(stage["sites"])),
            str(len(stage["pre_checks"])),
            str(len(stage["post_checks"])),
        )
        for stage in plan["stages"]
    ]
    return "Stages", ("Stage", "Apps", "Parallel", "Sites", "Checks before", "Checks after"), rows


def _units(plan: t.Mapping[str, t.Any]) -> tuple[str, Row, list[Row]]:
    rows: list[Row] = [
        (
            str(position),
            unit["name"],
            _KINDS.get(unit["driver"], unit["driver"]),
            unit["server"],
            str(unit["stage"]),
            ", ".join(unit["apps"]),
            ", ".join(unit["depends_on"]) or "-",
            duration(unit["estimated_seconds"]),
        )
        for position, unit in enumerate(plan["units"], start=1)
    ]
    return "Units, in order", ("#", "Unit", "Kind", "Server", "Stage", "Apps", "After", "About"), rows


def _chain(names: t.Sequence[str], at_most: int = 12) -> str:
    shown = list(names[:at_most])
    if len(names) > at_most:
        shown.append(f"… {len(names) - at_most:,} more")
    return " → ".join(shown) or "-"
