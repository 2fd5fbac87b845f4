# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what Ansible tells a callback plugin to what happened to units.

Both callback plugins see a run through this: hosts, tasks and results go in as plain data, events come out.
It imports nothing of Ansible and writes nothing.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields

CONTROLLER = "lockstep_controller"

PHASES = (
    "preflight",
    "prepare",
    "freeze",
    "backup",
    "migrate",
    "verify",
    "switch",
    "thaw",
    "confirm",
    "retire",
    "rollback",
)
"""The phases of a unit's life in their order."""

DONE = frozenset({"live", "retired"})
"""States in which the new release serves and nothing is left to do."""

BACK = frozenset({"restored", "kept"})
"""States in which a rollback ended."""

GOING_BACK = BACK | {"failed"}
"""States that a rollback may leave; a unit that has nothing to undo stays what it was."""

STATES = DONE | BACK | {"absent", "prepared", "frozen", "migrated", "verified", "switched", "failed"}

STATUSES = frozenset({"started", "completed", "failed", "undone", "skipped"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened in a deployment.

    Attributes:
        kind: ``started``, ``phase``, ``state``, ``failed``, ``unreachable``, ``withheld``, ``finished``: of a unit;
            ``problem``: of the deployment.
        at: When, RFC 3339 in UTC.
        began: When the phase began, where the event is about its end.
        unit: Which unit; None for a ``problem``.
        phase: In which phase.
        status: ``started``, ``completed``, ``failed``, ``undone`` or ``skipped``, for a ``phase``.
        direction: ``forward`` or ``reverse``.
        seq: The number of the entry in the unit's journal; None for what the controller saw itself.
        seconds: How long a phase took.
        state: The state of the unit afterwards.
        changed: Whether anything was changed by it.
        detail: Numbers and names, listed in ``fields.DETAIL_FIELDS``.
        message: What failed.
        left: How the unit was left by a failure.
        hint: What to do next.
        versions: App versions ``before`` and ``after``.
        freeze_seconds: How long writes were blocked, known when they are let in again.
        deployment_id: The deployment that the server's journal names.
    """

    kind: str
    at: str
    unit: str | None = None
    began: str | None = None
    phase: str | None = None
    status: str | None = None
    direction: str = "forward"
    seq: int | None = None
    seconds: float | None = None
    state: str | None = None
    changed: bool = False
    detail: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    message: str = ""
    left: str | None = None
    hint: str | None = None
    versions: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)
    freeze_seconds: float | None = None
    deployment_id: str | None = None


def timestamp(moment: datetime.datetime | None = None) -> str:
    """A time as it is kept: RFC 3339, UTC, milliseconds."""
    found = moment or datetime.datetime.now(datetime.UTC)
    return found.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: object) -> datetime.datetime | None:
    """The time a text says, in UTC; None when it says none. A time without a zone is taken as UTC."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=datetime.UTC)
    return found.astimezone(datetime.UTC)


def seconds_between(earlier: object, later: object) -> float | None:
    """Seconds from one time to another, never negative; None when one of them isn't known."""
    one, other = moment(earlier), moment(later)
    return None if one is None or other is None else max(0.0, (other - one).total_seconds())


def plan_of(result: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """The plan in a task's result: as the fact ``lockstep_plan`` or as ``plan``."""
    facts = result.get("ansible_facts")
    for candidate in (facts.get("lockstep_plan") if isinstance(facts, dict) else None, result.get("plan")):
        if not isinstance(candidate, dict) or not isinstance(candidate.get("units"), list):
            continue
        if fields.is_identifier(candidate.get("deployment_id")):
            return candidate
    return None


def verdict_of(result: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """The verdict in a task's result: the fact ``lockstep_verdict``."""
    facts = result.get("ansible_facts")
    found = facts.get("lockstep_verdict") if isinstance(facts, dict) else None
    return found if isinstance(found, dict) and isinstance(found.get("status"), str) else None


class Observer:
    """Follows one run and says what happened.

    Args:
        clock: What time it is, RFC 3339; to be replaced in tests.
    """

    def __init__(self, clock: t.Callable[[], str] = timestamp) -> None:
        self._clock = clock
        self.direction: str | None = None
        self.units: dict[str, None] = {}
        self.phase: dict[str, str] = {}
        self.state: dict[str, str] = {}
        self._ever: set[str] = set()
        self._went_forward = False
        self._had_trouble = False
        self._running: set[str] = set()
        self._troubled: set[str] = set()
        self._withheld: set[str] = set()
        self._closed: set[str] = set()
        self._opened: dict[str, Event] = {}
        self._seen: set[tuple[str | None, str, int, str]] = set()
        self._frozen_at: dict[str, str] = {}
        self._last_at: dict[str, str] = {}

    def plan(self, plan: t.Mapping[str, t.Any]) -> None:
        """Learn which units are planned."""
        for unit in plan.get("units", []):
            if isinstance(unit, dict) and isinstance(unit.get("name"), str):
                self.units.setdefault(unit["name"])

    def play(self, direction: str | None, units: t.Iterable[str] = ()) -> list[Event]:
        """A play begins.

        Args:
            direction: ``forward`` or ``reverse`` for a play over units, else None.
            units: The units among its hosts.
        """
        found = self._end_of_play()
        if direction == "reverse":
            found += self._withhold()
        self.direction = direction if direction in ("forward", "reverse") else None
        if self.direction:
            self.units.update(dict.fromkeys(units))
        return found

    def task(self, host: str, phase: str | None) -> list[Event]:
        """A task begins on a host; ``phase`` is the one it belongs to, if that is known."""
        if self.direction is None or host not in self.units or self._nothing_to_undo(host):
            return []
        found: list[Event] = []
        if host not in self._running and host not in self._closed:
            self._running.add(host)
            self._ever.add(host)
            self._went_forward = self._went_forward or self.direction == "forward"
            self._troubled.discard(host)
            self.phase.pop(host, None)
            found.append(self._event("started", host))
        if phase and phase != self.phase.get(host):
            found += self._close_phase(host, "completed")
            self.phase[host] = phase
            opened = self._event("phase", host, phase=phase, status="started")
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
        found: list[Event] = []
        for entry in _entries(result):
            found += self._reported(host, entry, bool(result.get("changed")))
        if failed or unreachable:
            failure = self._failure(host, result, unreachable, quotable, task_name)
            found += self._close_phase(failure.unit or "", "failed")
            found.append(failure)
        return found

    def end(self) -> list[Event]:
        """The run is over."""
        return self._end_of_play() + self._withhold()

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
        self._last_at[unit] = self._clock()
        for journaled in entry.get("events") or []:
            event = self._journaled(unit, deployment, journaled)
            if event is not None:
                found.append(event)
        found += self._state(unit, deployment, entry, changed)
        if entry.get("state") in (BACK if self.direction == "reverse" else DONE):
            found += self._finish(unit)
            self._closed.add(unit)
        return found

    def _journaled(self, unit: str, deployment: str | None, entry: object) -> Event | None:
        if not isinstance(entry, dict) or entry.get("status") not in STATUSES:
            return None
        phase, seq, seconds = entry.get("phase"), entry.get("seq"), entry.get("seconds")
        if not isinstance(phase, str) or not _NAME.fullmatch(phase):
            return None
        if isinstance(seq, int):
            if (deployment, unit, seq, entry["status"]) in self._seen:
                return None
            self._seen.add((deployment, unit, seq, entry["status"]))
        opened = self._opened.get(unit)
        if opened is not None and opened.phase == phase and entry["status"] != "started":
            del self._opened[unit]
        began, when = self._times(entry)
        detail = fields.allowed_detail(entry.get("detail"))
        return self._event(
            "phase",
            unit,
            at=when,
            began=began,
            phase=phase,
            status=entry["status"],
            # An entry of a journal tells of the way forward until it says undone, whatever is going on now.
            direction="reverse" if entry["status"] == "undone" else "forward",
            seq=seq if isinstance(seq, int) else None,
            seconds=float(seconds) if isinstance(seconds, (int, float)) and entry["status"] != "undone" else None,
            detail=detail,
            freeze_seconds=self._freeze(unit, phase, entry["status"], began, when, detail),
            deployment_id=deployment,
        )

    def _times(self, entry: t.Mapping[str, t.Any]) -> tuple[str | None, str]:
        """When an entry of a journal began and ended; ``at`` is its beginning, ``ended`` its end."""
        at, ended = moment(entry.get("at")), moment(entry.get("ended"))
        if entry["status"] in ("started", "undone") or ended is None:
            return None, timestamp(ended or at) if ended or at else self._clock()
        return timestamp(at) if at else None, timestamp(ended)

    def _freeze(
        self, unit: str, phase: str, status: str, began: str | None, at: str, detail: t.Mapping[str, t.Any]
    ) -> float | None:
        """How long writes were blocked, once they are let in again: as the server says, else by its times."""
        if phase == "freeze" and status != "undone":
            self._frozen_at.setdefault(unit, began or at)
        elif (phase, status) in (("thaw", "completed"), ("freeze", "undone")):
            given = detail.get("freeze_seconds")
            counted = seconds_between(self._frozen_at.pop(unit, None), at)
            return float(given) if isinstance(given, (int, float)) else counted
        return None

    def _state(self, unit: str, deployment: str | None, entry: t.Mapping[str, t.Any], changed: bool) -> list[Event]:
        state = entry.get("state") if entry.get("state") in STATES else None
        if self.direction == "reverse" and state not in GOING_BACK:
            state = None
        if state is not None:
            self.state[unit] = state
            if state != "failed":
                self._troubled.discard(unit)
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
    ) -> Event:
        named = result.get("unit") if isinstance(result.get("unit"), str) else host
        unit = next((name for name in (host, named) if name in self.units), None)
        told = quotable or any(key in result for key in ("left", "hint", "phase"))
        message = result.get("msg") if told else None
        phase = result.get("phase")
        self._had_trouble = True
        if unit is not None:
            self._troubled.add(unit)
            self._last_at[unit] = self._clock()
        return self._event(
            ("unreachable" if unreachable else "failed") if unit else "problem",
            unit,
            phase=phase if isinstance(phase, str) and _NAME.fullmatch(phase) else self.phase.get(unit or ""),
            message=fields.scrub(message or (f"{host} can't be reached" if unreachable else f"{task_name} failed")),
            left=fields.scrub(result["left"]) if told and result.get("left") else None,
            hint=fields.scrub(result["hint"]) if told and result.get("hint") else None,
        )

    def _finish(self, unit: str) -> list[Event]:
        if unit not in self._running:
            return []
        self._running.discard(unit)
        closed = self._close_phase(unit, "completed")
        phase, at = self.phase.pop(unit, None), self._last_at.get(unit, self._clock())
        if unit in self._troubled:
            return [*closed, self._event("finished", unit, phase=phase, status="failed", at=at)]
        return [*closed, self._event("finished", unit, status="completed", at=at)]

    def _end_of_play(self) -> list[Event]:
        found: list[Event] = []
        if self.direction is not None:
            for unit in list(self.units):
                found += self._finish(unit)
        self._closed.clear()
        return found

    def _withhold(self) -> list[Event]:
        if not self._went_forward:
            return []
        held = [unit for unit in self.units if unit not in self._ever and unit not in self._withheld]
        self._withheld.update(held)
        return [self._event("withheld", unit, status="withheld") for unit in held]


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
