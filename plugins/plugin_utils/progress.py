# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a deployment is: percentage, stage, what runs, and how long it may still take.

Pure: fed with events by the terminal view while a run goes on, and with the ledger's rows by ``status``.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model

_WEIGHTS: dict[str, dict[str, float]] = {
    # A bench is mostly built, a site mostly migrated; what a unit really takes comes from the plan's estimates.
    "frappe_bench": {"preflight": 1, "prepare": 20, "verify": 2, "switch": 1, "confirm": 1, "retire": 1},
    "": {
        "preflight": 1,
        "prepare": 1,
        "freeze": 1,
        "backup": 4,
        "migrate": 8,
        "verify": 2,
        "switch": 1,
        "thaw": 1,
        "confirm": 1,
        "retire": 1,
    },
}
_LEAST_SECONDS = 0.001
_WAITING = {*model.MIDWAY, model.PREPARED}
"""States in which a unit does nothing until its next phase begins."""


@dataclasses.dataclass
class Unit:
    """One planned unit as progress sees it; times are seconds of any one clock."""

    name: str
    driver: str = ""
    site: str | None = None
    stage: int = 1
    depends_on: tuple[str, ...] = ()
    estimate: float = 0.0
    shared: float = 0.0
    """Seconds of the estimate for which its visitors are shared out."""
    weight: float = 1.0
    fraction: float = 0.0
    phase: str | None = None
    until: str | None = None
    state: str | None = None
    started: float | None = None
    phase_started: float | None = None
    waiting_since: float | None = None
    taken: float | None = None
    outcome: str = "pending"
    """pending, running, done, failed, unreachable, withheld, restored or kept."""
    outcome_before: str = "pending"
    """What it was before it began to go back."""


@dataclasses.dataclass(frozen=True)
class Running:
    """A unit in flight, its phase (or ``freeze to thaw`` where one call walks through several), and its seconds."""

    unit: str
    phase: str | None
    seconds: float


class Progress:
    """Counts finished phases, each with its weight, over all planned units.

    Args:
        plan: The plan; only ``units``, ``stages`` and the window are read.
        window: How many units may be in flight at once; 0 is unlimited.
    """

    def __init__(self, plan: t.Mapping[str, t.Any], window: int = 0) -> None:
        shared = _shared(plan.get("traffic") or {})
        self.units = {unit.name: unit for unit in (_unit(entry, shared) for entry in plan.get("units", []))}
        self.window = max(0, window)
        self._apps = {stage.get("level"): stage.get("apps") or [] for stage in plan.get("stages") or []}
        self._reverse = False
        self._ended = False
        self._shown = 0.0
        self._before_reverse = 0.0
        self._going_back: set[str] = set()
        self._came_back: set[str] = set()
        self._last_stage = max((unit.stage for unit in self.units.values()), default=1)
        self._set_weights()
        self._total = sum(unit.weight for unit in self.units.values()) or 1.0
        self._finished = 0.0
        self._counts = collections.Counter(unit.outcome for unit in self.units.values())
        self._in_flight: dict[str, Unit] = {}

    def apply(self, event: model.Event, now: float) -> None:
        """Take in what happened.

        Args:
            event: The event.
            now: When, in seconds of the clock that is also given to the questions below.
        """
        if event.unit is None:
            return
        if event.unit not in self.units:
            self._add(event.unit)
        # A server that undoes by itself what failed is still on the way forward.
        if event.direction == "reverse" and event.kind != "phase" and not self._reverse:
            self._begin_reverse()
        unit = self.units[event.unit]
        if event.kind == "started":
            self._started(unit, now)
        elif event.kind == "phase":
            self._phase(unit, event, now)
        elif event.kind == "state":
            self._state(unit, event, now)
        elif event.kind in ("failed", "unreachable", "withheld"):
            self._over(unit, event.kind)
        elif event.kind == "finished":
            self._finish(unit, event.status == "completed", now)

    def end(self) -> None:
        """The run is over; only now may the percentage be 100."""
        self._ended = True

    def percentage(self) -> int:
        """Finished phase-weight over all planned units; never falls, never 100 before the end."""
        found = self._finished / self._total * 100
        if self._reverse:
            share = len(self._came_back) / max(1, len(self._going_back))
            found = self._before_reverse + (99 - self._before_reverse) * share
        self._shown = max(self._shown, min(99.0, found))
        return 100 if self._ended and self._all_settled() else int(self._shown)

    def stage(self) -> str:
        """The stage at work, for people."""
        if self._reverse:
            return "rollback"
        open_ones = list(self._in_flight.values())
        open_ones = open_ones or [unit for unit in self.units.values() if unit.outcome == "pending"]
        if not open_ones:
            return "done" if self.units else "planning"
        level = min(unit.stage for unit in open_ones)
        last = max(self._last_stage, level)
        apps = ", ".join(str(app) for app in self._apps.get(level, []))
        return f"stage {level} of {last}" + (f" ({apps})" if apps else "")

    def named(self, *outcomes: str) -> list[str]:
        """The units with one of these outcomes, in the plan's order."""
        return [unit.name for unit in self.units.values() if unit.outcome in outcomes]

    def count(self, *outcomes: str) -> int:
        """How many units have one of these outcomes."""
        return sum(self._counts[outcome] for outcome in outcomes)

    def running(self, now: float) -> list[Running]:
        """What is in flight, longest first."""
        found = [
            Running(
                unit.name,
                _doing(unit),
                now - next((at for at in (unit.waiting_since, unit.phase_started) if at is not None), now),
            )
            for unit in self._in_flight.values()
        ]
        return sorted(found, key=lambda entry: -entry.seconds)

    def seconds_left(self, now: float) -> float | None:
        """How long it may still take: the longest remaining path, or the remaining work over the window.

        What units took so far against their estimates corrects both. None when nothing is known, and in a rollback.
        """
        if self._reverse or not self.units or not any(unit.estimate for unit in self.units.values()):
            return None
        speed = self._speed()
        paths: dict[str, float] = {}
        work = 0.0
        # Admission order: a unit comes after what it depends on.
        for unit in self.units.values():
            remaining = self._remaining(unit, now, speed)
            work += remaining
            paths[unit.name] = remaining + max((paths.get(name, 0.0) for name in unit.depends_on), default=0.0)
        longest = max(paths.values(), default=0.0)
        return max(longest, work / self.window) if self.window else longest

    def _all_settled(self) -> bool:
        """Whether everything is where it should be: forward on the new release, back where it could go back."""
        if self.count("pending", "running", "failed", "unreachable"):
            return False
        return self._reverse or not self.count("withheld")

    def _add(self, name: str) -> None:
        unit = Unit(name, weight=self._total / max(1, len(self.units)))
        self.units[name] = unit
        self._total += unit.weight
        self._counts[unit.outcome] += 1

    def _set_weights(self) -> None:
        known = [unit.estimate for unit in self.units.values() if unit.estimate > 0]
        usual = statistics.fmean(known) if known else 1.0
        for unit in self.units.values():
            unit.weight = unit.estimate if unit.estimate > 0 else usual

    def _begin_reverse(self) -> None:
        self._before_reverse = float(self.percentage())
        self._reverse = True
        self._going_back = {unit.name for unit in self.units.values() if unit.started is not None}

    def _becomes(self, unit: Unit, outcome: str) -> None:
        self._counts[unit.outcome] -= 1
        self._counts[outcome] += 1
        unit.outcome = outcome
        if outcome == "running":
            self._in_flight[unit.name] = unit
        else:
            self._in_flight.pop(unit.name, None)

    def _started(self, unit: Unit, now: float) -> None:
        unit.outcome_before = unit.outcome
        self._becomes(unit, "running")
        unit.phase, unit.until, unit.started, unit.phase_started, unit.waiting_since = None, None, now, now, None
        if self._reverse:
            self._going_back.add(unit.name)

    def _phase(self, unit: Unit, event: model.Event, now: float) -> None:
        if event.phase not in model.PHASES:
            return
        if event.status == "started":
            self._goes_on(unit, now)
            unit.phase, unit.until, unit.phase_started = event.phase, event.detail.get("until"), now
        if not self._reverse:
            self._advance(unit, _share(unit, event.phase, event.status in ("completed", "skipped")))

    def _advance(self, unit: Unit, fraction: float) -> None:
        if fraction > unit.fraction:
            self._finished += (fraction - unit.fraction) * unit.weight
            unit.fraction = fraction

    def _goes_on(self, unit: Unit, now: float) -> None:
        """A unit that waited for others did not take the longer for it."""
        if unit.waiting_since is not None and unit.started is not None:
            unit.started += now - unit.waiting_since
        unit.waiting_since = None

    def _state(self, unit: Unit, event: model.Event, now: float) -> None:
        unit.state = event.state or unit.state
        if event.state in _WAITING and not self._reverse:
            unit.waiting_since = now
        if self._reverse and event.state in model.BACK:
            self._came_back.add(unit.name)

    def _over(self, unit: Unit, outcome: str) -> None:
        self._becomes(unit, outcome)
        if self._reverse:
            self._came_back.add(unit.name)

    def _finish(self, unit: Unit, well: bool, now: float) -> None:
        if self._reverse:
            self._came_back.add(unit.name)
            stayed = unit.outcome_before if well else "failed"
            self._becomes(unit, unit.state if unit.state in model.BACK else stayed)
            return
        if unit.started is not None:
            unit.taken = now - unit.started
        if well:
            self._becomes(unit, "done")
            self._advance(unit, 1.0)
        elif unit.outcome not in ("failed", "unreachable"):
            self._becomes(unit, "failed")

    def _speed(self) -> float:
        ratios = [
            unit.taken / unit.estimate
            for unit in self.units.values()
            if unit.outcome == "done" and unit.taken is not None and unit.estimate > 0
        ]
        return min(10.0, max(0.1, statistics.median(ratios))) if ratios else 1.0

    def _remaining(self, unit: Unit, now: float, speed: float) -> float:
        expected = (unit.estimate or unit.weight) * speed
        if unit.outcome == "pending":
            return max(_LEAST_SECONDS, expected)
        if unit.outcome != "running" or unit.started is None:
            return 0.0
        ahead = expected * (1 - _share(unit, unit.phase, True)) if unit.phase else 0.0
        return max(_LEAST_SECONDS, ahead, expected - (now - unit.started))


def text_seconds(seconds: float | None) -> str:
    """A duration for people: ``41 s``, ``3 min 05 s``, ``1 h 02 min``."""
    if seconds is None:
        return "unknown"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _doing(unit: Unit) -> str | None:
    """What a unit in flight is at, for people."""
    if unit.waiting_since is not None:
        return f"{unit.state}, waiting"
    return f"{unit.phase} to {unit.until}" if unit.until else unit.phase


def _shared(traffic: t.Mapping[str, t.Any]) -> float:
    """Seconds for which the visitors of each site are shared out."""
    return float(len(traffic.get("steps") or ()) * (traffic.get("step_wait") or 0))


def _share(unit: Unit, phase: str | None, finished: bool) -> float:
    """How much of a unit is done when it has come to a phase."""
    weights = _WEIGHTS.get(unit.driver, _WEIGHTS[""])
    if phase not in model.PHASES:
        return 0.0
    if unit.shared:
        rest = max(1.0, unit.estimate - unit.shared)
        weights = {**weights, "shift": sum(weights.values()) * unit.shared / rest}
    reached = model.PHASES.index(phase)
    total = sum(weights.values())
    before = sum(weight for name, weight in weights.items() if model.PHASES.index(name) < reached)
    own = weights.get(phase, 0.0) if finished else 0.0
    return (before + own) / total


def _unit(entry: t.Mapping[str, t.Any], shared: float) -> Unit:
    estimate = entry.get("estimated_seconds")
    stage = entry.get("stage")
    return Unit(
        name=str(entry.get("name")),
        driver=str(entry.get("driver") or ""),
        site=entry.get("site") if isinstance(entry.get("site"), str) else None,
        stage=stage if isinstance(stage, int) else 1,
        depends_on=tuple(entry.get("depends_on") or ()),
        shared=shared if entry.get("site") else 0.0,
        estimate=float(estimate) if isinstance(estimate, (int, float)) and estimate > 0 else 0.0,
    )
