# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes what happens in a deployment into the ledger. Ansible loads it because it lies beside the playbooks."""
# ruff: noqa: E402  # documentation stands before the imports

from __future__ import annotations

DOCUMENTATION = r"""
name: lockstep
type: notification
short_description: Writes deployments into the ledger
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Records deployments and rollbacks of the playbooks it lies beside, as they happen, units, phases and events.
  - Playbooks that only look (C(plan.yml), C(status.yml), C(validate.yml)) and C(--check) write nothing.
  - Of results it reads the key C(lockstep), the facts C(lockstep_plan) and C(lockstep_verdict), and what an error of
    the collection's own says.
  - A ledger that can't be written is warned of once, and never stops a deployment.
requirements:
  - SQLAlchemy 2 on the controller
notes:
  - The variable C(lockstep_ledger_url) or the environment variable E(LOCKSTEP_LEDGER_URL) says where the ledger is,
    an SQLAlchemy URL. Without them it is C(~/.local/share/lockstep/ledger.db).
"""

import functools
import typing as t

from ansible.plugins.callback import CallbackBase

try:
    from ansible_collections.lockstep.deploy.plugins.plugin_utils import verdict as judgement
    from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model, observe, plays
    from ansible_collections.lockstep.deploy.plugins.plugin_utils.ledger import Ledger
except ImportError as error:
    _MISSING: ImportError | None = error
else:
    _MISSING = None

if t.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

_WHO = ("lockstep_deployed_by", "awx_user_name", "tower_user_name")
_WHY = ("reason", "lockstep_rollback_reason")
_VARIABLES = ("lockstep_ledger_url", "lockstep_window", *_WHO, *_WHY)


class CallbackModule(CallbackBase):
    """Observes a run and writes it down."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lockstep"

    def __init__(self) -> None:
        super().__init__()
        self._watching = False
        self._forget()

    def _forget(self) -> None:
        self._ledger: Ledger | None = None
        self._play: Play | None = None
        self._host: Host | None = None  # whose variables say where the ledger is: the controller, if it is known
        self._deployment: str | None = None
        self._variables: dict[str, t.Any] = {}
        self._begun: set[tuple[str, str]] = set()
        self._ended = False
        self._waiting: list[model.Event] = []
        self._problems: list[str] = []

    # What Ansible tells.

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Find out whether this playbook is one to record."""
        self._forget()
        if _MISSING is not None:
            self._watching = False
            self._display.warning(f"Nothing is written into the ledger: {_MISSING}")
            return
        self._observer = observe.Observer()
        self._watching = plays.moves_units(playbook) and not plays.is_check()

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """A play begins; the one before it is over."""
        self._play = play
        if not self._watching or plays.is_check(play):
            return
        direction = plays.direction_of(play)
        units = plays.units_of(play) if direction and self._deployment is None else []
        self._record(self._observer.play(direction, units))
        if direction == "forward" and self._deployment is not None:
            self._begin(self._deployment, direction)

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """A task begins."""
        if self._watching and host.get_name() in self._observer.units:
            self._record(self._observer.task(host.get_name(), *plays.phases_of(task)))

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task ended well."""
        self._take(result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """A task failed."""
        self._take(result, failed=not ignore_errors)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """A server didn't answer."""
        self._take(result, unreachable=not result.task.ignore_unreachable)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """The run is over."""
        if not self._watching:
            return
        self._record(self._observer.end())
        if self._deployment is not None and not self._ended:
            self._finish(self._verdict(self._deployment, bool(stats.failures or stats.dark)))
        if self._ledger is not None:
            self._ledger.close()

    # What becomes of it.

    def _take(self, result: CallbackTaskResult, failed: bool = False, unreachable: bool = False) -> None:
        if not self._watching or plays.is_check(self._play):
            return
        content = result.result
        if result.host.get_name() == model.CONTROLLER:
            self._host = result.host
            self._take_facts(content)
        self._host = self._host or result.host
        events = self._observer.result(
            result.host.get_name(),
            content,
            failed=failed,
            unreachable=unreachable,
            quotable=plays.is_quotable(result),
            task_name=plays.title_of(result),
        )
        problems = [event for event in events if event.kind == "problem"]
        self._problems += [event.message for event in problems]
        # After the verdict the run fails because of it; that is no news.
        self._record([event for event in events if not self._ended or event not in problems])

    def _take_facts(self, content: t.Mapping[str, t.Any]) -> None:
        plan, verdict, chosen = observe.plan_of(content), observe.verdict_of(content), observe.rollback_of(content)
        if chosen is not None:
            self._deployment = self._observer.deployment = chosen
        if plan is not None:
            self._observer.plan(plan)
            self._deployment = str(plan["deployment_id"])
            self._ended = False
            self._write(lambda ledger: ledger.plan(plan, window=self._window(), by=self._known(_WHO)))
        if verdict is not None:
            self._deployment = self._deployment or verdict.get("deployment_id") or None
            self._finish(verdict)

    def _record(self, events: t.Sequence[model.Event]) -> None:
        """Write events down; those of which the deployment isn't known yet wait until it is."""
        pending, self._waiting = [*self._waiting, *events], []
        by_deployment: dict[str, list[model.Event]] = {}
        named = next((event.deployment_id for event in pending if event.deployment_id), None)
        for event in pending:
            deployment = self._deployment or event.deployment_id or named
            if deployment is None:
                self._waiting.append(event)
            else:
                by_deployment.setdefault(deployment, []).append(event)
        for deployment, those in by_deployment.items():
            self._deployment = self._deployment or deployment
            if any(_goes_back(event) for event in those):
                self._begin(deployment, "reverse")
            self._write(functools.partial(Ledger.record, deployment_id=deployment, events=those))

    def _begin(self, deployment: str, direction: str) -> None:
        if (deployment, direction) not in self._begun:
            self._begun.add((deployment, direction))
            self._ended = False
            self._variables |= self._read_variables()
            self._write(lambda ledger: ledger.begin(deployment, direction, self._window(), self._known(_WHO)))

    def _finish(self, verdict: t.Mapping[str, t.Any]) -> None:
        deployment = self._deployment
        if deployment is None:
            return
        self._ended = True
        told = {name: verdict.get(name) for name in ("reason", "rollback_id")}
        told["reason"] = told["reason"] or self._known(_WHY)
        if verdict["status"] != "completed":
            told["error"] = verdict.get("error") or verdict.get("summary")
        self._write(lambda ledger: ledger.finish(deployment, verdict["status"], **told))

    def _verdict(self, deployment: str, failed: bool) -> dict[str, t.Any]:
        """How the deployment ended when no play said so."""
        if not self._begun:
            problem = self._problems[-1] if self._problems else "it ended before anything was begun"
            return {"status": "error", "error": problem} if failed else {"status": "completed"}
        known: dict[str, t.Any] = {}
        self._write(lambda ledger: known.update(ledger.deployment(deployment) or {}))
        units = known.get("units") or []
        records = {unit["name"]: {"state": unit["state"]} for unit in units}
        back = {name: record for name, record in records.items() if record["state"] in model.BACK}
        goal: judgement.Goal = "deploy" if (deployment, "forward") in self._begun else "rollback"
        return judgement.judge(units, records, back, goal=goal).as_dict()

    def _write(self, write: t.Callable[[Ledger], object]) -> None:
        """Do something with the ledger; if that fails, say so once and leave it alone for the rest of the run."""
        if not self._watching:
            return
        try:
            if self._ledger is None:
                self._variables |= self._read_variables()
                self._ledger = Ledger(self._variables.get("lockstep_ledger_url"))
            write(self._ledger)
        except Exception as error:  # whatever is wrong with a record, the deployment goes on
            self._watching = False
            self._display.warning(f"The ledger is not written any more in this run: {error}")

    def _read_variables(self) -> dict[str, t.Any]:
        if self._play is None or self._host is None:
            return {}
        return plays.variables_of(self._play, self._host, _VARIABLES)

    def _window(self) -> int | None:
        found = self._read_variables().get("lockstep_window")
        return int(str(found)) if str(found).isdigit() else None

    def _known(self, names: t.Iterable[str]) -> str | None:
        """The first of some variables that is there."""
        found = next((self._variables[name] for name in names if name in self._variables), None)
        return None if found is None else str(found)


def _goes_back(event: model.Event) -> bool:
    """Whether an event says that a unit is being rolled back, rather than looked at on the way back."""
    if event.direction != "reverse":
        return False
    return event.kind in ("started", "failed", "unreachable") or event.state in model.BACK
