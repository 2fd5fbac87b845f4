# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words for what happens in a deployment, and times as they are kept."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

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
    "shift",
    "confirm",
    "retire",
    "rollback",
)
"""The phases of a unit's life in their order."""

WATCHED = ("shift", "confirm")
"""The phases that last as long as a site is to be watched, whatever there is to do."""

DONE = frozenset({"live", "retired"})
"""States in which the new release serves."""

BACK = frozenset({"restored", "kept"})
"""States in which a rollback ended."""

REPORTS = {"forward": "lockstep_forward", "reverse": "lockstep_back"}
"""The fact that a unit's role sets as its last step, by direction: what became of the unit."""

GOING_BACK = BACK | {"failed"}
"""States that a rollback may leave; a unit that has nothing to undo stays what it was."""

MIDWAY = frozenset({"frozen", "migrated", "verified", "switched"})
"""States in which a unit's users wait; a play that lets them all write together comes after one that ends here."""

PREPARED = "prepared"
"""The state of a unit whose new release stands beside the one that serves; all there is to do for a bench."""

CANARY = "canary"
"""The strategy that admits units in waves, and watches each before the next."""

BLUE_GREEN = "blue-green"
"""The strategy that prepares all units before any of them moves."""

SHARED = "shared"
"""The state of a unit whose users write, and whose visitors get to either release."""

STATES = DONE | BACK | MIDWAY | {"absent", PREPARED, "failed", SHARED}

STATUSES = frozenset({"started", "completed", "failed", "undone", "skipped"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def one_of(value: object, names: t.Collection[str]) -> str | None:
    """The value if it is one of the names; results may hold anything."""
    return value if isinstance(value, str) and value in names else None


def is_phase(name: object) -> bool:
    """Whether something can be a phase's name; drivers may have phases of their own."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened in a deployment.

    Attributes:
        kind: ``started``, ``phase``, ``state``, ``failed``, ``unreachable``, ``withheld``, ``finished``: of a unit;
            ``check``: of a unit, before anything changed; ``problem``: of the deployment.
        at: When, RFC 3339 in UTC.
        began: When the phase began, where the event is about its end.
        unit: Which unit; None for a ``problem``.
        phase: In which phase.
        status: ``started``, ``completed``, ``failed``, ``undone`` or ``skipped``, for a ``phase``; ``failed``, or
            ``skipped`` where it was overridden, for a ``check``.
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


def minute(at: object) -> str:
    """A time for people, to the minute."""
    found = moment(at)
    return f"{found:%Y-%m-%d %H:%M} UTC" if found else "-"


def seconds_between(earlier: object, later: object) -> float | None:
    """Seconds from one time to another, never negative; None when one of them isn't known."""
    one, other = moment(earlier), moment(later)
    return None if one is None or other is None else max(0.0, (other - one).total_seconds())
