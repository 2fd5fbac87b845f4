# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table at the end of a run."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.model import Event
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.summary import Summary

ONE = "site1.local"
VERSIONS = {"before": {"shop": "1.0.0"}, "after": {"shop": "2.0.0"}}


def event(kind: str, second: int, direction: str, **more: t.Any) -> Event:
    return Event(kind=kind, at=f"2026-11-20T18:00:{second:02}.000Z", unit=ONE, direction=direction, **more)


def cells(*events: Event) -> list[str]:
    """What the table says of the unit."""
    summary = Summary()
    summary.plan([ONE])
    for one in events:
        summary.apply(one)
    return re.split(r"  +", summary.lines()[1])


def forward() -> list[Event]:
    return [
        event("started", 0, "forward"),
        event("state", 20, "forward", state="live", changed=True, versions=VERSIONS, freeze_seconds=7.5),
        event("finished", 21, "forward", status="completed"),
    ]


def back() -> list[Event]:
    return [
        event("started", 30, "reverse"),
        event("state", 38, "reverse", state="restored", changed=True, versions=VERSIONS, freeze_seconds=7.5),
        event("finished", 39, "reverse", status="completed"),
    ]


def test_a_unit_that_went_forward_has_its_freeze_and_its_time() -> None:
    assert cells(*forward()) == [ONE, "live", "shop 1.0.0 -> 2.0.0", "7.5 s", "21 s"]


def test_a_unit_that_went_back_in_the_same_run_keeps_those_of_the_way_forward() -> None:
    assert cells(*forward(), *back()) == [ONE, "restored", "shop 1.0.0", "7.5 s", "21 s"]


def test_a_run_that_only_goes_back_has_its_own_time_and_no_freeze_of_the_deployment() -> None:
    assert cells(*back()) == [ONE, "restored", "shop 1.0.0", "-", "9 s"]
