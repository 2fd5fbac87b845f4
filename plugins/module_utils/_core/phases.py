# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Phases of a unit as a transaction: each journaled before and after, all of them undone in reverse on failure."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal, Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import Held, LockFolder


class Phase:
    """One phase of a driver.

    ``run`` looks before it acts, so that it can be repeated after it died half-way. ``undo`` works from what the
    journal holds and nothing else, tolerates that the phase died at any point, and can be repeated too.
    """

    name: t.ClassVar[str]

    #: Seconds after which the phase counts as dead when nobody reported its end.
    timeout: float = 900

    def run(self, step: Step) -> dict[str, t.Any]:
        """Do it; what is returned goes into the journal as the step's result."""
        raise NotImplementedError

    def undo(self, step: Step) -> dict[str, t.Any]:
        """Put back what ``run`` changed; phases that only look, or only add what is unused, have nothing to do."""
        return {}


class Transaction:
    """Walks a unit through its phases, forward and back.

    Args:
        unit: The unit's name, for errors.
        journal: Its open journal.
        locks: The server's locks.
        held: The lease this deployment holds on the unit.
        phases: Every phase of the driver, in order.
    """

    def __init__(
        self, *, unit: str, journal: Journal, locks: LockFolder, held: Held, phases: t.Sequence[Phase]
    ) -> None:
        self._unit = unit
        self._journal = journal
        self._locks = locks
        self._held = held
        self._phases = {phase.name: phase for phase in phases}

    def advance(self, names: t.Sequence[str]) -> bool:
        """Run the named phases that were not completed yet, in the order given.

        Returns:
            Whether any phase ran.

        Raises:
            LockstepError: A phase failed; it names unit and phase. Nothing was undone yet.
        """
        ran = False
        for name in names:
            if self._journal.completed(name):
                continue
            self._run(self._phases[name])
            ran = True
        return ran

    def undo(self, cause: LockstepError | None = None) -> list[dict[str, t.Any]]:
        """Undo every phase that began, the last one first.

        Args:
            cause: What failed before, so that it is told too should the way back fail as well.

        Returns:
            What was done, per phase: ``phase`` and whatever the phase reports.

        Raises:
            LockstepError: An undo failed. The journal says ``failed``: the unit stays locked until somebody looked.
        """
        done = []
        for step in reversed(self._journal.steps()):
            if step.record["status"] in ("undone", "skipped"):
                continue
            done.append({"phase": step.phase, **self._undo(step, cause)})
        return done

    def _run(self, phase: Phase) -> None:
        self._locks.check(self._held)
        try:
            step = self._journal.begin(phase.name, phase.timeout)
        except LockstepError as error:
            raise self._placed(error, phase.name) from error
        try:
            result = phase.run(step)
        except LockstepError as error:
            self._journal.end(step, "failed", {"error": error.message})
            raise self._placed(error, phase.name) from error
        except Exception as error:
            # A disk that is full, or a defect of ours: a unit that stopped half-way is undone all the same.
            self._journal.end(step, "failed", {"error": _words(error)})
            raise LockstepError(_words(error), unit=self._unit, phase=phase.name) from error
        self._journal.end(step, "completed", result)

    def _undo(self, step: Step, cause: LockstepError | None) -> dict[str, t.Any]:
        self._locks.check(self._held)
        try:
            result = self._phases[step.phase].undo(step)
        except Exception as error:
            self._journal.close("failed", rollback_error=_words(error))
            first = f"{cause.phase} failed: {cause.message}; then " if cause else ""
            raise LockstepError(
                f"{first}undoing {step.phase} failed: {_words(error)}",
                unit=self._unit,
                phase="rollback",
                left="the unit stays locked as it is, users' writes stay blocked if they were",
                hint="mend the cause and run playbooks/rollback.yml again: it goes on where it stopped",
                detail=getattr(error, "detail", None),
            ) from error
        self._journal.end(step, "undone", result)
        return result

    def _placed(self, error: LockstepError, phase: str) -> LockstepError:
        error.unit = error.unit or self._unit
        error.phase = error.phase or phase
        return error


def _words(error: Exception) -> str:
    """An error for people; of one that isn't meant for them, its kind is said too."""
    return str(error) if isinstance(error, (LockstepError, OSError)) else f"{type(error).__name__}: {error}"
