# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user is told of a freeze before it begins is of the size it will have."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.freeze_estimate import (
    Measured,
    estimate,
    exchanged,
)

MEASURED = Measured(settings=0.0, backup=4.0, migrate=10.0, verify=2.0)


def journal(freeze: float | None, migrate: float | None, exchange: float | None = None) -> dict[str, t.Any]:
    steps = [{"phase": "prepare", "seconds": 99.0}]
    steps += [{"phase": "migrate", **({"seconds": migrate} if migrate is not None else {})}]
    if exchange is not None:
        steps += [{"phase": "switch", "seconds": exchange + 1, "result": {"exchange_seconds": exchange}}]
    return {"data": {} if freeze is None else {"freeze_seconds": freeze}, "steps": steps}


def test_without_a_freeze_before_its_parts_are_added() -> None:
    assert estimate(MEASURED, []) == 17.5
    assert estimate(MEASURED._replace(settings=60.0), []) == 77.5, "Frappe 16 remembers settings for a minute"


def test_the_last_freeze_says_what_it_takes_beside_the_migration() -> None:
    assert estimate(MEASURED, [journal(100.0, 10.0), journal(30.0, 22.0)]) == 18.0


@pytest.mark.parametrize("unfinished", [journal(None, 5.0), journal(30.0, None), {}])
def test_what_nobody_thawed_says_nothing(unfinished: dict[str, t.Any]) -> None:
    assert estimate(MEASURED, [journal(30.0, 22.0), unfinished]) == 18.0


def test_a_database_that_has_grown_is_not_backed_up_in_the_time_of_before() -> None:
    assert estimate(MEASURED._replace(backup=50.0), [journal(30.0, 22.0)]) == 60.0


def test_a_clone_is_made_in_the_freeze_whatever_was_made_in_the_one_before() -> None:
    cloned = MEASURED._replace(clone=6.0)
    assert estimate(cloned, []) == 28.5
    assert estimate(cloned, [journal(30.0, 22.0)]) == 29.0


def test_what_the_last_exchange_took_is_expected_of_the_next_and_of_no_freeze_without_one() -> None:
    before = [journal(40.0, 22.0, exchange=10.0)]
    assert (exchanged([]), exchanged([journal(30.0, 22.0)]), exchanged(before)) == (None, None, 10.0)
    assert estimate(MEASURED, before) == 18.0
    assert estimate(MEASURED._replace(clone=6.0), [*before, journal(30.0, 22.0)]) == 34.0
