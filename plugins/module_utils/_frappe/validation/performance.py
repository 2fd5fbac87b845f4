# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a site bears load: as its visitors ask it, through nginx."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._health import load
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result


@dataclass(frozen=True)
class Demand:
    """How a site is asked, and what it must bear.

    Args:
        paths: What is asked for, one after the other.
        duration: Seconds.
        connections: How many clients ask at once.
        max_error_rate: Percent of requests that may fail.
        max_p95: Milliseconds within which 95 % of the answers have to be there.
    """

    paths: t.Sequence[str]
    duration: int
    connections: int
    max_error_rate: float
    max_p95: float


OPTIONS = tuple(field.name for field in dataclasses.fields(Demand))


def not_asked() -> list[Result]:
    """What is to say under ``--check``: load is more than a look."""
    return [Result("load", "load", None, "no load is made under --check", attempts=0)]


def results(live: LiveSite, demand: Demand) -> list[Result]:
    """Make load for a while, and judge what came of it."""
    try:
        outcomes = _outcomes(live, demand)
    except LockstepError as error:
        return [Result("load", "load", False, str(error))]
    return [
        Result(name, "load", outcome.passed, outcome.message, 1, float(demand.duration), outcome.observed)
        for name, outcome in outcomes.items()
    ]


def _outcomes(live: LiveSite, demand: Demand) -> dict[str, Outcome]:
    outside = live.outside()
    if outside.connect.startswith("unix:"):
        return {"load": Outcome(None, "the site shows its maintenance page, so nothing was asked of it")}
    asked = load.Load(outside.url(""), outside.connect, tuple(demand.paths), demand.connections, demand.duration)
    figures = load.run(asked, user=live.bench.user)
    return load.judge(figures, demand.max_error_rate, demand.max_p95)
