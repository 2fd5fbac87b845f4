# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers' journals say of a deployment: its steps as events' contents, and how it ended.

A journal has one entry per step, whose ``status`` goes on from ``started`` to how it ended and, maybe, to ``undone``.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, model


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing a journal says about a step: that it began, ended, or was undone.

    Attributes:
        seq: The number of the entry.
        phase: The phase.
        status: ``started``, ``completed``, ``failed``, ``skipped`` or ``undone``.
        direction: ``reverse`` when it was undone, else ``forward``, whatever goes on now.
        at: When, RFC 3339.
        began: When the phase began, where this is about its end.
        seconds: How long it took.
        detail: What may be kept of the entry's detail.
    """

    seq: int | None
    phase: str
    status: str
    direction: str
    at: str
    began: str | None
    seconds: float | None
    detail: dict[str, t.Any]


def steps(entry: object) -> list[Step]:
    """What an entry says; nothing where it can't be understood.

    An entry that says ``undone`` says too how the step had ended before: with an error or without.
    """
    if not isinstance(entry, dict) or not model.is_phase(entry.get("phase")):
        return []
    status = model.one_of(entry.get("status"), model.STATUSES)
    if status is None:
        return []
    if status != "undone":
        return [_step(entry, status)]
    detail = entry.get("detail")
    before = "failed" if isinstance(detail, dict) and detail.get("error") else "completed"
    return [_step({**entry, "ended": None}, before), _step({**entry, "seconds": None}, "undone")]


class Part(t.NamedTuple):
    """A unit of a deployment.

    Attributes:
        site: Its site; None, or empty, for a bench.
        status: That of its journal.
    """

    site: str | None
    status: str


def status_of(parts: t.Collection[Part]) -> str:
    """The status of a deployment (SPEC.md, J2) whose units' journals say this.

    A bench is kept by whoever is on it, be it the sites of others: where ours went back, it is no part of them.
    """
    back = any(part.site and part.status == "restored" for part in parts)
    states = {part.status for part in parts if part.site or not (back and part.status == "kept")}
    if "failed" in states:
        return "rollback_failed"
    if states - model.DONE - model.BACK - {"absent"}:
        return "in_progress"
    if states <= model.DONE:
        return "completed"
    return "rolled_back" if states <= {"restored", "absent"} else "partially_rolled_back"


class Freezes:
    """How long writes to units were blocked."""

    def __init__(self) -> None:
        self._since: dict[str, str] = {}

    def seconds(self, unit: str, step: Step) -> float | None:
        """The whole freeze, when a step ends it: as the server counted, else by its times; None for other steps."""
        if step.phase == "freeze" and step.status != "undone":
            self._since.setdefault(unit, step.began or step.at)
        elif (step.phase, step.status) in (("thaw", "completed"), ("freeze", "undone")):
            counted = model.seconds_between(self._since.pop(unit, None), step.at)
            given = step.detail.get("freeze_seconds")
            return float(given) if isinstance(given, (int, float)) else counted
        return None


def _step(entry: t.Mapping[str, t.Any], status: str) -> Step:
    seconds, seq = entry.get("seconds"), entry.get("seq")
    took = float(seconds) if isinstance(seconds, (int, float)) else None
    began, ended = model.moment(entry.get("at")), model.moment(entry.get("ended"))
    if ended is None and began is not None and status != "started":
        ended = began + datetime.timedelta(seconds=took or 0.0)
    at = began if status == "started" else ended
    return Step(
        seq=seq if isinstance(seq, int) else None,
        phase=str(entry["phase"]),
        status=status,
        direction="reverse" if status == "undone" else "forward",
        at=model.timestamp(at),
        began=model.timestamp(began) if began and status not in ("started", "undone") else None,
        seconds=took,
        detail=fields.allowed_detail(entry.get("detail")),
    )
