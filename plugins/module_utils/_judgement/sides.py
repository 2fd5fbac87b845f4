# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of two releases a request counts for."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.access_log import Request

CANDIDATE, BASELINE = "candidate", "baseline"
SIDES = (CANDIDATE, BASELINE)


@dataclass(frozen=True)
class Sides:
    """Two releases and the ways to them.

    Args:
        candidate: Id of the release that is judged. None: whatever answers is judged, which is how a site is looked at
            that nothing was deployed to.
        baseline: Id of the one it is compared with, if there is one.
        routes: Where requests are passed on to (``live``, ``slots/07``) and whose side that is. It decides where no
            release named itself, as one that died doesn't, so that its 502 counts against it. The empty route stands
            for lines that name none.
        otherwise: Whose side all other routes are; None for nobody's.
    """

    candidate: str | None = None
    baseline: str | None = None
    routes: t.Mapping[str, str] = field(default_factory=dict)
    otherwise: str | None = None

    @classmethod
    def beside(cls, candidate: str, baseline: str, leads: t.Mapping[str, str]) -> Sides:
        """Two releases that share a site's visitors; ``leads`` is what ``slots.Slots.sides`` says."""
        routes = {route: CANDIDATE if side == CANDIDATE else BASELINE for route, side in leads.items()}
        return cls(candidate, baseline, routes)

    @classmethod
    def alone(cls, candidate: str, baseline: str | None = None) -> Sides:
        """A release that has all of a site's visitors, and the one that had them before."""
        return cls(candidate, baseline, otherwise=CANDIDATE)

    def __post_init__(self) -> None:
        if self.candidate is not None and self.candidate == self.baseline:
            raise LockstepError(f"{self.candidate} can't be compared with itself")
        strange = sorted({*self.routes.values(), self.otherwise or CANDIDATE} - set(SIDES))
        if strange:
            raise LockstepError(f"a route belongs to {' or '.join(SIDES)}, not to {', '.join(strange)}")

    def of(self, request: Request) -> str | None:
        """The side of a request; None for one that nginx answered by itself, or another release."""
        if not request.passed_on:
            return None
        if request.release:
            if request.release == self.baseline:
                return BASELINE
            return CANDIDATE if self.candidate in (None, request.release) else None
        return self.routes.get(request.route, CANDIDATE if self.candidate is None else self.otherwise)

    def was_baseline(self, request: Request) -> bool:
        """Whether a request of the time before the candidate got any traffic was the baseline's."""
        if not request.passed_on or (self.candidate is not None and request.release == self.candidate):
            return False
        # Whoever did not name itself was the baseline: there was no other.
        return not request.release or self.baseline in (None, request.release)
