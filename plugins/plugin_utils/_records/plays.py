# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What callback plugins read from Ansible's objects; only what is public on ansible-core 2.19 to 2.21."""

from __future__ import annotations

import pathlib
import typing as t

from ansible import context
from ansible.template import Templar

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model

if t.TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

_OUR_MODULES = "lockstep.deploy."
_STRATEGY = "lockstep.deploy.dependency"
_QUOTABLE = frozenset({"fail", "assert"})


def moves_units(playbook: Playbook) -> bool:
    """Whether a playbook deploys or rolls back: it has a play with a direction. Others only look."""
    return any(direction_of(play) for play in playbook.get_plays())


def direction_of(play: Play) -> str | None:
    """``forward`` or ``reverse`` for a play over units: its variable ``lockstep_direction``.

    Without one, a play of our strategy goes forward, unless it has nothing to do.
    """
    found = play.get_vars().get("lockstep_direction")
    if found in ("forward", "reverse"):
        return str(found)
    return "forward" if play.strategy == _STRATEGY and (play.tasks or play.roles) else None


def is_check(play: Play | None = None) -> bool:
    """Whether nothing is really done."""
    return bool(context.CLIARGS.get("check")) or bool(play is not None and play.check_mode)


def units_of(play: Play) -> list[str]:
    """The units among a play's hosts, as far as the inventory knows them."""
    found = play.get_variable_manager().get_vars(play=play)
    hosts = set(found.get("ansible_play_hosts_all") or ())
    return [name for name in (found.get("groups") or {}).get("lockstep_units", ()) if name in hosts]


def variables_of(play: Play, host: Host, names: t.Iterable[str]) -> dict[str, t.Any]:
    """Variables of a host, templated; those that aren't there or can't be are left out.

    Args:
        play: The play at work.
        host: The host.
        names: The variables wanted; an empty text counts as absent, since AWX sends those.
    """
    found = play.get_variable_manager().get_vars(play=play, host=host, include_hostvars=False)
    templar = Templar(loader=play.get_loader(), variables=found)
    values = {}
    for name in names:
        try:
            value = templar.template(found.get(name))
        except Exception:  # whatever a user's template raises, a record is not worth failing for
            continue
        if value not in (None, ""):
            values[name] = value
    return values


def phases_of(task: Task) -> tuple[str | None, str | None]:
    """The first and the last phase that a task walks through.

    They are in a variable of the task whose name ends in ``_phases`` (a list) or is ``lockstep_phase``; else the
    task file of the role is named like its phase.
    """
    for name, value in task.get_vars().items():
        if name == "lockstep_phase" and value in model.PHASES:
            return str(value), str(value)
        if (
            name.endswith("_phases")
            and isinstance(value, list)
            and value
            and all(item in model.PHASES for item in value)
        ):
            return str(value[0]), str(value[-1])
    path = pathlib.PurePath((task.get_path() or "").rpartition(":")[0])
    phase = path.stem if path.stem in model.PHASES and path.parent.name == "tasks" else None
    return phase, phase


def title_of(result: CallbackTaskResult) -> str:
    """The name of a task as it was run; without its role, which newer versions put before it."""
    return str(result.task_name).split(" : ", 1)[-1].strip()


def is_quotable(result: CallbackTaskResult) -> bool:
    """Whether a failure's message was written by us: by a module of the collection, or in a playbook."""
    action = str(result.task.action)
    return action.startswith(_OUR_MODULES) or action.removeprefix("ansible.builtin.") in _QUOTABLE


def window_of(content: t.Mapping[str, t.Any]) -> int:
    """How many units may be in flight, as the plan's result says it; 0 for any number."""
    facts = content.get("ansible_facts") or {}
    found = content.get("window", facts.get("lockstep_window"))
    return int(str(found)) if str(found).isdigit() else 0
