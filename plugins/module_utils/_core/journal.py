# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was done to a unit, on its server: intent before a change, result after it, enough to undo it."""

from __future__ import annotations

import errno
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

#: A journal in one of these is finished; anything else is half-done and must be rolled back or resumed.
CLOSED = ("live", "restored", "kept")

#: Bytes kept free beside an open journal: on a disk that gets full meanwhile, the way back can still be written down.
_ROOM = 1 << 20


class Step:
    """One phase of a unit as the journal holds it."""

    def __init__(self, journal: Journal, record: dict[str, t.Any]) -> None:
        self._journal = journal
        self.record = record

    @property
    def phase(self) -> str:
        return str(self.record["phase"])

    @property
    def intent(self) -> dict[str, t.Any]:
        """What was written down before the change; the undo works from this alone."""
        return t.cast("dict[str, t.Any]", self.record["intent"])

    @property
    def result(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.record["result"])

    def note(self, **intent: t.Any) -> None:
        """Write down what is about to be done, durably, before it is done."""
        self.intent.update(intent)
        self._journal.save()


class Journal:
    """The record of one deployment of one unit.

    Args:
        folder: ``<state>/units/<unit>``.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, "journal.json")
        self._room = os.path.join(folder, "room")
        self._used_room = False
        self.content: dict[str, t.Any] = atomic.read_json(self._path, {})

    @property
    def deployment_id(self) -> str | None:
        return self.content.get("deployment_id")

    @property
    def status(self) -> str:
        """``absent``, ``open``, or how it ended: ``live``, ``restored``, ``kept``, ``failed``."""
        return str(self.content.get("status", "absent"))

    @property
    def is_open(self) -> bool:
        return bool(self.content) and self.status not in CLOSED

    @property
    def data(self) -> dict[str, t.Any]:
        """What belongs to the whole deployment of the unit: releases before and after, options."""
        return t.cast("dict[str, t.Any]", self.content["data"])

    def refuse_if_taken_back(self, deployment_id: str) -> None:
        """Make sure that a deployment goes on only with what nobody took back meanwhile.

        A controller that was only slow may come with its next step after somebody rolled its deployment back.

        Raises:
            LockstepError: The deployment was rolled back here, or that is under way.
        """
        taken_back = self.status in ("restored", "kept", "failed") or "rollback_reason" in self.content.get("data", {})
        if self.deployment_id == deployment_id and taken_back:
            raise LockstepError(
                f"fenced off: deployment {deployment_id} was rolled back here",
                left="this step changed nothing",
                hint="look at playbooks/status.yml, and start a new deployment",
            )

    def open(self, *, unit: str, driver: str, deployment_id: str, data: t.Mapping[str, t.Any]) -> None:
        """Begin a new record; the one before moves to ``history/``.

        Raises:
            LockstepError: The one before is of another deployment and was not finished.
        """
        if self.is_open and self.deployment_id != deployment_id:
            raise LockstepError(
                f"deployment {self.deployment_id} of this unit was not finished",
                unit=unit,
                left="nothing was changed",
                hint=f"roll it back first: playbooks/rollback.yml -e deployment_id={self.deployment_id}",
            )
        if self.is_open:
            return
        # In this order: what is made on the way to a folder has not the mode that is given for it.
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        os.makedirs(os.path.join(self._folder, "history"), mode=0o700, exist_ok=True)
        if self.content:
            atomic.write_json(self._history_path(str(self.deployment_id)), self.content)
        self.content = {
            "unit": unit,
            "driver": driver,
            "deployment_id": deployment_id,
            "status": "open",
            "opened": clock.utc_now(),
            # Ids and times are of controllers, whose clocks differ.
            "number": max(map(self._number, self.history()), default=0) + 1,
            "sequence": 0,
            "data": dict(data),
            "steps": [],
        }
        self.save()

    def save(self) -> None:
        """Write the record durably, into the room that was kept for it if there is no other."""
        try:
            atomic.write_json(self._path, self.content)
        except LockstepError:
            if not self._give_up_room():
                raise
            self._used_room = True
            atomic.write_json(self._path, self.content)

    def _keep_room(self) -> None:
        try:
            if self._used_room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with open(os.open(self._room, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as handle:
                os.posix_fallocate(handle.fileno(), 0, _ROOM)
        except OSError as error:
            self._give_up_room()
            raise LockstepError(
                f"no room for records is left in {self._folder}: {error.strerror or error}",
                hint="make room on its disk, then deploy again",
            ) from error

    def _give_up_room(self) -> bool:
        try:
            os.unlink(self._room)
        except FileNotFoundError:
            return False
        return True

    def steps(self) -> list[Step]:
        """All steps, oldest first."""
        return [Step(self, record) for record in self.content.get("steps", [])]

    def last(self, phase: str) -> Step | None:
        """The newest step of a phase, if it ever began and was not undone."""
        for step in reversed(self.steps()):
            if step.phase == phase and step.record["status"] != "undone":
                return step
        return None

    def completed(self, phase: str) -> bool:
        step = self.last(phase)
        return step is not None and step.record["status"] == "completed"

    def begin(self, phase: str, timeout: float) -> Step:
        """Write down that a phase begins; one that begins again knows what its attempt before had noted.

        Args:
            phase: Its name.
            timeout: Seconds after which it counts as dead when nobody reported its end.

        Raises:
            LockstepError: The disk has no room left for what has to be written down until the phase is undone again.
        """
        self._keep_room()
        before = self.last(phase)
        self.content["sequence"] += 1
        record: dict[str, t.Any] = {
            "seq": self.content["sequence"],
            "phase": phase,
            "status": "started",
            "at": clock.utc_now(),
            "boot_id": clock.boot_id(),
            "started": clock.since_boot(),
            "deadline": clock.since_boot() + timeout,
            "intent": dict(before.intent) if before else {},
            "result": {},
        }
        self.content["steps"].append(record)
        self.save()
        return Step(self, record)

    def seconds_left(self) -> float:
        """Seconds that the phase under way may take until it counts as dead; 0 if none is."""
        steps = self.content.get("steps", [])
        if not steps or steps[-1]["status"] != "started" or steps[-1]["boot_id"] != clock.boot_id():
            return 0.0
        return max(0.0, float(steps[-1]["deadline"]) - clock.since_boot())

    def end(self, step: Step, status: str, result: t.Mapping[str, t.Any] | None = None) -> None:
        """Write down how a step ended: ``completed``, ``failed``, ``skipped`` or ``undone``."""
        record = step.record
        record["status"] = status
        record["ended"] = clock.utc_now()
        if record["boot_id"] == clock.boot_id() and status != "undone":
            record["seconds"] = round(clock.since_boot() - record["started"], 3)
        record["result"].update(result or {})
        self.save()

    def close(self, status: str, **data: t.Any) -> None:
        """Write down how the whole deployment of this unit ended."""
        self.content["status"] = status
        self.content["closed"] = clock.utc_now()
        self.data.update(data)
        self.save()
        if not self.is_open:
            self._give_up_room()

    def events(self, after: int = 0) -> list[dict[str, t.Any]]:
        """The steps as the ledger wants them, from a sequence number on; without intents, which may be large."""
        fields = ("seq", "phase", "status", "at", "ended", "seconds")
        found = []
        for record in self.content.get("steps", []):
            if record["seq"] > after:
                event = {name: record[name] for name in fields if name in record}
                event["detail"] = {key: value for key, value in record["result"].items() if key in _REPORTED}
                found.append(event)
        return found

    def history(self) -> list[str]:
        """Deployment ids of the records before this one, oldest first."""
        folder = os.path.join(self._folder, "history")
        names = [name[: -len(".json")] for name in os.listdir(folder)] if os.path.isdir(folder) else []
        return sorted(names, key=lambda name: (self._number(name), name))

    def earlier(self) -> list[dict[str, t.Any]]:
        """The records before this one, oldest first."""
        return [dict(atomic.read_json(self._history_path(name), {})) for name in self.history()]

    def can_recall(self, deployment_id: str) -> bool:
        """Whether an earlier deployment is what the unit is on: all that came after it were taken back."""
        names = self.history()
        if deployment_id not in names:
            return False
        later = [atomic.read_json(self._history_path(name), {}) for name in names[names.index(deployment_id) + 1 :]]
        return all(record.get("status") == "restored" for record in [*later, self.content])

    def recall(self, deployment_id: str) -> None:
        """Take up the record of an earlier deployment again; the one of now moves to ``history/``.

        Raises:
            LockstepError: A later deployment is still in force.
        """
        if not self.can_recall(deployment_id):
            raise LockstepError(f"deployment {self.deployment_id} came after {deployment_id}")
        atomic.write_json(self._history_path(str(self.deployment_id)), self.content)
        self.content = atomic.read_json(self._history_path(deployment_id))
        self.save()
        os.unlink(self._history_path(deployment_id))

    def _number(self, deployment_id: str) -> int:
        """Which deployment of the unit it was; those that were not counted came before."""
        return int(atomic.read_json(self._history_path(deployment_id), {}).get("number", 0))

    def _history_path(self, deployment_id: str) -> str:
        return os.path.join(self._folder, "history", f"{deployment_id}.json")


#: What of a step's result leaves the server.
_REPORTED = (
    "action",
    "additive",
    "apps_installed",
    "backup",
    "checks",
    "clone",
    "clone_seconds",
    "copy",
    "error",
    "exchange_seconds",
    "failed",
    "freeze_estimate",
    "freeze_seconds",
    "jobs_drained",
    "judgement",
    "migrate_seconds",
    "migration",
    "passed",
    "percent",
    "reason",
    "reasons",
    "rehearsal",
    "release",
    "restore_seconds",
    "retained_until",
    "source",
    "source_age",
    "tables_touched",
    "touched_tables",
    "skipped",
    "verify_seconds",
)
