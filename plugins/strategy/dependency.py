# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs every unit as soon as its own dependencies are done."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dependency
short_description: Starts each unit as soon as its own dependencies are done
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Behaves like P(ansible.builtin.free#strategy), but a host, which is a unit here, takes part only from the moment
    it is admitted until it has ended.
  - A unit is admitted when the units it depends on have run the play to its end without failing, as long as fewer
    than C(lockstep_window) units are in flight. Those that the longest path waits for go first.
  - A unit that fails or can't be reached ends all admission. What is in flight runs to its end, what waits never
    starts. While a C(rescue) section of a unit runs nothing is admitted; a rescue that ends well counts as success.
  - With C(lockstep_direction=reverse) dependents come before what they depend on, and a failure withholds only the
    units whose undo depends on the failed one.
  - The host C(lockstep_controller) has to be among the hosts of the play. It ends at once and is no unit. Without it
    a play in which every unit fails would end the run, and no later play could undo anything or tell of it. A play
    with this strategy and without tasks does nothing but add C(lockstep_controller) to the hosts that C(--limit)
    chose, for the plays that follow.
notes:
  - Strategy plugins take no options. This one reads the variables of C(lockstep_controller), once per play.
  - C(lockstep_plan) is the plan; its C(units) with C(name), C(depends_on), C(server), C(estimated_seconds) are what
    may run. Hosts of the play that are not among them never start. Without a plan the hosts' own
    C(lockstep_depends_on) and C(lockstep_server), as the inventory sets them, are taken.
  - C(lockstep_window) is how many units may be in flight, 1 by default, 0 for any number. It is never more than
    forks, since a unit in flight must not wait for a process.
  - C(lockstep_per_server) is how many may be in flight on one server, 8 by default, 0 for any number.
  - The C(waves) of the plan are lists of units. Those of a wave start when all of the waves before it are done.
  - C(lockstep_live_units) lists units outside the play that are proven to be live, C(lockstep_ignore_dependencies)
    drops dependencies on units outside the play. Any other dependency on such a unit is an error.
  - When the play ends, the fact C(lockstep_outcome) of C(lockstep_controller) has, below C(forward) or C(reverse), the
    lists C(done), C(failed), C(unreachable) (which are among the failed), C(withheld) and C(blocked) (those
    of the withheld that depend on a failed unit).
  - C(serial) and C(run_once) are refused, and so are actions that concern all hosts at once (C(pause), C(add_host),
    C(meta) with C(end_play), C(end_batch), C(clear_host_errors) or C(refresh_inventory)).
"""

EXAMPLES = r"""
- name: Take the controller along where --limit leaves it out
  hosts: all
  gather_facts: false
  strategy: lockstep.deploy.dependency

- name: Deploy the units
  hosts: lockstep_controller:lockstep_units
  gather_facts: false
  strategy: lockstep.deploy.dependency
  tasks:
    - name: Walk through the phases of the unit
      ansible.builtin.include_role:
        name: lockstep.deploy.unit
"""

import collections
import typing as t

from ansible.errors import AnsibleError
from ansible.executor.play_iterator import FailedStates
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.strategy.free import StrategyModule as FreeStrategy
from ansible.template import Templar
from ansible.utils.display import Display

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import interruption
from ansible_collections.lockstep.deploy.plugins.plugin_utils.admission import Admission, Direction, Outcome, Unit

if t.TYPE_CHECKING:
    from ansible.executor.play_iterator import HostState, PlayIterator
    from ansible.inventory.host import Host
    from ansible.inventory.manager import InventoryManager
    from ansible.playbook.task import Task

CONTROLLER = "lockstep_controller"

_ACTIONS_FOR_ALL = frozenset({"pause", "add_host"})
_METAS_FOR_ALL = frozenset({"end_play", "end_batch", "clear_host_errors", "refresh_inventory"})

display = Display()


class StrategyModule(FreeStrategy):
    """The ``free`` strategy over the units in flight instead of all hosts."""

    def __init__(self, tqm: t.Any) -> None:
        super().__init__(tqm)
        self._admission: Admission | None = None
        self._direction: Direction = "forward"
        self._deployment_id: str | None = None
        self._hosts: dict[str, Host] = {}
        self._ended: list[Host] = []
        self._recovering: set[str] = set()
        self._longest = 0
        self._outcomes: dict[str, t.Any] | None = None

    def run(self, iterator: PlayIterator, play_context: t.Any) -> t.Any:  # type: ignore[override]
        """Run the play; whoever interrupts it is told what goes on without him.

        Args:
            iterator: The state of the play.
            play_context: How tasks are run.

        Returns:
            What ``free`` returns.
        """
        try:
            return super().run(iterator, play_context)
        except KeyboardInterrupt:
            told = interruption.warning(list(self._admission.in_flight) if self._admission else [], self._deployment_id)
            if told:
                display.warning(told)
            raise

    def get_hosts_left(self, iterator: PlayIterator) -> list[Host]:
        """The units in flight, after those that ended have made room for others.

        ``free`` asks once per pass and ends the play when no host of the answer has anything to do. So a unit that
        turns out to have nothing to do is followed by the next one within the same pass, and when all is over the
        controller, which has nothing to do either, is returned instead of an empty list.

        Args:
            iterator: The state of the play.

        Returns:
            The hosts that take part in this pass.

        Raises:
            AnsibleError: The play or its variables don't allow an order to be kept; raised before anything started.
        """
        try:
            if self._admission is None:
                self._admission = self._begin(iterator)
            self._advance(iterator, self._admission)
        except LockstepError as error:
            raise AnsibleError(str(error)) from error
        left = [self._hosts[name] for name in self._admission.in_flight]
        if not left:
            self._tell_outcome(self._admission.outcome())
            left = [self._hosts[CONTROLLER]]
        # A task with `throttle` makes `free` go on in the next pass at the position where it stopped, and 2.19 fails
        # when the list has become shorter. Units that ended fill it up.
        self._longest = max(self._longest, len(left))
        return left + self._ended[: self._longest - len(left)]

    def _advance(self, iterator: PlayIterator, admission: Admission) -> None:
        """Settles the units that ended and admits others, until those in flight have something to do."""
        seen = list(admission.in_flight)
        while True:
            for name in seen:
                self._settle(iterator, admission, name)
            if self._recovering and admission.stops_on_failure:
                return
            seen = admission.admit()
            if not seen:
                return

    def _settle(self, iterator: PlayIterator, admission: Admission, name: str) -> None:
        """Records what became of a unit in flight: done, failed, or not ended yet."""
        host = self._hosts[name]
        if name in self._tqm._unreachable_hosts:
            self._land(host)
            admission.failed(name)
        elif name not in self._blocked_hosts or not self._blocked_hosts[name]:
            # `_failed_hosts` doesn't know yet of a unit that failed and then ran `always`; the peeked state does.
            state, task = iterator.get_next_task_for_host(host, peek=True)
            if task is not None:
                self._note_recovery(name, state)
                return
            self._land(host)
            if state.fail_state == FailedStates.NONE:
                admission.done(name)
            else:
                admission.failed(name)

    def _land(self, host: Host) -> None:
        self._recovering.discard(host.name)
        self._ended.append(host)

    def _note_recovery(self, name: str, state: HostState) -> None:
        if _has_failure(state):
            self._recovering.add(name)
        else:
            self._recovering.discard(name)

    def _begin(self, iterator: PlayIterator) -> Admission:
        """Reads the plan and prepares the play.

        Raises:
            AnsibleError: The play can't be run by units.
            LockstepError: The plan can't be.
        """
        _refuse_unfit_play(iterator)
        self._hosts = {host.name: host for host in map(self._inventory.get_host, self._hosts_cache) if host}
        if not any(iterator.get_next_task_for_host(host, peek=True)[1] for host in self._hosts.values()):
            self._take_controller_along()
            return Admission([])
        if CONTROLLER not in self._hosts:
            raise AnsibleError(
                f"{CONTROLLER} has to be among the hosts of a play with the strategy lockstep.deploy.dependency, or a "
                "play in which every unit fails would end the run without undoing anything. Where --limit leaves it "
                "out, a play without tasks before this one takes it along; the strategy's documentation shows it."
            )
        variables = self._read_variables(iterator)
        self._direction = _direction(variables)
        self._outcomes = variables.get("lockstep_outcome", {})
        self._deployment_id = (variables.get("lockstep_plan") or {}).get("deployment_id")
        units = self._units(variables.get("lockstep_plan"))
        per_server = _number(variables, "lockstep_per_server", 8)
        admission = Admission(
            units,
            window=self._window(_number(variables, "lockstep_window", 1), per_server, units),
            per_server=per_server,
            direction=self._direction,
            live=variables.get("lockstep_live_units") or (),
            ignore_dependencies=boolean(variables.get("lockstep_ignore_dependencies"), strict=False),
            waves=self._waves(variables.get("lockstep_plan")),
        )
        if self._direction == "reverse":
            self._retry_unreachable(units)
        self._keep_out_failed(iterator, admission, units)
        iterator.end_host(CONTROLLER)
        # Callbacks print a banner per host and task, with the wrong names when skipped hosts are not shown, unless
        # they know that the hosts of a play run independently of each other. They know it by this name only.
        iterator._play.strategy = "ansible.builtin.free"
        return admission

    def _take_controller_along(self) -> None:
        """Adds the controller to the hosts that `--limit` chose, for the plays that follow."""
        controller = self._inventory.get_host(CONTROLLER)
        if controller is None:
            raise AnsibleError(f"{CONTROLLER} is not in the inventory.")
        self._hosts = {CONTROLLER: controller}
        inventory = t.cast("InventoryManager", self._inventory)
        chosen = [host.name for host in inventory.get_hosts("all", ignore_restrictions=True)]
        if CONTROLLER not in chosen:
            inventory.subset([*chosen, CONTROLLER])

    def _read_variables(self, iterator: PlayIterator) -> dict[str, t.Any]:
        """The variables of the controller that concern admission.

        Those that a user may write as a template are templated. Facts are no templates, and looking for templates in
        a plan of thousands of units takes seconds.
        """
        found = self._variable_manager.get_vars(play=iterator._play, host=self._hosts[CONTROLLER])
        templar = Templar(loader=self._loader, variables=found)
        names = ("plan", "window", "per_server", "direction", "live_units", "ignore_dependencies", "outcome")
        given = {f"lockstep_{name}": found.get(f"lockstep_{name}") for name in names}
        read = {name: templar.template(value) if isinstance(value, str) else value for name, value in given.items()}
        return {name: value for name, value in read.items() if value not in (None, "")}

    def _units(self, plan: dict[str, t.Any] | None) -> list[Unit]:
        """The units of the play: those the plan names, or all hosts but the controller where there is no plan."""
        if plan is None:
            return [_unit_of_host(host) for name, host in self._hosts.items() if name != CONTROLLER]
        units = [_unit_of_plan(planned) for planned in plan["units"] if planned["name"] in self._hosts]
        if not units and self._direction in (self._outcomes or {}):
            # A second play in the same direction that this deployment has no use for.
            self._outcomes = None
        elif plan["units"] and not units and self._direction == "forward":
            raise AnsibleError("None of the units of the plan is among the hosts of the play: see --limit and only.")
        return units

    def _waves(self, plan: dict[str, t.Any] | None) -> list[list[str]]:
        """The plan's waves, on the way forward."""
        return list(plan.get("waves") or []) if plan and self._direction == "forward" else []

    def _window(self, window: int, per_server: int, units: t.Sequence[Unit]) -> int:
        """How many units may be in flight, never more than there are worker processes."""
        workers = len(self._workers)
        wanted = min(window or len(units), _most_at_once(units, per_server))
        if wanted > workers:
            display.warning(
                f"{wanted} units may be in flight at once, but there are only {workers} forks: {workers} at a time. "
                f"Use --forks {wanted} to have them all."
            )
        return min(window, workers) if window else workers

    def _retry_unreachable(self, units: t.Iterable[Unit]) -> None:
        """Gives units that could not be reached before another chance to be undone.

        `meta: clear_host_errors` clears them for the play it stands in only; the executor brings them back.
        """
        for unit in units:
            self._tqm._unreachable_hosts.pop(unit.name, None)

    def _keep_out_failed(self, iterator: PlayIterator, admission: Admission, units: t.Iterable[Unit]) -> None:
        """Counts units that failed in a play before as failed, so that nothing is built on them."""
        failed = {*iterator.get_failed_hosts(), *self._tqm._unreachable_hosts}
        for unit in units:
            if unit.name in failed:
                admission.failed(unit.name)
                self._ended.append(self._hosts[unit.name])

    def _tell_outcome(self, outcome: Outcome) -> None:
        """Leaves how far the units got as a fact of the controller, for the plays after this one."""
        if self._outcomes is None:
            return
        told = {
            "done": outcome.done,
            "failed": outcome.failed,
            "unreachable": [name for name in outcome.failed if name in self._tqm._unreachable_hosts],
            "withheld": outcome.withheld,
            "blocked": outcome.blocked,
        }
        self._outcomes = {**self._outcomes, self._direction: told}
        self._variable_manager.set_nonpersistent_facts(CONTROLLER, {"lockstep_outcome": self._outcomes})


def _has_failure(state: HostState) -> bool:
    """Whether something failed in a unit and is being rescued, at any depth of its blocks."""
    children = (state.tasks_child_state, state.rescue_child_state, state.always_child_state)
    return state.fail_state != FailedStates.NONE or any(_has_failure(child) for child in children if child)


def _refuse_unfit_play(iterator: PlayIterator) -> None:
    """Refuses keywords and tasks that concern all hosts at once before anything is started.

    Tasks included while the play runs can't be seen here; `free` warns of them or fails there.
    """
    if iterator._play.serial:
        raise AnsibleError(
            "'serial' can't be used in a play with the strategy lockstep.deploy.dependency: a dependency could be in "
            "another batch. Set lockstep_window to the number of units that may be in flight."
        )
    for task in iterator.all_tasks:
        unfit = _unfit_in(task)
        if unfit:
            raise AnsibleError(
                f"The task '{task.get_name()}' can't be used in a play with the strategy lockstep.deploy.dependency: "
                f"{unfit} concerns all hosts at once, while units run independently of each other. Put it in a play "
                "of its own."
            )


def _unfit_in(task: Task) -> str:
    """What in a task concerns all hosts at once; empty if nothing does."""
    action = task.action.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
    if action == "meta" and task._get_meta() in _METAS_FOR_ALL:
        return f"meta: {task._get_meta()}"
    if action in _ACTIONS_FOR_ALL:
        return str(action)
    return "run_once" if task.run_once else ""


def _direction(variables: t.Mapping[str, t.Any]) -> Direction:
    value = variables.get("lockstep_direction", "forward")
    if value == "forward" or value == "reverse":
        return t.cast(Direction, value)
    raise AnsibleError(f"lockstep_direction is '{value}', but must be 'forward' or 'reverse'.")


def _number(variables: t.Mapping[str, t.Any], name: str, default: int) -> int:
    value = variables.get(name, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0 or isinstance(value, bool):
        raise AnsibleError(f"{name} is '{value}', but must be a whole number, 0 for no limit.")
    return number


def _unit_of_plan(planned: t.Mapping[str, t.Any]) -> Unit:
    seconds = planned.get("estimated_seconds")
    return Unit(
        name=planned["name"],
        depends_on=tuple(planned.get("depends_on") or ()),
        server=planned.get("server") or "",
        seconds=1.0 if seconds is None else float(seconds),
    )


def _unit_of_host(host: Host) -> Unit:
    variables = host.get_vars()
    return Unit(
        name=host.name,
        depends_on=tuple(variables.get("lockstep_depends_on") or ()),
        server=variables.get("lockstep_server") or "",
    )


def _most_at_once(units: t.Iterable[Unit], per_server: int) -> int:
    """How many units could be in flight if only the servers bounded them."""
    by_server = collections.Counter(unit.server for unit in units)
    bounded = (min(count, per_server) if server and per_server else count for server, count in by_server.items())
    return sum(bounded)
