# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dependency graph of 10,000 apps with 100,000 edges: levels, order and critical path, against graphlib's order."""

from __future__ import annotations

import gc
import graphlib
import random
import statistics
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import Graph

APPS = 10_000
EDGES_PER_APP = 10
ROUNDS = 15

Needs = dict[str, list[str]]


def make_needs(seed: int = 1) -> Needs:
    """Apps in any order, each needing ten of those before it in a hidden one."""
    dice = random.Random(seed)
    names = [f"app{number}" for number in range(APPS)]
    needs = {name: dice.sample(names[:at], min(at, EDGES_PER_APP)) for at, name in enumerate(names)}
    shuffled = list(needs.items())
    dice.shuffle(shuffled)
    return dict(shuffled)


def ours(needs: Needs, seconds: dict[str, float]) -> None:
    """All that a plan asks of the graph."""
    graph = Graph(needs)
    graph.levels()
    graph.order()
    graph.critical_path(seconds)


def graphlibs(needs: Needs) -> None:
    """The order alone, which is all that graphlib gives."""
    list(graphlib.TopologicalSorter(needs).static_order())


def cpu_seconds(work: t.Callable[[], None]) -> float:
    """Processor time of one call, without what the calls before left to collect."""
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure() -> dict[str, float]:
    """The ratio of both, the median over pairs measured right after each other."""
    needs = make_needs()
    dice = random.Random(2)
    seconds = {name: dice.uniform(1, 600) for name in needs}
    ratios = []
    for _round in range(ROUNDS):
        mine = cpu_seconds(lambda: ours(needs, seconds))
        ratios.append(mine / cpu_seconds(lambda: graphlibs(needs)))
    return {"plan_vs_graphlib": round(statistics.median(ratios), 3)}
