# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of every unit of a deployment, and what became of each."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, model

Record = t.Mapping[str, t.Any]

ORDER = ("live", "restored", "kept", "rollback_failed", "failed", "unreachable", "untouched", "withheld")

_ENDED = frozenset({"restored", "kept", "failed", "unreachable"})
_UNTOUCHED = frozenset({"absent", "withheld"})


@dataclasses.dataclass(frozen=True)
class Court:
    """What is known of every unit.

    Attributes:
        planned: The units.
        forward: What they said after the way forward.
        back: What they said after the way back.
        seen: What the strategy saw of them on the way that the run was to go.
        reached: What a unit is that got to its end.
        deployment_id: The deployment.
    """

    planned: dict[str, Record]
    forward: dict[str, Record]
    back: dict[str, Record]
    seen: Record
    reached: str
    deployment_id: str

    def groups(self) -> dict[str, list[str]]:
        """The units by what became of them, each in the plan's order."""
        found: dict[str, list[str]] = {name: [] for name in ORDER}
        for unit in self.planned:
            found[self._group(unit)].append(unit)
        return found

    def record(self, unit: str) -> Record:
        """What was said of a unit last; what the rollback says adds to what the way forward said."""
        return {**self.forward.get(unit, {}), **self.back.get(unit, {})}

    def cause(self, unit: str) -> Record:
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

    def is_bench(self, unit: str) -> bool:
        """Whether a unit is known to be no site: it holds nobody's data."""
        return not self.planned.get(unit, {}).get("site", unit)

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


def message(unit: str, record: Record) -> str:
    """What a record says of a failure, without its unit."""
    return fields.bare_message({"unit": unit, **record})


def one_line(text: object) -> str:
    """A text without breaks and without its full stop."""
    return " ".join(str(text).split()).rstrip(".")
