# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a deployment ended, judged from what was planned and what each unit's own records say.

Pure: records in, a status and lines for people out (DESIGN.md, 'When one unit fails').
"""

from __future__ import annotations

import collections
import dataclasses
import shlex
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, model

ROLLBACK = "ansible-playbook lockstep.deploy.rollback"

Goal = t.Literal["deploy", "rollback"]

_Record = t.Mapping[str, t.Any]

_ENDED = frozenset({"restored", "kept", "failed", "unreachable"})
_UNTOUCHED = frozenset({"absent", "withheld"})
_LISTED_TABLES = 5
_ORDER = ("live", "restored", "kept", "rollback_failed", "failed", "unreachable", "untouched", "withheld")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The end of a deployment.

    Attributes:
        deployment_id: Which one.
        status: ``completed``, ``failed``, ``rolled_back``, ``partially_rolled_back``, ``rollback_failed``, ``checked``.
        failed: Whether the run has to end with an error.
        summary: One line.
        lines: What people have to know, and what to do next.
        groups: Units by what became of them, in the plan's order: ``live``, ``restored``, ``kept``,
            ``rollback_failed``, ``failed``, ``unreachable``, ``untouched``, ``withheld``.
        rollback_id: The name of the rollback, where units went back or were to; None else.
        rollback_actions: What the rollback did: ``site``, ``action``, ``result``.
    """

    deployment_id: str
    status: str
    failed: bool
    summary: str
    lines: list[str]
    groups: dict[str, list[str]]
    rollback_id: str | None
    rollback_actions: list[dict[str, t.Any]]

    def as_dict(self) -> dict[str, t.Any]:
        """For playbooks and JSON."""
        return dataclasses.asdict(self)


def judge(
    units: t.Sequence[_Record | str],
    records: object = None,
    rollback: object = None,
    *,
    outcome: _Record | None = None,
    deployment_id: str = "",
    goal: Goal = "deploy",
    command: str = ROLLBACK,
    check: bool = False,
) -> Verdict:
    """Compare what was planned with what became of it.

    Args:
        units: The planned units, in order: the plan's ``units``, or names.
        records: What each unit's records say after the way forward: a mapping by unit, or a list of mappings with
            ``unit``; each with ``state``, and where there is such ``phase``, ``msg``, ``left``, ``hint``, ``failed``
            (whether it failed, in whatever state it was left) and ``deployment_id`` (whose record it is: that of
            another deployment says nothing of this one).
        rollback: The same for units that were rolled back, or should have been; also ``reason``, ``data`` (``kept``
            when only code and traffic went back), ``loss`` (``tables``, ``rows``, ``minutes``), ``obstacle`` (why its
            data can't be put back), ``actions``.
        outcome: The strategy's ``lockstep_outcome``: what is known of units without a record.
        deployment_id: The deployment, also for the commands that are suggested.
        goal: What the run was to reach: the new release, or the one before.
        command: The command that rolls back, as the user would type it.
        check: Whether nothing was done, and records only say whether their unit would be ``changed``.

    Returns:
        The verdict; of a check its status is ``checked``, or ``failed``.

    Raises:
        LockstepError: A record has no unit, or the goal is unknown.
    """
    if goal not in ("deploy", "rollback"):
        raise LockstepError(f"a run has the goal deploy or rollback, not {goal!r}")
    if check:
        said = _by_unit(records if goal == "deploy" else rollback)
        return _checked(units, said, outcome or {}, deployment_id, goal)
    court = _Court(
        planned={unit["name"] if not isinstance(unit, str) else unit: _planned(unit) for unit in units},
        forward=_by_unit(records),
        back=_by_unit(rollback),
        seen=(outcome or {}).get("forward" if goal == "deploy" else "reverse") or {},
        reached="live" if goal == "deploy" else "restored",
        deployment_id=deployment_id,
    )
    groups = court.groups()
    status = _status(groups, court.back, goal)
    wanted = "completed" if goal == "deploy" else "rolled_back"
    tell = _Telling(court, groups, deployment_id, command)
    actions = court.actions()
    went_back = bool(actions or court.back or goal == "rollback")
    return Verdict(
        deployment_id=deployment_id,
        status=status,
        failed=status != wanted,
        summary=tell.summary(status),
        lines=tell.lines(),
        groups=groups,
        rollback_id=f"{deployment_id}-rollback" if deployment_id and went_back else None,
        rollback_actions=actions,
    )


def _checked(
    units: t.Sequence[_Record | str], said: t.Mapping[str, _Record], outcome: _Record, deployment_id: str, goal: Goal
) -> Verdict:
    """What a run that changes nothing has found out."""
    names = [unit if isinstance(unit, str) else unit["name"] for unit in units]
    seen = outcome.get("forward" if goal == "deploy" else "reverse") or {}
    failed = [name for name in names if name in (seen.get("failed") or ()) or _is_lost(said.get(name, {}))]
    others = [name for name in names if name not in failed]
    changing = [name for name in others if said.get(name, {}).get("changed")]
    verb = "change" if goal == "deploy" else "go back"
    counts = {f"would {verb}": len(changing), "would stay": len(others) - len(changing), "failed": len(failed)}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    what = f"{'Deployment' if goal == 'deploy' else 'Rollback of'} {deployment_id}".strip()
    return Verdict(
        deployment_id=deployment_id,
        status="failed" if failed else "checked",
        failed=bool(failed),
        summary=f"{what} was only checked, nothing was changed: {told or 'there is nothing to do'}.",
        lines=[f"Failed: {name}: {_why(name, said.get(name, {}))}" for name in failed],
        groups={name: failed if name == "failed" else [] for name in _ORDER} | {"untouched": others},
        rollback_id=None,
        rollback_actions=[],
    )


def _why(unit: str, record: _Record) -> str:
    return _one_line(_message(unit, record) or record.get("reason") or record.get("error") or "no reason given")


def _is_lost(record: _Record) -> bool:
    return bool(record.get("failed")) or record.get("state") in ("failed", "unreachable")


@dataclasses.dataclass(frozen=True)
class _Court:
    """What is known of every unit.

    Attributes:
        planned: The units.
        forward: What they said after the way forward.
        back: What they said after the way back.
        seen: What the strategy saw of them on the way that the run was to go.
        reached: What a unit is that got to its end.
        deployment_id: The deployment.
    """

    planned: dict[str, _Record]
    forward: dict[str, _Record]
    back: dict[str, _Record]
    seen: _Record
    reached: str
    deployment_id: str

    def groups(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in _ORDER}
        for unit in self.planned:
            found[self._group(unit)].append(unit)
        return found

    def record(self, unit: str) -> _Record:
        """What was said of a unit last; what the rollback says adds to what the way forward said."""
        return {**self.forward.get(unit, {}), **self.back.get(unit, {})}

    def cause(self, unit: str) -> _Record:
        """What was said of a unit when it failed."""
        return self.forward.get(unit, {})

    def went_well(self, unit: str) -> bool:
        """Whether a unit came to its new release, wherever it is now."""
        record = self.forward.get(unit, {})
        return not record.get("failed") and (self._from_strategy(unit) == "live" or record.get("state") in model.DONE)

    def actions(self) -> list[dict[str, t.Any]]:
        """What the rollback did, with S0's names."""
        found = []
        for unit in {**self.forward, **self.back}:
            site = self.planned.get(unit, {}).get("site") or unit
            for action in self.back.get(unit, {}).get("actions") or self._undone(unit):
                what = dict(action) if isinstance(action, dict) else {"action": action}
                name = what.get("action") or f"undo {what.get('phase')}"
                found.append({"site": site, "action": name, "result": what.get("result", "completed")})
        return found

    def was_only_prepared(self, unit: str) -> bool:
        """Whether all that was undone of a site is what its users did not see."""
        site = self.planned.get(unit, {}).get("site")
        undone = self.back.get(unit, {}).get("actions") or self._undone(unit)
        return bool(site) and {isinstance(one, dict) and one.get("phase") for one in undone} == {"prepare"}

    def _undone(self, unit: str) -> list[dict[str, t.Any]]:
        """What a unit's server undid by itself when a phase failed, the last one first."""
        record = self.forward.get(unit, {})
        if record.get("deployment_id") not in (None, self.deployment_id):
            return []
        undone = [event for event in record.get("events") or [] if event.get("status") == "undone"]
        return [{"phase": event["phase"], **(event.get("detail") or {})} for event in reversed(undone)]

    def _group(self, unit: str) -> str:
        back = self.back.get(unit, {}).get("state")
        if back == "failed":
            return "rollback_failed"
        state = back or self._forward_state(unit)
        if state in model.DONE:
            return "live"
        if state in ("restored", "kept", "unreachable", "withheld"):
            return str(state)
        if state in _UNTOUCHED:
            return "untouched"
        # Whatever else a unit's state is, it stopped half-way.
        return "failed"

    def _forward_state(self, unit: str) -> str:
        """How the way forward left a unit, from its record and from what the strategy saw."""
        record = self.forward.get(unit, {})
        seen = "failed" if record.get("failed") else self._from_strategy(unit)
        said = record.get("state")
        owner = record.get("deployment_id")
        if not said or (owner and self.deployment_id and owner != self.deployment_id):
            return seen
        if seen == "failed" and said in model.DONE:
            return seen  # its users write already, but it did not get through
        if said == model.PREPARED and self.planned.get(unit, {}).get("site"):
            return str(said)  # it went no further, whatever its part of the first play was called
        if seen == "live" and said not in _ENDED | model.MIDWAY:
            return seen  # its driver calls the end of its work something else
        return str(said)

    def _from_strategy(self, unit: str) -> str:
        for name, state in (("unreachable", "unreachable"), ("failed", "failed"), ("done", self.reached)):
            if unit in (self.seen.get(name) or ()):
                return state
        return "withheld"


@dataclasses.dataclass(frozen=True)
class _Telling:
    """The same for people."""

    court: _Court
    groups: dict[str, list[str]]
    deployment_id: str
    command: str

    def summary(self, status: str) -> str:
        words = {
            "live": "on the new release",
            "restored": "back on the release before",
            "kept": "kept on the new release",
            "rollback_failed": "not rolled back",
            "failed": "failed",
            "unreachable": "unreachable",
            "untouched": "untouched",
            "withheld": "withheld",
        }
        counts = ", ".join(f"{len(names)} {words[group]}" for group, names in self.groups.items() if names)
        name = f"Deployment {self.deployment_id}" if self.deployment_id else "The deployment"
        if self._is_idle():
            counts += " already, nothing had to be changed"
        return f"{name} ended {status}" + (f": {counts}." if counts else ": there was nothing to do.")

    def _is_idle(self) -> bool:
        """Whether every unit was where it was to go."""
        live = self.groups["live"]
        said = [self.court.forward.get(unit, {}).get("changed") for unit in live]
        return bool(live) and len(live) == len(self.court.planned) and all(changed is False for changed in said)

    def lines(self) -> list[str]:
        found = [line for unit in self.court.planned for line in self._cause(unit)]
        for group, title, tell in (
            ("restored", "Back on the release before", self._restored),
            ("kept", "Kept on the new release", self._kept),
            ("rollback_failed", "Rollback failed", self._rollback_failed),
            ("unreachable", "Unreachable", self._unreachable),
        ):
            if self.groups[group]:
                found.append(f"{title}:")
                found += [f"  {line}" for unit in self.groups[group] for line in tell(unit)]
        if self.groups["unreachable"]:
            found.append(f"  next: {self._again(','.join(self.groups['unreachable']))}")
        if self.groups["live"] and len(self.groups["live"]) < len(self.court.planned):
            found.append(f"On the new release: {', '.join(self.groups['live'])}")
        if self.groups["withheld"]:
            found.append("Withheld, nothing was changed:")
            found += [f"  {self._withheld(unit)}" for unit in self.groups["withheld"]]
        if self.groups["untouched"]:
            found.append(f"Nothing was changed on: {', '.join(self.groups['untouched'])}")
        return found

    def _cause(self, unit: str) -> list[str]:
        record = self.court.cause(unit)
        message = _message(unit, record) or record.get("error")
        if not message and unit not in self.groups["failed"]:
            return []
        phase = f" in {record['phase']}" if record.get("phase") else ""
        stopped = (
            "it was prepared and went no further" if record.get("state") == model.PREPARED else "it stopped half-way"
        )
        found = [f"Failed: {unit}{phase}: {_one_line(message or stopped)}"]
        if unit in self.groups["failed"]:
            state = record.get("state") or "failed"
            left = f"{'writes blocked, ' if state in model.MIDWAY else ''}its journal says {state}"
            found.append(f"  left: {_one_line(record.get('left') or left)}")
            found.append(f"  next: {_one_line(record.get('hint') or self._again(unit))}")
        return found

    def _restored(self, unit: str) -> list[str]:
        record = self.court.record(unit)
        if record.get("data") == "kept":
            return [f"{unit}: code and traffic; its data was kept, the old release can work with it"]
        if self.court.was_only_prepared(unit):
            return [f"{unit}: its users never left it; what was prepared for it is gone"]
        return [unit]

    def _kept(self, unit: str) -> list[str]:
        record = self.court.record(unit)
        why = record.get("reason") or "users may have written since it was thawed"
        if not self.court.planned.get(unit, {}).get("site", unit):
            # A bench holds nobody's data: it is kept for the sites that are.
            return [f"{unit}: {_one_line(why)}"]
        if record.get("obstacle"):
            return [f"{unit}: {_one_line(why)}", "  its data can't be put back, so it was left as it was"]
        return [
            f"{unit}: {_one_line(why)}",
            f"  {_loss(record.get('loss'))}",
            f"  to restore all the same: {self._again(unit, '-e', 'rollback_data=true')}",
        ]

    def _rollback_failed(self, unit: str) -> list[str]:
        record = self.court.back.get(unit, {})
        return [
            f"{unit}: {_one_line(_message(unit, record) or record.get('reason') or 'no reason was given')}",
            f"  left: {_one_line(record.get('left') or 'as it was when that failed; it stays locked')}",
            f"  next: {_one_line(record.get('hint') or self._again(unit))}",
        ]

    def _unreachable(self, unit: str) -> list[str]:
        why = self.court.back.get(unit, {}).get("reason")
        if why:
            return [f"{unit}: nothing is known of it: {_one_line(why)}"]
        return [f"{unit}: how it was left is known when its server answers again"]

    def _withheld(self, unit: str) -> str:
        if self.court.reached != "live":
            return f"{unit}: others that depend on it did not go back"
        blockers = self._blockers(unit)
        return f"{unit}: it waits for {', '.join(blockers)}" if blockers else f"{unit}: the run had stopped"

    def _blockers(self, unit: str) -> list[str]:
        """The units that did not get through and that this one depends on, however far away."""
        missed = {name for group in self.groups if group != "withheld" for name in self.groups[group]}
        missed -= {name for name in missed if self.court.went_well(name)}
        found: dict[str, None] = {}
        seen = {unit}
        queue = collections.deque([unit])
        while queue:
            for needed in self.court.planned.get(queue.popleft(), {}).get("depends_on") or ():
                if needed in missed:
                    found[needed] = None
                elif needed not in seen:
                    seen.add(needed)
                    queue.append(needed)
        return list(found)

    def _again(self, units: str, *more: str) -> str:
        chosen = ["-e", f"deployment_id={self.deployment_id}"] if self.deployment_id else []
        return " ".join([self.command, *(shlex.quote(word) for word in [*chosen, "-e", f"only={units}", *more])])


def _status(groups: t.Mapping[str, list[str]], back: t.Mapping[str, _Record], goal: Goal) -> str:
    if groups["rollback_failed"]:
        return "rollback_failed"
    elsewhere = [name for group in ("live", "kept", "failed", "unreachable") for name in groups[group]]
    if goal == "rollback":
        return "partially_rolled_back" if elsewhere or groups["withheld"] else "rolled_back"
    if len(groups["live"]) == sum(len(names) for names in groups.values()):
        return "completed"
    if not groups["restored"] and not groups["kept"]:
        return "failed"
    return "partially_rolled_back" if elsewhere else "rolled_back"


def _loss(loss: object) -> str:
    """What restoring would lose, in words; nothing known is said to be nothing known."""
    if not isinstance(loss, dict) or not any(loss.get(name) for name in ("tables", "rows", "minutes")):
        return "what a restore would lose is not known: take it as everything since then"
    tables = [str(name) for name in loss.get("tables") or []]
    rows = loss.get("rows")
    found = "a restore would lose " + (f"{rows} rows" if isinstance(rows, int) else "an unknown number of rows")
    if tables:
        more = f" and {len(tables) - _LISTED_TABLES} more" if len(tables) > _LISTED_TABLES else ""
        found += f" in {_count(len(tables), 'table')} ({', '.join(tables[:_LISTED_TABLES])}{more})"
    if isinstance(loss.get("minutes"), (int, float)):
        found += f", written in {_count(max(1, round(loss['minutes'])), 'minute')}"
    return found


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _planned(unit: _Record | str) -> _Record:
    return {"name": unit} if isinstance(unit, str) else unit


def _by_unit(records: object) -> dict[str, _Record]:
    if not records:
        return {}
    if isinstance(records, dict):
        return {str(unit): record for unit, record in records.items() if isinstance(record, dict)}
    found: dict[str, _Record] = {}
    for record in t.cast("t.Iterable[t.Any]", records):
        if not isinstance(record, dict) or not isinstance(record.get("unit"), str):
            raise LockstepError("a unit's record is a mapping with the key unit")
        found[record["unit"]] = record
    return found


def _message(unit: str, record: _Record) -> str:
    return fields.bare_message({"unit": unit, **record})


def _one_line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".")
