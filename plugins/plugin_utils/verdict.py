# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a deployment ended, judged from what was planned and what each unit's own records say.

Pure: records in, a status and lines for people out (DESIGN.md, 'When one unit fails').
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.court import ORDER, Court, Record, message, one_line
from ansible_collections.lockstep.deploy.plugins.plugin_utils.verdict_lines import Telling

ROLLBACK = "ansible-playbook lockstep.deploy.rollback"

Goal = t.Literal["deploy", "rollback"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The end of a deployment.

    Attributes:
        deployment_id: Which one.
        status: ``completed``, ``failed``, ``rolled_back``, ``partially_rolled_back``, ``rollback_failed``, ``checked``.
        failed: Whether the run has to end with an error.
        summary: One line.
        lines: What people have to know, and what to do next.
        groups: Units by what became of them, in the plan's order: ``live``, ``restored``, ``kept``,
            ``rollback_failed``, ``failed``, ``unreachable``, ``untouched``, ``withheld``.
        rollback_id: The name of the rollback, where units went back or were to; None else.
        rollback_actions: What the rollback did: ``site``, ``action``, ``result``.
    """

    deployment_id: str
    status: str
    failed: bool
    summary: str
    lines: list[str]
    groups: dict[str, list[str]]
    rollback_id: str | None
    rollback_actions: list[dict[str, t.Any]]

    def as_dict(self) -> dict[str, t.Any]:
        """For playbooks and JSON."""
        return dataclasses.asdict(self)


def judge(
    units: t.Sequence[Record | str],
    records: object = None,
    rollback: object = None,
    *,
    outcome: Record | None = None,
    deployment_id: str = "",
    goal: Goal = "deploy",
    command: str = ROLLBACK,
    check: bool = False,
) -> Verdict:
    """Compare what was planned with what became of it.

    Args:
        units: The planned units, in order: the plan's ``units``, or names.
        records: What each unit's records say after the way forward: a mapping by unit, or a list of mappings with
            ``unit``; each with ``state``, and where there is such ``phase``, ``msg``, ``left``, ``hint``, ``failed``
            (whether it failed, in whatever state it was left) and ``deployment_id`` (whose record it is: that of
            another deployment says nothing of this one).
        rollback: The same for units that were rolled back, or should have been; also ``reason``, ``data`` (``kept``
            when only code and traffic went back, ``restored`` when the data did, too), ``loss`` (``tables``, ``rows``,
            ``minutes``), ``obstacle`` (why its data can't be put back), ``actions``.
        outcome: The strategy's ``lockstep_outcome``: what is known of units without a record.
        deployment_id: The deployment, also for the commands that are suggested.
        goal: What the run was to reach: the new release, or the one before.
        command: The command that rolls back, as the user would type it.
        check: Whether nothing was done, and records only say whether their unit would be ``changed``.

    Returns:
        The verdict; of a check its status is ``checked``, or ``failed``.

    Raises:
        LockstepError: A record has no unit, or the goal is unknown.
    """
    if goal not in ("deploy", "rollback"):
        raise LockstepError(f"a run has the goal deploy or rollback, not {goal!r}")
    if check:
        said = _by_unit(records if goal == "deploy" else rollback)
        return _checked(units, said, outcome or {}, deployment_id, goal)
    court = Court(
        planned={unit["name"] if not isinstance(unit, str) else unit: _planned(unit) for unit in units},
        forward=_by_unit(records),
        back=_by_unit(rollback),
        seen=(outcome or {}).get("forward" if goal == "deploy" else "reverse") or {},
        reached="live" if goal == "deploy" else "restored",
        deployment_id=deployment_id,
    )
    groups = court.groups()
    status = _status(_without_benches_of_others(groups, court), goal)
    wanted = "completed" if goal == "deploy" else "rolled_back"
    tell = Telling(court, groups, deployment_id, command)
    actions = court.actions()
    went_back = bool(actions or court.back or goal == "rollback")
    return Verdict(
        deployment_id=deployment_id,
        status=status,
        failed=status != wanted,
        summary=tell.summary(status),
        lines=tell.lines(),
        groups=groups,
        rollback_id=f"{deployment_id}-rollback" if deployment_id and went_back else None,
        rollback_actions=actions,
    )


def _checked(
    units: t.Sequence[Record | str], said: t.Mapping[str, Record], outcome: Record, deployment_id: str, goal: Goal
) -> Verdict:
    """What a run that changes nothing has found out."""
    names = [unit if isinstance(unit, str) else unit["name"] for unit in units]
    seen = outcome.get("forward" if goal == "deploy" else "reverse") or {}
    failed = [name for name in names if name in (seen.get("failed") or ()) or _is_lost(said.get(name, {}))]
    others = [name for name in names if name not in failed]
    changing = [name for name in others if said.get(name, {}).get("changed")]
    verb = "change" if goal == "deploy" else "go back"
    counts = {f"would {verb}": len(changing), "would stay": len(others) - len(changing), "failed": len(failed)}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    what = f"{'Deployment' if goal == 'deploy' else 'Rollback of'} {deployment_id}".strip()
    return Verdict(
        deployment_id=deployment_id,
        status="failed" if failed else "checked",
        failed=bool(failed),
        summary=f"{what} was only checked, nothing was changed: {told or 'there is nothing to do'}.",
        lines=[f"Failed: {name}: {_why(name, said.get(name, {}))}" for name in failed],
        groups={name: failed if name == "failed" else [] for name in ORDER} | {"untouched": others},
        rollback_id=None,
        rollback_actions=[],
    )


def _why(unit: str, record: Record) -> str:
    return one_line(message(unit, record) or record.get("reason") or record.get("error") or "no reason given")


def _is_lost(record: Record) -> bool:
    return bool(record.get("failed")) or record.get("state") in ("failed", "unreachable")


def _without_benches_of_others(groups: t.Mapping[str, list[str]], court: Court) -> dict[str, list[str]]:
    """The groups without benches that stay as they are for sites of others, where ours went back.

    Sites of ours that stay are kept themselves, and say so.
    """
    others = [unit for unit in groups["kept"] if court.is_bench(unit)] if groups["restored"] else []
    return {**groups, "kept": [unit for unit in groups["kept"] if unit not in others]}


def _status(groups: t.Mapping[str, list[str]], goal: Goal) -> str:
    if groups["rollback_failed"]:
        return "rollback_failed"
    elsewhere = [name for group in ("live", "kept", "failed", "unreachable") for name in groups[group]]
    if goal == "rollback":
        return "partially_rolled_back" if elsewhere or groups["withheld"] else "rolled_back"
    if len(groups["live"]) == sum(len(names) for names in groups.values()):
        return "completed"
    if not groups["restored"] and not groups["kept"]:
        return "failed"
    return "partially_rolled_back" if elsewhere else "rolled_back"


def _planned(unit: Record | str) -> Record:
    return {"name": unit} if isinstance(unit, str) else unit


def _by_unit(records: object) -> dict[str, Record]:
    if not records:
        return {}
    if isinstance(records, dict):
        return {str(unit): record for unit, record in records.items() if isinstance(record, dict)}
    found: dict[str, Record] = {}
    for record in t.cast("t.Iterable[t.Any]", records):
        if not isinstance(record, dict) or not isinstance(record.get("unit"), str):
            raise LockstepError("a unit's record is a mapping with the key unit")
        found[record["unit"]] = record
    return found
