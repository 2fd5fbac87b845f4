# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the strategy reads; how it runs plays is tested with ansible-playbook in tests/integration/strategy."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleError
from ansible.executor.play_iterator import FailedStates, HostState
from ansible.inventory.host import Host

from ansible_collections.lockstep.deploy.plugins.plugin_utils.admission import Unit
from ansible_collections.lockstep.deploy.plugins.strategy import dependency


def test_a_unit_is_read_from_the_plan() -> None:
    planned = {"name": "site1", "depends_on": ["bench1"], "server": "server1", "estimated_seconds": 42, "stage": 1}
    assert dependency._unit_of_plan(planned) == Unit("site1", ("bench1",), "server1", 42.0)


def test_a_plan_may_leave_out_what_is_not_known() -> None:
    assert dependency._unit_of_plan({"name": "site1", "server": None}) == Unit("site1")


def test_a_unit_is_read_from_the_inventory() -> None:
    host = Host("site1")
    host.set_variable("lockstep_depends_on", ["bench1"])
    host.set_variable("lockstep_server", "server1")
    assert dependency._unit_of_host(host) == Unit("site1", ("bench1",), "server1")


@pytest.mark.parametrize(("value", "number"), [(3, 3), ("3", 3), (0, 0)])
def test_a_number_may_come_from_the_command_line(value: t.Any, number: int) -> None:
    assert dependency._number({"lockstep_window": value}, "lockstep_window", 1) == number


def test_a_number_that_is_not_given_has_a_default() -> None:
    assert dependency._number({}, "lockstep_window", 1) == 1


@pytest.mark.parametrize("value", [-1, "a few", [2], True])
def test_what_is_no_number_of_units_is_refused_by_name(value: t.Any) -> None:
    with pytest.raises(AnsibleError, match=r"lockstep_window is '.*', but must be a whole number"):
        dependency._number({"lockstep_window": value}, "lockstep_window", 1)


def test_the_direction_is_forward_unless_it_is_reverse() -> None:
    assert dependency._direction({}) == "forward"
    assert dependency._direction({"lockstep_direction": "reverse"}) == "reverse"
    with pytest.raises(AnsibleError, match="'sideways'"):
        dependency._direction({"lockstep_direction": "sideways"})


def test_servers_bound_how_many_units_could_be_in_flight() -> None:
    units = [Unit(f"a{number}", server="a") for number in range(5)] + [Unit("b", server="b")]
    nowhere = [Unit(f"n{number}") for number in range(4)]
    assert dependency._most_at_once(units, 2) == 3
    assert dependency._most_at_once(units, 0) == 6
    assert dependency._most_at_once(units + nowhere, 2) == 7


def test_a_failure_is_seen_at_any_depth_of_blocks() -> None:
    outer, middle, inner = HostState([]), HostState([]), HostState([])
    outer.rescue_child_state, middle.always_child_state = middle, inner
    assert not dependency._has_failure(outer)
    inner.fail_state = FailedStates.TASKS
    assert dependency._has_failure(outer)
