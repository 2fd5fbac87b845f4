# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which units are admitted together, and watched before the next ones are: the waves of a canary."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.model import CANARY
from ansible_collections.lockstep.deploy.plugins.plugin_utils.units import SITE_DRIVER, Unit


def plan(units: t.Sequence[Unit], strategy: str, options: t.Mapping[str, t.Any]) -> list[list[str]]:
    """The units that are admitted together, wave by wave; empty where there are none.

    The sites are counted in the file's order; what a site depends on comes with it, or earlier.

    Args:
        units: The units of this run, in the file's order.
        strategy: The deployment's strategy.
        options: Its options; ``waves`` says how many sites each wave reaches, as a number or as a percentage.
    """
    if strategy != CANARY:
        return []
    sites = [unit.name for unit in units if unit.driver == SITE_DRIVER]
    reached = sorted({min(len(sites), max(1, _count(one, len(sites)))) for one in options["waves"]} | {len(sites)})
    number = {unit.name: len(reached) - 1 for unit in units}
    begin = 0
    for at, end in enumerate(reached):
        number.update(dict.fromkeys(sites[begin:end], at))
        begin = end
    _take_along(units, number)
    found = [[unit.name for unit in units if number[unit.name] == at] for at in range(len(reached))]
    return [names for names in found if names]


def _take_along(units: t.Sequence[Unit], number: dict[str, int]) -> None:
    """Put what units depend on into their wave, or leave it in an earlier one."""
    needs = {unit.name: unit.depends_on for unit in units}
    waiting = list(needs)
    while waiting:
        name = waiting.pop()
        for needed in needs[name]:
            if number.get(needed, -1) > number[name]:
                number[needed] = number[name]
                waiting.append(needed)


def _count(one: int | str, total: int) -> int:
    return -(-int(one[:-1]) * total // 100) if isinstance(one, str) else one
