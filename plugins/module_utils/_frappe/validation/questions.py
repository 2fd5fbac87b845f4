# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of validation (SPEC.md, G4), and how their questions are asked."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result, summary


class Question(t.NamedTuple):
    """Something to find out.

    Args:
        name: What the check is called.
        type: By what it is asked: ``http``, ``sql``, ``command``, ``redis``, ``file``, ``tls`` …
        ask: Finds it out. It may raise ``LockstepError``: what can't be asked has failed.
    """

    name: str
    type: str
    ask: t.Callable[[], Outcome]


def answers(questions: t.Iterable[Question]) -> list[Result]:
    """Ask everything, one after the other; one that can't be asked has failed, and the others are asked."""
    return [_answer(question) for question in questions]


def _answer(question: Question) -> Result:
    begin = time.monotonic()
    try:
        outcome = question.ask()
    except LockstepError as error:
        outcome = Outcome(False, str(error))
    seconds = time.monotonic() - begin
    return Result(question.name, question.type, *outcome[:2], 1, seconds, *outcome[2:])


def together(found: t.Mapping[str, t.Sequence[Result]]) -> dict[str, t.Any]:
    """The results of several kinds, as one answer of a module.

    Args:
        found: Results by kind of validation.

    Returns:
        The counts and ``overall_status`` of all of them, ``types`` with those of each kind, and the ``checks``, each
        with its kind as ``validation``. Failed ones are counted as ``failed_checks``, since ``failed`` means something
        to Ansible.
    """
    whole = summary([result for results in found.values() for result in results])
    kinds = [kind for kind, results in found.items() for _result in results]
    checks = [{**check, "validation": kind} for kind, check in zip(kinds, whole["checks"])]
    types = {kind: _counts(summary(results)) for kind, results in found.items()}
    return {**_counts(whole), "types": types, "checks": checks}


def _counts(whole: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    names = ("total_checks", "passed", "inconclusive", "overall_status")
    return {**{name: whole[name] for name in names}, "failed_checks": whole["failed"]}
