# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a deployment ended, for people."""

from __future__ import annotations

import collections
import dataclasses
import shlex
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.court import Court, message, one_line

RETIRE = "ansible-playbook lockstep.deploy.retire"

_LISTED_TABLES = 5
_LISTED_FREEZES = 10


@dataclasses.dataclass(frozen=True)
class Telling:
    """What is said of a deployment.

    Args:
        court: What is known of every unit.
        groups: What became of them; see :meth:`Court.groups`.
        deployment_id: The deployment.
        command: The command that rolls back, as the user would type it.
    """

    court: Court
    groups: dict[str, list[str]]
    deployment_id: str
    command: str

    def summary(self, status: str) -> str:
        """One line."""
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
        """What people have to know, and what to do next."""
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
        return [*found, *self._freezes(), *self._retained()]

    def _retained(self) -> list[str]:
        """Until when the releases before are kept running, by the time."""
        until: dict[str, list[str]] = {}
        for unit in self.groups["live"]:
            for event in self.court.forward.get(unit, {}).get("events") or ():
                time = (event.get("detail") or {}).get("retained_until") if event.get("status") == "completed" else None
                if time:
                    until.setdefault(model.minute(time), []).append(unit)
        return [
            f"The release before keeps running until {time} for a way back, for {', '.join(units[:_LISTED_FREEZES])}"
            f"{f' and {len(units) - _LISTED_FREEZES} more' if len(units) > _LISTED_FREEZES else ''}; {RETIRE} stops it "
            "after that, and before with -e now=true"
            for time, units in sorted(until.items())
        ]

    def _freezes(self) -> list[str]:
        """How long writes were blocked on the way forward, the longest first."""
        said = ((unit, self.court.forward.get(unit, {})) for unit in self.court.planned)
        ours = [(unit, record) for unit, record in said if record.get("deployment_id") in (None, self.deployment_id)]
        known = [(unit, record["freeze_seconds"]) for unit, record in ours if record.get("freeze_seconds") is not None]
        longest = sorted(known, key=lambda entry: -entry[1])
        shown = ", ".join(f"{unit} {seconds:.1f} s" for unit, seconds in longest[:_LISTED_FREEZES])
        more = f" and {len(longest) - _LISTED_FREEZES} more" if len(longest) > _LISTED_FREEZES else ""
        return [f"Writes were blocked for: {shown}{more}"] if shown else []

    def _cause(self, unit: str) -> list[str]:
        record = self.court.cause(unit)
        said = message(unit, record) or record.get("error")
        if not said and unit not in self.groups["failed"]:
            return []
        phase = f" in {record['phase']}" if record.get("phase") else ""
        stopped = (
            "it was prepared and went no further" if record.get("state") == model.PREPARED else "it stopped half-way"
        )
        found = [f"Failed: {unit}{phase}: {one_line(said or stopped)}"]
        if unit in self.groups["failed"]:
            state = record.get("state") or "failed"
            left = f"{'writes blocked, ' if state in model.MIDWAY else ''}its journal says {state}"
            found.append(f"  left: {one_line(record.get('left') or left)}")
            found.append(f"  next: {one_line(record.get('hint') or self._again(unit))}")
        elif record.get("state") == "restored" and record.get("hint"):
            # Its server took it back when it failed, so what was to be done then is to be done still.
            found.append(f"  next: {one_line(record['hint'])}")
        return found

    def _restored(self, unit: str) -> list[str]:
        record = self.court.record(unit)
        if record.get("data") == "kept":
            return [f"{unit}: code and traffic; its data was kept, the old release can work with it"]
        if self.court.was_only_prepared(unit):
            return [f"{unit}: its users never left it; what was prepared for it is gone"]
        if record.get("data") == "restored" and _is_loss(record.get("loss")):
            return [f"{unit}: its data as well, over what users had written since: {_written(record['loss'])}"]
        return [unit]

    def _kept(self, unit: str) -> list[str]:
        record = self.court.record(unit)
        why = record.get("reason") or "users may have written since it was thawed"
        if self.court.is_bench(unit):
            return [f"{unit}: {one_line(why)}, so it stays for them"]
        if record.get("obstacle"):
            return [f"{unit}: {one_line(why)}", "  its data can't be put back, so it was left as it was"]
        return [
            f"{unit}: {one_line(why)}",
            f"  {_loss(record.get('loss'))}",
            f"  to restore all the same: {self._again(unit, '-e', 'rollback_data=true')}",
        ]

    def _rollback_failed(self, unit: str) -> list[str]:
        record = self.court.back.get(unit, {})
        return [
            f"{unit}: {one_line(message(unit, record) or record.get('reason') or 'no reason was given')}",
            f"  left: {one_line(record.get('left') or 'as it was when that failed; it stays locked')}",
            f"  next: {one_line(record.get('hint') or self._again(unit))}",
        ]

    def _unreachable(self, unit: str) -> list[str]:
        why = self.court.back.get(unit, {}).get("reason")
        if why:
            return [f"{unit}: nothing is known of it: {one_line(why)}"]
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


def _is_loss(loss: object) -> t.TypeGuard[dict[str, t.Any]]:
    return isinstance(loss, dict) and any(loss.get(name) for name in ("tables", "rows", "minutes"))


def _loss(loss: object) -> str:
    """What restoring would lose, in words; nothing known is said to be nothing known."""
    if not _is_loss(loss):
        return "what a restore would lose is not known: take it as everything since then"
    return f"a restore would lose {_written(loss)}"


def _written(loss: dict[str, t.Any]) -> str:
    tables = [str(name) for name in loss.get("tables") or []]
    rows = loss.get("rows")
    found = f"{rows} rows" if isinstance(rows, int) else "an unknown number of rows"
    if tables:
        more = f" and {len(tables) - _LISTED_TABLES} more" if len(tables) > _LISTED_TABLES else ""
        found += f" in {_count(len(tables), 'table')} ({', '.join(tables[:_LISTED_TABLES])}{more})"
    if isinstance(loss.get("minutes"), (int, float)):
        found += f", written in {_count(max(1, round(loss['minutes'])), 'minute')}"
    return found


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
