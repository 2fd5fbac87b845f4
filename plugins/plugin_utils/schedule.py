# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long units take, how many run at once, and what follows from both: their order and the end of all."""

from __future__ import annotations

import heapq
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import traffic
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.admission import Admission
from ansible_collections.lockstep.deploy.plugins.plugin_utils.admission import Unit as Admissible
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import BENCH_DRIVER, SITE_DRIVER, Unit

# Where there is no history, in seconds. A bench: measured on a real one, environment 105 and assets 44, and as much
# again for what apps add. A site: backup, one migrate with a patch and the checks, on a site of a few hundred tables.
DEFAULT_SECONDS = {BENCH_DRIVER: 240.0, SITE_DRIVER: 45.0}
#: Strategies that watch each site for wait_time.
WAITING = ("rolling", "sequential", "blue-green")
#: Strategies with batch_size units in flight.
BATCHED = ("rolling", "canary", "blue-green")


class Schedule(t.NamedTuple):
    """When units would run if all took as long as estimated.

    Args:
        order: Names in the order they are admitted.
        seconds: From the first start to the last end.
    """

    order: list[str]
    seconds: float


def window(strategy: str, options: t.Mapping[str, t.Any]) -> int:
    """How many units may be in flight: ``batch_size``, one, or any number (0)."""
    if strategy == "sequential":
        return 1
    return int(options["batch_size"]) if strategy in BATCHED else 0


def estimates(
    units: t.Sequence[Unit], history: t.Mapping[str, float], strategy: str, options: t.Mapping[str, t.Any]
) -> dict[str, float]:
    """Seconds each unit is expected to take.

    Args:
        units: The units.
        history: Seconds that units took before, by the unit's name, else by its driver, without what they were watched
            for: that is this run's own choice.
        strategy: The strategy; where it waits after each site, the wait is part of the estimate.
        options: The options.
    """
    wait = watched(strategy, options) if strategy in (*WAITING, model.CANARY) else 0.0
    wait += traffic.seconds(options)
    found = {}
    for unit in units:
        work = history.get(unit.name, history.get(unit.driver, DEFAULT_SECONDS[unit.driver]))
        found[unit.name] = round(float(work) + (wait if unit.driver == SITE_DRIVER else 0.0), 3)
    return found


def watched(strategy: str, options: t.Mapping[str, t.Any]) -> float:
    """Seconds that a site is watched after its visitors write on the new release, before it counts as done."""
    return float(options["step_wait" if strategy == model.CANARY else "wait_time"])


def simulate(
    units: t.Sequence[Unit],
    seconds: t.Mapping[str, float],
    at_once: int,
    per_server: int,
    waves: t.Sequence[t.Collection[str]] = (),
) -> Schedule:
    """Let the admission decide about units that take as long as estimated.

    Args:
        units: The units of this run.
        seconds: How long each takes.
        at_once: How many may be in flight; 0 for any number.
        per_server: How many on one server.
        waves: The units that are admitted together.
    """
    deciding = Admission(
        [Admissible(unit.name, tuple(unit.depends_on), unit.server, seconds[unit.name]) for unit in units],
        window=at_once,
        per_server=per_server,
        ignore_dependencies=True,
        waves=waves,
    )
    order: list[str] = []
    running: list[tuple[float, int, str]] = []
    now = 0.0
    while not deciding.finished:
        for name in deciding.admit():
            heapq.heappush(running, (now + seconds[name], len(order), name))
            order.append(name)
        now, _position, name = heapq.heappop(running)
        deciding.done(name)
    return Schedule(order, round(now, 3))
