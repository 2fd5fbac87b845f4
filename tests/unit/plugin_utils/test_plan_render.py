# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for people: tables that line up, graphs that Mermaid can read."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options, plan_render, traffic


def make_plan(sites: int = 2, **more: t.Any) -> dict[str, t.Any]:
    """A plan as the action gives it, without a repository behind it."""
    bench: dict[str, t.Any] = {"name": "main@web1", "driver": "frappe_bench", "server": "web1", "site": None}
    bench |= {"bench": "main", "depends_on": [], "apps": ["frappe"], "stage": 1, "estimated_seconds": 240.0}
    units = [bench]
    for number in range(sites):
        name = f"site{number}.local"
        units.append(
            {**bench, "name": name, "driver": "frappe_site", "site": name, "depends_on": ["main@web1"]}
            | {"estimated_seconds": 75.0}
        )
    app = {"name": "frappe", "version": None, "source": "/x", "ref": "v1", "commit": "a" * 40, "declared_version": None}
    return {
        "deployment_id": "20261120T184500Z-1a2b3c",
        "project": "shop",
        "environment": "staging",
        "strategy": "rolling",
        "options": options.defaults(),
        "traffic": traffic.shares(options.defaults()),
        "watched": 30,
        "waves": [],
        "apps": [{**app, "requires": {"erpnext": ">=15"}, "depends_on": [], "config": {"key": "********"}}],
        "stages": [
            {"level": 1, "apps": ["frappe"], "parallel": False, "sites": [], "pre_checks": ["a"], "post_checks": []}
        ],
        "units": units,
        "critical_path": {"units": ["main@web1", "site0.local"], "seconds": 315.0},
        "estimated_duration": 390.0,
        "rollback_plan": [{"unit": unit["name"], "actions": []} for unit in reversed(units)],
        "warnings": ["mind the gap"],
        **more,
    }


def test_columns_line_up_under_their_headings() -> None:
    lines = plan_render.table(("Name", "What"), [("a", "b"), ("a longer one", "c")])
    assert lines == ["  Name          What", "  ------------  ----", "  a             b", "  a longer one  c"]


def test_the_tables_hold_what_a_reader_looks_for() -> None:
    lines = plan_render.as_lines(make_plan())
    assert lines[:2] == [
        "Deployment 20261120T184500Z-1a2b3c: shop, staging",
        "2 sites on 1 bench, 1 app; rolling, 1 at a time; about 6 min 30 s",
    ]
    text = "\n".join(lines)
    assert re.search(r"^  frappe  newest  v1   aaaaaaaaaaaa  -         erpnext >=15  key$", text, re.MULTILINE)
    assert "  3  site1.local  site   web1    1      frappe  main@web1  75 s" in lines
    assert "Critical path (5 min 15 s): main@web1 → site0.local" in lines
    assert "Rollback, should it be needed: site1.local → site0.local → main@web1" in lines
    assert lines[-2:] == ["Warnings", "  ! mind the gap"]


def test_thousands_of_units_are_counted_and_not_all_shown() -> None:
    lines = plan_render.as_lines(make_plan(sites=5000))
    assert "  … and 4,801 more; plan_file holds all" in lines
    assert len(lines) < 250


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (119, "119 s"),
        (120, "2 min"),
        (315, "5 min 15 s"),
        (3700, "62 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_as_people_say_them(seconds: float, expected: str) -> None:
    assert plan_render.duration(seconds) == expected


def test_the_graph_has_every_unit_every_edge_and_the_critical_path() -> None:
    graph = plan_render.as_mermaid(make_plan())
    nodes = dict(re.findall(r'^ +(unit_\d+)\[\(?"([^<"]+)', graph, re.MULTILINE))
    names = {name: node for node, name in nodes.items()}
    assert set(names) == {"main@web1", "site0.local", "site1.local"}
    assert f"  {names['main@web1']} --> {names['site1.local']}\n" in graph
    assert f"  class {names['main@web1']},{names['site0.local']} critical\n" in graph


def test_what_is_needed_and_not_planned_is_drawn_as_outside() -> None:
    plan = make_plan()
    plan["units"] = plan["units"][1:]
    assert '["main@web1"]:::outside' in plan_render.as_mermaid(plan)


def test_names_can_not_break_the_graph() -> None:
    plan = make_plan()
    plan["units"][1]["name"] = 'a"]-->b<script>'
    graph = plan_render.as_mermaid(plan)
    assert "<script>" not in graph
    assert "a#quot;]--#gt;b#lt;script#gt;" in graph


def test_the_plan_says_how_long_the_sites_are_watched_after_it_beside_how_long_it_takes() -> None:
    watched = {**options.defaults(), "watch_for": 3600}
    text = "\n".join(plan_render.as_lines(make_plan(options=watched)))
    assert "about 6 min 30 s; then its sites are watched for 60 min, and the run ends after that" in text
    assert "watched for" not in "\n".join(plan_render.as_lines(make_plan(0, options=watched)))
    assert "watched for" not in "\n".join(plan_render.as_lines(make_plan(options={**watched, "watch_for": 0})))
