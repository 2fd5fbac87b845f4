# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows a deployment as units that move, instead of tasks that run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Progress of a deployment in the terminal
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Shows how far a deployment is, in percent, its stage, how many units are done, what runs in which phase, what
    failed, and how long it may still take.
  - In a terminal this stays at the bottom and is drawn anew; elsewhere (CI, C(ansible-runner)) there are plain lines
    with the time.
  - An error is shown whole, with what failed, on which unit, in which phase, how that was left and what to do next.
  - At the end there is one line per unit, with its state, its versions before and after, and how long writes were
    blocked.
  - The percentage counts finished phases, weighted with what the plan expects them to take.
    It never falls, and is 100 only at the end.
options:
  live:
    description:
      - Whether a part of the terminal is drawn anew. With V(auto) it is where standard output is a terminal that can.
      - Any other value than V(auto), V(always) and V(never) counts as V(auto).
    type: str
    default: auto
    env:
      - name: LOCKSTEP_PROGRESS
    ini:
      - section: callback_progress
        key: live
  log_level:
    description:
      - V(debug) shows all tasks with their results, masked as Ansible masks them; so does C(-v).
      - V(info) shows units and their phases, V(warning) only what fails, V(error) not even warnings of tasks.
      - Case does not matter; any other value counts as V(info).
    type: str
    default: info
    env:
      - name: LOG_LEVEL
    ini:
      - section: callback_progress
        key: log_level
requirements:
  - Set as stdout callback, E(ANSIBLE_STDOUT_CALLBACK=lockstep.deploy.progress)
  - rich, for the live view; without it there are plain lines
"""

import atexit
import contextlib
import datetime
import os
import sys
import threading
import time
import typing as t

from ansible import constants
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback import CallbackBase

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, model, observe, plays, told
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.summary import Summary
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.ticker import Ticker
from ansible_collections.lockstep.deploy.plugins.plugin_utils.progress import Progress, text_seconds

try:
    from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import region
except ImportError:  # without rich there are plain lines
    region = None  # type: ignore[assignment]

if t.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

C: t.Any = constants  # its names are made when it is loaded
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_REDRAW_SECONDS = 1.0
_HEARTBEAT_SECONDS = 60.0
_COLORS = {"failed": C.COLOR_ERROR, "unreachable": C.COLOR_UNREACHABLE, "withheld": C.COLOR_WARN}
_ASKING = frozenset({"pause"})
_INCLUDING = frozenset({"include_role", "include_tasks"})
_ENDING = frozenset({"assert", "fail"})


class CallbackModule(CallbackBase):
    """Turns what Ansible tells into lines, and into a region of the terminal where that is wanted."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "lockstep.deploy.progress"

    def __init__(self) -> None:
        super().__init__()
        self._level = _LEVELS["info"]
        self._lock: t.ContextManager[t.Any] = getattr(self._display, "_lock", None) or threading.RLock()
        self._region: region.Region | None = None
        self._ticker: Ticker | None = None
        self._began = time.monotonic()
        self._forget()

    def _forget(self) -> None:
        self._observer = observe.Observer()
        self._progress = Progress({})
        self._summary = Summary(check=plays.is_check())
        self._play: Play | None = None
        self._play_began = self._began
        self._title = ""
        self._announced = False
        self._left_at = -_REDRAW_SECONDS
        self._left_text = ""
        self._verdict: t.Mapping[str, t.Any] | None = None
        self._plan: t.Mapping[str, t.Any] = {}

    def set_options(self, task_keys: t.Any = None, var_options: t.Any = None, direct: t.Any = None) -> None:
        """Take over the configuration."""
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)  # type: ignore[no-untyped-call]
        self._level = _LEVELS.get(self._option("log_level"), _LEVELS["info"])
        if self._display.verbosity > 0:
            self._level = _LEVELS["debug"]

    def _option(self, name: str) -> str:
        return str(self.get_option(name)).strip().lower()  # type: ignore[no-untyped-call]

    # What Ansible tells.

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Another playbook begins."""
        self._forget()
        self._began = time.monotonic()

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """A play begins; its name is shown once something of it runs."""
        self._play = play
        self._play_began = time.monotonic()
        self._title = str(play.get_name()).strip()
        direction = plays.direction_of(play)
        units = plays.units_of(play) if direction and not self._plan else []
        if direction:
            self._summary.plan(units)
        self._happened(self._observer.play(direction, units))
        self._announced = False

    def v2_playbook_on_vars_prompt(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Somebody is asked something: leave the terminal to that."""
        self._stop()

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """A task begins."""
        action = str(task.action).removeprefix("ansible.builtin.")
        if action in _INCLUDING:
            return  # what is included begins by itself, and a condition may leave it out
        if action in _ASKING:
            self._stop()
        else:
            self._start()
        events = self._observer.task(host.get_name(), *plays.phases_of(task))
        if events or self._observer.direction != "reverse":  # on the way back many units are only looked at
            self._announce()
        self._happened(events)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task ended well."""
        self._take(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """A task was skipped."""
        self._debug(result, "skipped")

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """A task failed."""
        if ignore_errors:
            self._debug(result, "failed, ignored")
        else:
            self._take(result, "failed", failed=True)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """A server didn't answer."""
        if result.task.ignore_unreachable:
            self._debug(result, "unreachable, ignored")
        else:
            self._take(result, "unreachable", unreachable=True)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        """An item of a loop ended well."""
        self._warnings(result)
        self._say_message(result)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        """An item of a loop failed; the loop's own failure says no more than that."""
        self._warnings(result)
        if result.task.ignore_errors:
            return
        name = f"{plays.title_of(result)} (item={self._get_item_label(result.result)})"
        phase = self._observer.phase.get(result.host.get_name())
        self._complain(told.failure(result.host.get_name(), result.result, phase=phase, task=name))

    def v2_runner_retry(self, result: CallbackTaskResult) -> None:
        """A task is tried again."""
        attempts, retries = result.result.get("attempts"), result.result.get("retries")
        self._say(f"{result.host.get_name()}: {plays.title_of(result)}, attempt {attempts} of {retries} failed")

    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        """Files that differ, under --diff."""
        results = result.result.get("results") if result.task.loop else [result.result]
        for entry in results or []:
            if entry.get("diff") and entry.get("changed"):
                self._say(f"{result.host.get_name()}: {plays.title_of(result)}", C.COLOR_CHANGED)
                self._print(str(self._get_diff(entry["diff"])).rstrip("\n"))  # type: ignore[no-untyped-call]

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """The run is over."""
        self._happened(self._observer.end())
        self._progress.end()
        self._stop()
        self._recap(stats)

    # What becomes of it.

    def _take(self, result: CallbackTaskResult, word: str, *, failed: bool = False, unreachable: bool = False) -> None:
        host, content, title = result.host.get_name(), result.result, plays.title_of(result)
        self._take_facts(content)
        self._warnings(result)
        looped = bool(result.task.loop) and "results" in content
        if not looped:
            self._say_message(result)
        events = self._observer.result(
            host, content, failed=failed, unreachable=unreachable, quotable=True, task_name=title
        )
        failure = next((event for event in events if event.kind in ("failed", "unreachable", "problem")), None)
        if failure is not None and not looped and not self._is_verdict(result):
            place, color = failure.unit or host, C.COLOR_UNREACHABLE if unreachable else C.COLOR_ERROR
            lines = told.failure(place, content, phase=failure.phase, task=title, unreachable=unreachable)
            self._complain(lines, color)
        self._happened(events)
        if plays.is_check(self._play) and word == "changed":
            self._say(f"{host}: would change: {title}", C.COLOR_CHANGED)
        self._debug(result, word)

    def _take_facts(self, content: t.Mapping[str, t.Any]) -> None:
        self._observer.deployment = observe.rollback_of(content) or self._observer.deployment
        plan = observe.plan_of(content)
        if plan is not None and plan.get("deployment_id") != self._plan.get("deployment_id"):
            self._plan = plan
            self._observer.plan(plan)
            self._summary.plan(unit["name"] for unit in plan["units"])
            self._progress = Progress(plan, plays.window_of(content))
            self._left_at = -_REDRAW_SECONDS
        self._verdict = observe.verdict_of(content) or self._verdict

    def _is_verdict(self, result: CallbackTaskResult) -> bool:
        """Whether a failure is only the way to end a run whose verdict has been told."""
        action = str(result.task.action).removeprefix("ansible.builtin.")
        return self._verdict is not None and action in _ENDING and result.host.get_name() == model.CONTROLLER

    def _happened(self, events: t.Sequence[model.Event]) -> None:
        now = time.monotonic()
        for event in events:
            with self._lock:
                self._progress.apply(event, now)
            self._summary.apply(event)
            unit = self._progress.units.get(event.unit or "")
            text = told.about(event, unit.taken if unit else None)
            if text and (self._region is None or event.kind != "phase"):
                after = f" ({told.counts(self._progress)}{self._left()})" if event.kind == "finished" else ""
                self._say(f"{event.unit}: {text}{after}", _COLORS.get(event.kind))
        if self._region is not None and events:
            self._region.refresh()

    def _announce(self) -> None:
        """Name the play when something of it begins."""
        if not self._announced:
            self._announced = True
            moves = self._observer.direction == "forward" and self._progress.units
            self._say(f"{self._title}: {told.ahead(self._progress)}{self._left()}" if moves else self._title)

    def _left(self) -> str:
        """What is said of the time left; looked up once a second at most, since it looks at all units."""
        if not self._progress.count("pending", "running"):
            return ""
        now = time.monotonic()
        if now - self._left_at >= _REDRAW_SECONDS:
            self._left_at, self._left_text = now, told.time_left(self._progress.seconds_left(now))
        return self._left_text

    def _warnings(self, result: CallbackTaskResult) -> None:
        if self._level <= _LEVELS["warning"]:
            self._handle_warnings(result.result)

    def _say_message(self, result: CallbackTaskResult) -> None:
        """What a playbook wants people to read: the message of a debug task."""
        if str(result.task.action).removeprefix("ansible.builtin.") != "debug" or self._level > _LEVELS["info"]:
            return
        if not result.result.get("_ansible_verbose_always"):
            return
        self._clean_results(result.result, result.task.action)  # type: ignore[no-untyped-call]
        message = told.message(result.result)
        self._print(self._dump_results(result.result, indent=2) if message is None else message)

    def _debug(self, result: CallbackTaskResult, word: str) -> None:
        if self._level > _LEVELS["debug"] or isinstance(result.task, TaskInclude):
            return
        self._line(
            f"{self.host_label(result)} | {plays.title_of(result)} | {word}: {self._dump_results(result.result)}"
        )

    # How it gets onto the screen.

    def _say(self, text: str, color: str | None = None) -> None:
        if text and (self._level <= _LEVELS["info"] or (color == C.COLOR_ERROR and self._level <= _LEVELS["error"])):
            self._line(text, color)

    def _line(self, text: str, color: str | None = None) -> None:
        clock = datetime.datetime.now().strftime("%H:%M:%S")
        share = f" {self._progress.percentage():3d}%" if self._progress.units else ""
        self._print(f"{clock}{share}  {text}", color)

    def _complain(self, lines: t.Sequence[str], color: str = C.COLOR_ERROR) -> None:
        first, *more = lines
        self._line(first, color)
        for line in more:
            self._print(f"          {line}", color)

    def _print(self, text: str, color: str | None = None) -> None:
        self._display.display(fields.shown(text), color=color)
        if self._region is None:
            if self._ticker is not None:
                self._ticker.wait_anew()
            with self._lock, contextlib.suppress(OSError):
                sys.stdout.flush()  # whoever follows a log wants the line when it is written

    def _start(self) -> None:
        """Begin to show what goes on while nothing is told."""
        if self._ticker is not None:
            return
        if self._is_live():
            self._region = region.Region(self._view, self._lock)
            self._region.start()
            atexit.register(self._stop)  # Ctrl-C ends a run without its last callback
            self._ticker = Ticker(self._region.refresh, _REDRAW_SECONDS)
        else:
            self._ticker = Ticker(self._heartbeat, _HEARTBEAT_SECONDS)
        self._ticker.start()

    def _stop(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None
        if self._region is not None:
            self._region.stop()
            self._region = None
            atexit.unregister(self._stop)

    def _is_live(self) -> bool:
        wanted = self._option("live")
        if wanted == "never" or region is None or self._level != _LEVELS["info"]:
            return False
        return wanted == "always" or region.is_watched()

    def _view(self, width: int, height: int) -> str:
        now = time.monotonic()
        color = not C.ANSIBLE_NOCOLOR and "NO_COLOR" not in os.environ
        return region.render(self._progress, self._title, now, now - self._began, (width, height), color)

    def _heartbeat(self) -> None:
        """Say that it is still alive, and what runs; CI systems end jobs that say nothing."""
        with self._lock:
            running = told.running(self._progress, time.monotonic())
            if running:
                self._say(f"{running}; {told.counts(self._progress)}{self._left()}")
            elif self._announced:
                self._say(f"{self._title}: for {text_seconds(time.monotonic() - self._play_began)}")

    def _recap(self, stats: AggregateStats) -> None:
        took = text_seconds(time.monotonic() - self._began)
        for line in self._summary.lines() if self._observer.units else []:
            self._print(line)
        if self._verdict is not None:
            dry = "check mode, nothing was changed: " if plays.is_check() else ""
            color = C.COLOR_ERROR if self._verdict.get("failed") else C.COLOR_OK
            self._line(f"{dry}{self._verdict['status']} after {took}", color)
        elif stats.failures or stats.dark:
            self._line(f"failed on {', '.join(sorted({*stats.failures, *stats.dark}))} after {took}", C.COLOR_ERROR)
        elif self._level <= _LEVELS["info"]:
            self._line(f"ended well in {took}", C.COLOR_OK)
