# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the terminal is told: lines about units, errors as a whole. Plain text, ASCII only."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import fields, model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.progress import Progress, text_seconds

_WORDS = (
    ("done", "done"),
    ("restored", "back"),
    ("kept", "kept"),
    ("running", "running"),
    ("failed", "failed"),
    ("unreachable", "unreachable"),
    ("withheld", "withheld"),
    ("pending", "waiting"),
)


def counts(progress: Progress) -> str:
    """How many units are where, ``2 done, 1 running, 3 waiting``."""
    found = [f"{progress.count(outcome)} {word}" for outcome, word in _WORDS if progress.count(outcome)]
    return ", ".join(found) or "nothing planned"


def ahead(progress: Progress) -> str:
    """What is ahead, when units begin to move."""
    return f"{len(progress.units)} units{f', {progress.window} at a time' if progress.window else ''}"


def running(progress: Progress, now: float) -> str:
    """What runs, and for how long; empty when nothing does."""
    found = [
        f"{task.unit} ({f'{task.phase}, ' if task.phase else ''}{text_seconds(task.seconds)})"
        for task in progress.running(now)[:10]
    ]
    return f"running: {', '.join(found)}" if found else ""


def message(result: t.Mapping[str, t.Any]) -> str | None:
    """The message of a debug task, in lines; None where it shows something else."""
    found = result.get("msg")
    if found is None:
        return None
    return "\n".join(str(line) for line in found) if isinstance(found, list) else str(found)


def time_left(seconds: float | None) -> str:
    """The end of a line, if anything is known about the time left."""
    return "" if seconds is None or seconds < 1 else f", about {text_seconds(seconds)} left"


def about(event: model.Event, took: float | None = None) -> str:
    """A line for an event of a unit; empty where there is nothing to say."""
    if event.kind == "started":
        return "goes back" if event.direction == "reverse" else "started"
    if event.kind == "phase" and event.status == "started":
        until = event.detail.get("until")
        return f"{event.phase} to {until}" if until else str(event.phase)
    if event.kind == "state" and event.state in model.BACK:
        return "is back on the release before" if event.state == "restored" else "is kept on the new release"
    if event.kind == "finished" and event.status == "completed" and event.direction == "forward":
        return "done" if took is None else f"done in {text_seconds(took)}"
    if event.kind == "withheld":
        return "withheld, nothing was changed"
    return ""


def failure(
    host: str, result: t.Mapping[str, t.Any], *, phase: str | None, task: str, unreachable: bool = False
) -> list[str]:
    """An error as a whole: what failed, where, in which phase, how that was left, what to do next, and details.

    Args:
        host: The unit or host.
        result: What the task returned; Ansible has masked in it what has to be.
        phase: The phase, if it is known.
        task: The task's name, for a failure that says nothing itself.
        unreachable: Whether its server didn't answer.
    """
    what = "could not be reached" if unreachable else "failed"
    where = f" in {phase}" if phase else ""
    message, *more = (_message(result) or f"the task '{task}' says no more").splitlines()
    found = [f"{host} {what}{where}: {message}", *(f"    {line}" for line in more)]
    if not phase:
        found.append(f"    task: {task}")
    found += [
        f"    {title}: {result[name]}" for name, title in (("left", "left"), ("hint", "next")) if result.get(name)
    ]
    return found + [f"    | {line}" for line in _details(result)]


def _message(result: t.Mapping[str, t.Any]) -> str:
    if result.get("censored"):
        return str(result["censored"])
    return fields.bare_message(result).strip()


def _details(result: t.Mapping[str, t.Any]) -> list[str]:
    """Whatever explains a failure: a detail of ours, else the streams of a command or module."""
    detail = result.get("detail")
    if isinstance(detail, list):
        return [line for item in detail for line in str(item).splitlines()]
    streams = [detail] if detail else [result.get(name) for name in ("module_stderr", "stderr", "stdout")]
    return [line for stream in streams if stream for line in str(stream).splitlines()]
