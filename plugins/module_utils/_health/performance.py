# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast something answers."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome
from ansible_collections.lockstep.deploy.plugins.module_utils._health.probes import Http
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.statistics import percentile


@dataclass(frozen=True)
class Performance:
    """The 95th percentile of the time several requests take.

    Args:
        http: The request; its answers must be as expected, too.
        max_p95: Seconds the 95th percentile may be at most.
        requests: How many requests, one after the other.
    """

    http: Http
    max_p95: float
    requests: int = 20

    def __post_init__(self) -> None:
        if self.requests < 1 or self.max_p95 <= 0:
            raise LockstepError("a performance check needs at least one request and a max_p95 above 0")

    def ask(self, timeout: float) -> Outcome:
        """Send the requests; ``timeout`` bounds them all together."""
        deadline = time.monotonic() + timeout
        times: list[float] = []
        while len(times) < self.requests:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                answer = self.http.request(left)
            except http.NoAnswer as error:
                return Outcome(False, error.message, {"requests": len(times)})
            problems = self.http.expect.problems(answer)
            if problems:
                return Outcome(False, "; ".join(problems), {"requests": len(times), "status": answer.status})
            times.append(answer.seconds)
        return self._judge(times)

    def _judge(self, times: t.Sequence[float]) -> Outcome:
        if len(times) < self.requests:
            message = f"only {len(times)} of {self.requests} requests were answered in time"
            return Outcome(None, message, {"requests": len(times)})
        p95 = percentile(times, 0.95)
        observed = {"requests": len(times), "p50": round(percentile(times, 0.5), 4), "p95": round(p95, 4)}
        message = f"95 % of {len(times)} requests took at most {p95:.3f} s ({self.max_p95:g} s are allowed)"
        return Outcome(p95 <= self.max_p95, message, observed)
