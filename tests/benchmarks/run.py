# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the benchmarks and puts their figures beside their bounds: ``run.py [name …]``, without names all of them.

A benchmark is a module ``bench_<name>.py`` here with a function ``measure()`` that returns figures by name. Each runs
in a process of its own, so that none inherits another's memory. All figures together go to ``build/bench.json``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
CLONE = HERE.parents[1]
RESULT = CLONE / "build/bench.json"
TIME_LIMIT = 15 * 60.0
"""Seconds for all of them together."""

BOUNDS = {
    "makespan_ratio_median": 1.01,
    "makespan_ratio_p95": 1.06,
    "makespan_ratio_real": 1.05,
    "makespan_ratio_phases": 1.15,
    "vs_level_barrier": 0.70,
    "vs_linear_serial": 0.56,
    "plan_vs_graphlib": 0.65,
    "inventory_cpu_vs_yaml": 0.35,
    "inventory_rss_vs_yaml": 0.35,
    "controller_cpu_exponent": 1.2,
    "freeze_excess_s": 2,
    "backup_vs_mysqldump_gzip": 0.5,
    "touched_restore_vs_full": 0.1,
    "demo_failed_reads": 0,
    "demo_lost_writes": 0,
    "bluegreen_failed_reads": 0,
    "bluegreen_lost_writes": 0,
    "canary_failed_reads": 0,
    "canary_lost_writes": 0,
    "switch_errors": 0,
    "switch_late_answers": 0,
    "split_error_points": 1.5,
    "users_sent_back": 0,
    "false_alarm_rate": 0.01,
    "false_alarm_rate_hour": 0.01,
}
"""What each figure shall be at most."""

FLOORS = {
    "detection_rate": 0.95,
}
"""What each figure shall be at least."""

Figures = dict[str, float]


def names() -> list[str]:
    """All benchmarks, in the order they run."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measure_here(name: str) -> Figures:
    """Run one benchmark in this process."""
    sys.path.insert(0, str(CLONE))
    importlib.import_module("tests.conftest")
    figures: Figures = importlib.import_module(f"tests.benchmarks.bench_{name}").measure()
    return figures


def measure(name: str, seconds: float) -> Figures | None:
    """Run one benchmark in a process of its own; None when it failed or took longer than it may."""
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8") as answer:
        argv = [sys.executable, __file__, "--into", str(writer), name]
        process = subprocess.Popen(argv, cwd=CLONE, pass_fds=[writer])
        os.close(writer)
        if wait_or_end(process, seconds) != 0:
            print(f"bench_{name} failed, or took longer than {seconds:.0f} s", file=sys.stderr)
            return None
        figures: Figures = json.load(answer)
        return figures


def wait_or_end(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait for a benchmark; when its time is over, it gets a moment to end what it started."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def keep(figures: Figures, chosen: t.Collection[str] = ()) -> Figures:
    """Write the figures; a run of some benchmarks leaves the others' figures as they were."""
    RESULT.parent.mkdir(exist_ok=True)
    before: Figures = json.loads(RESULT.read_text(encoding="utf-8")) if chosen and RESULT.exists() else {}
    merged = {**before, **figures}
    RESULT.write_text(json.dumps(merged, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return merged


def table(figures: Figures) -> str:
    """The figures beside their bounds, those with a bound first."""
    lines = [f"{'figure':32} {'measured':>12} {'bound':>12}"]
    bounded = (*BOUNDS, *FLOORS)
    for name in (*bounded, *sorted(set(figures) - set(bounded))):
        measured = f"{figures[name]:.4g}" if name in figures else "not measured"
        lines.append(f"{name:32} {measured:>12} {_bound(name):>12}{_verdict(name, figures)}".rstrip())
    return "\n".join(lines)


def _bound(name: str) -> str:
    if name in FLOORS:
        return f"at least {FLOORS[name]:g}"
    return f"{BOUNDS[name]:g}" if name in BOUNDS else ""


def _verdict(name: str, figures: Figures) -> str:
    if name not in figures:
        return ""
    if name in FLOORS:
        return "" if figures[name] >= FLOORS[name] else "  under"
    return "  over" if figures[name] > BOUNDS.get(name, figures[name]) else ""


def run(chosen: t.Sequence[str]) -> int:
    """Run benchmarks one after the other.

    Returns:
        1 if one of them could not be measured, else 0: a bound that isn't reached is shown, and is no failure.
    """
    deadline = time.monotonic() + TIME_LIMIT
    figures: Figures = {}
    failed = []
    for name in chosen or names():
        print(f"=== {name}", flush=True)
        found = measure(name, max(1.0, deadline - time.monotonic()))
        if found is None:
            failed.append(name)
        else:
            figures.update(found)
            keep(figures, chosen)
    print("\n" + table(keep(figures, chosen)))
    print(f"\nwritten to {RESULT.relative_to(CLONE)}")
    if failed:
        print(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(names()))
    parser.add_argument("--into", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names())
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if arguments.into is None:
        return run(arguments.names)
    with open(arguments.into, "w", encoding="utf-8") as answer:
        json.dump(measure_here(arguments.names[0]), answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
