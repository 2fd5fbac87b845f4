# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what Ansible tells a callback plugin to what happened to units.

Both callback plugins see a run through this: hosts, tasks and results go in as plain data, events come out.
It imports nothing of Ansible and writes nothing.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, journaled
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.model import (
    BLUE_GREEN,
    DONE,
    GOING_BACK,
    MIDWAY,
    PREPARED,
    REPORTS,
    STATES,
    Event,
    is_phase,
    one_of,
    seconds_between,
    timestamp,
)


def plan_of(result: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """The plan in a task's result: as the fact ``lockstep_plan`` or as ``plan``."""
    facts = result.get("ansible_facts")
    for candidate in (facts.get("lockstep_plan") if isinstance(facts, dict) else None, result.get("plan")):
        if not isinstance(candidate, dict) or not isinstance(candidate.get("units"), list):
            continue
        if fields.is_identifier(candidate.get("deployment_id")):
            return candidate
    return None


def rollback_of(result: t.Mapping[str, t.Any]) -> str | None:
    """The deployment that is to be rolled back, in a task's result: the fact ``lockstep_rollback_id``."""
    facts = result.get("ansible_facts")
    found = facts.get("lockstep_rollback_id") if isinstance(facts, dict) else None
    return found if isinstance(found, str) and fields.is_identifier(found) else None


def verdict_of(result: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """The verdict in a task's result: the fact ``lockstep_verdict``."""
    facts = result.get("ansible_facts")
    found = facts.get("lockstep_verdict") if isinstance(facts, dict) else None
    return found if isinstance(found, dict) and isinstance(found.get("status"), str) else None


def checks_of(result: t.Mapping[str, t.Any]) -> list[tuple[str, str, bool]]:
    """Checks that failed before anything changed, by the fact ``lockstep_checks``: unit, what it is, whether forced."""
    facts = result.get("ansible_facts")
    told = facts.get("lockstep_checks") if isinstance(facts, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("failed"), dict):
        return []
    failed, forced = told["failed"], bool(told.get("forced"))
    return [(unit, str(text), forced) for unit, texts in failed.items() if isinstance(texts, list) for text in texts]


class Observer:
    """Follows one run and says what happened.

    Args:
        clock: What time it is, RFC 3339; to be replaced in tests.
    """

    def __init__(self, clock: t.Callable[[], str] = timestamp) -> None:
        self._clock = clock
        self.deployment: str | None = None
        self.direction: str | None = None
        self.units: dict[str, None] = {}
        self.phase: dict[str, str] = {}
        self.state: dict[str, str] = {}
        self._ever: set[str] = set()
        self._went_forward = False
        self._had_trouble = False
        self._running: set[str] = set()
        self._troubled: dict[str, str] = {}
        self._withheld: set[str] = set()
        self._closed: set[str] = set()
        self._held: set[str] = set()
        self._waits: set[str] = set()
        self._through: set[str] = set()
        self._opened: dict[str, Event] = {}
        self._seen: set[tuple[str | None, str, int | None, str]] = set()
        self._freezes = journaled.Freezes()
        self._last_at: dict[str, str] = {}

    def plan(self, plan: t.Mapping[str, t.Any]) -> None:
        """Learn which units are planned, and by which deployment."""
        self.deployment = plan.get("deployment_id")
        for unit in plan.get("units", []):
            if isinstance(unit, dict) and isinstance(unit.get("name"), str):
                self.units.setdefault(unit["name"])
                if unit.get("site") and plan.get("strategy") == BLUE_GREEN:
                    self._waits.add(unit["name"])

    def play(self, direction: str | None, units: t.Iterable[str] = ()) -> list[Event]:
        """A play begins.

        Args:
            direction: ``forward`` or ``reverse`` for a play over units, else None.
            units: The units among its hosts.
        """
        found = self._end_of_play()
        if direction == "reverse":
            found += self._withhold()
            self._running -= self._held
            self._held.clear()
        self.direction = direction if direction in ("forward", "reverse") else None
        if self.direction:
            self.units.update(dict.fromkeys(units))
        return found

    def task(self, host: str, phase: str | None, until: str | None = None) -> list[Event]:
        """A task begins on a host.

        Args:
            host: The host; a unit has its name.
            phase: The phase it belongs to, or the first of those it walks through, if that is known.
            until: The last of those phases.
        """
        if self._way(host) is None or host not in self.units or self._nothing_to_undo(host):
            return []
        if self.direction == "forward" and host in self._through - self._closed:
            return []  # a play after the one it was in only has it for those that wait for it
        found: list[Event] = []
        if host not in self._running and host not in self._closed:
            self._running.add(host)
            self._ever.add(host)
            self._went_forward = self._went_forward or self.direction == "forward"
            self._troubled.pop(host, None)
            self.phase.pop(host, None)
            found.append(self._event("started", host))
        if phase and phase != self.phase.get(host):
            found += self._close_phase(host, "completed")
            self.phase[host] = phase
            detail = {"until": until} if until and until != phase else {}
            opened = self._event("phase", host, phase=phase, status="started", detail=detail)
            self._opened[host] = opened
            found.append(opened)
        return found

    def result(
        self,
        host: str,
        result: t.Mapping[str, t.Any],
        *,
        failed: bool = False,
        unreachable: bool = False,
        quotable: bool = False,
        task_name: str = "",
    ) -> list[Event]:
        """A task ended on a host.

        Args:
            host: The host the task ran for; for a unit, its name.
            result: What the task returned.
            failed: Whether it failed, and that wasn't ignored.
            unreachable: Whether its server didn't answer.
            quotable: Whether the message is one of ours and may be kept.
            task_name: The task's name, to be kept in place of a message that may not.
        """
        found = [
            self._event("check", unit, status="skipped" if forced else "failed", message=fields.scrub(text))
            for unit, text, forced in checks_of(result)
            if unit in self.units
        ]
        for entry in _entries(result):
            found += self._reported(host, entry, bool(result.get("changed")))
        if failed or unreachable:
            found += self._failure(host, result, unreachable, quotable, task_name)
        facts = result.get("ansible_facts")
        name = REPORTS.get(self._way(host) or "")
        if isinstance(facts, dict) and name in facts:
            found += self._end_of_unit(host, facts[name])
        return found

    def end(self) -> list[Event]:
        """The run is over."""
        return self._end_of_play() + self._withhold()

    def _way(self, unit: str) -> str | None:
        """Where a unit is going; one that was held goes on in whatever play comes."""
        return self.direction or ("forward" if unit in self._held else None)

    def _end_of_unit(self, unit: str, report: object) -> list[Event]:
        """The role of a unit is through, with all of the unit or with its part of this play."""
        state = report.get("state") if isinstance(report, dict) else None
        # A green that is prepared waits for all others; a bench is done then.
        waits = one_of(state, MIDWAY) or (state == PREPARED and unit in self._waits)
        if waits and unit not in self._troubled and self._way(unit) == "forward":
            self._held.add(unit)
            return []
        self._closed.add(unit)
        return self._finish(unit)

    def _nothing_to_undo(self, unit: str) -> bool:
        """Whether this play only looks at a unit: on the way back, if none failed or it never went forward."""
        if self.direction != "reverse" or not self._went_forward:
            return False
        return not self._had_trouble or unit in self._withheld

    def _close_phase(self, unit: str, status: str) -> list[Event]:
        """The end of a phase that the controller saw begin and no journal told of."""
        opened = self._opened.pop(unit, None)
        if opened is None:
            return []
        at = self._clock()
        seconds = seconds_between(opened.at, at)
        return [self._event("phase", unit, at=at, began=opened.at, phase=opened.phase, status=status, seconds=seconds)]

    def _event(self, kind: str, unit: str | None, **values: t.Any) -> Event:
        values.setdefault("at", self._clock())
        values.setdefault("direction", self.direction or "forward")
        return Event(kind=kind, unit=unit, **values)

    def _reported(self, host: str, entry: t.Mapping[str, t.Any], changed: bool) -> list[Event]:
        unit = entry.get("unit") if isinstance(entry.get("unit"), str) else host
        if unit not in self.units and (self.direction is None or unit != host):
            return []
        deployment = entry.get("deployment_id") if fields.is_identifier(entry.get("deployment_id")) else None
        found = self.task(unit, None)
        self.units.setdefault(unit)
        if self.deployment is not None and deployment not in (None, self.deployment):
            # Nothing was done, or was to be done, and what the journal holds is an older deployment's.
            return [*found, self._event("state", unit, state=one_of(entry.get("state"), DONE), changed=changed)]
        steps = entry.get("events")
        for told in steps if isinstance(steps, list) else []:
            found += self._journaled(unit, deployment, told)
        found += self._state(unit, deployment, entry, changed)
        self._last_at[unit] = found[-1].at
        return found

    def _journaled(self, unit: str, deployment: str | None, entry: object) -> list[Event]:
        found = []
        for step in journaled.steps(entry):
            # A step begins, ends and is undone once each.
            key = (deployment, unit, step.seq, step.status if step.status in ("started", "undone") else "ended")
            if step.seq is not None and key in self._seen:
                continue
            self._seen.add(key)
            opened = self._opened.get(unit)
            if opened is not None and opened.phase == step.phase and step.status != "started":
                del self._opened[unit]
            found.append(
                self._event(
                    "phase",
                    unit,
                    freeze_seconds=self._freezes.seconds(unit, step),
                    deployment_id=deployment,
                    **dataclasses.asdict(step),
                )
            )
        return found

    def _state(self, unit: str, deployment: str | None, entry: t.Mapping[str, t.Any], changed: bool) -> list[Event]:
        state = one_of(entry.get("state"), GOING_BACK if self.direction == "reverse" else STATES)
        if state is not None:
            self.state[unit] = state
            if state != "failed":
                self._troubled.pop(unit, None)
        told = entry.get("versions")
        versions = told if isinstance(told, dict) else {}
        kept = {side: fields.allowed_versions(versions.get(side)) for side in ("before", "after")}
        given = entry.get("freeze_seconds")
        return [
            self._event(
                "state",
                unit,
                state=state,
                changed=changed,
                versions={side: apps for side, apps in kept.items() if apps},
                freeze_seconds=float(given) if isinstance(given, (int, float)) else None,
                deployment_id=deployment,
            )
        ]

    def _failure(
        self, host: str, result: t.Mapping[str, t.Any], unreachable: bool, quotable: bool, task_name: str
    ) -> list[Event]:
        named = result.get("unit") if isinstance(result.get("unit"), str) else host
        unit = next((name for name in (host, named) if name in self.units), None)
        told = quotable or any(key in result for key in ("left", "hint", "phase"))
        message = fields.scrub((told and fields.bare_message(result)) or _said_instead(host, unreachable, task_name))
        self._had_trouble = True
        closed: list[Event] = []
        if unit is not None:
            if self._troubled.get(unit, "\0") in message:
                return []  # a rescue that ends in the failure it was called for
            self._troubled[unit] = message
            self._last_at[unit] = self._clock()
            closed = self._close_phase(unit, "failed")
        phase = result.get("phase")
        failure = self._event(
            ("unreachable" if unreachable else "failed") if unit else "problem",
            unit,
            phase=phase if is_phase(phase) else self.phase.get(unit or ""),
            message=message,
            left=fields.scrub(result["left"]) if told and result.get("left") else None,
            hint=fields.scrub(result["hint"]) if told and result.get("hint") else None,
        )
        return [*closed, failure]

    def _finish(self, unit: str) -> list[Event]:
        if unit not in self._running:
            return []
        self._running.discard(unit)
        self._held.discard(unit)
        closed = self._close_phase(unit, "completed")
        phase, at = self.phase.pop(unit, None), self._last_at.get(unit, self._clock())
        if unit in self._troubled:
            return [*closed, self._event("finished", unit, phase=phase, status="failed", at=at)]
        if self.direction == "forward":
            self._through.add(unit)
        return [*closed, self._event("finished", unit, status="completed", at=at)]

    def _end_of_play(self) -> list[Event]:
        found: list[Event] = []
        for unit in [unit for unit in self.units if unit in self._running and unit not in self._held]:
            found += self._finish(unit)
        self._closed.clear()
        return found

    def _withhold(self) -> list[Event]:
        if not self._went_forward:
            return []
        held = [unit for unit in self.units if unit not in self._ever and unit not in self._withheld]
        self._withheld.update(held)
        return [self._event("withheld", unit, status="withheld") for unit in held]


def _said_instead(host: str, unreachable: bool, task_name: str) -> str:
    return f"{host} can't be reached" if unreachable else f"{task_name} failed"


def _entries(result: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    """The ``lockstep`` keys of a result: its own, or those of its loop's items."""
    results = result.get("results")
    items = [result, *(item for item in results if isinstance(item, dict))] if isinstance(results, list) else [result]
    found: list[t.Mapping[str, t.Any]] = []
    for item in items:
        entry = item.get("lockstep")
        if isinstance(entry, dict):
            versions = item.get("versions")
            found.append({"versions": versions, **entry} if isinstance(versions, dict) else entry)
    return found
