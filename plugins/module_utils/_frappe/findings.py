# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look at a unit found: everything at once, in sentences that name what was found and what is needed."""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


class Findings:
    """Sentences by what they mean: ``passed``, ``failed`` (nothing may be changed), ``warnings`` (good to know).

    Those of ``failed`` that are in ``firm``, too, stop a deployment by themselves, whoever wants it to go on.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[str] = []
        self.firm: list[str] = []
        self.warnings: list[str] = []

    @property
    def valid(self) -> bool:
        """Whether nothing speaks against a change."""
        return not self.failed

    def refuse(self, sentence: str) -> None:
        """Tell of a failure that nobody can go on in spite of: a later step would refuse it."""
        self.failed.append(sentence)
        self.firm.append(sentence)

    def add(self, other: Findings) -> None:
        """Take over what another look found."""
        self.passed += other.passed
        self.failed += other.failed
        self.firm += other.firm
        self.warnings += other.warnings

    def as_dict(self) -> dict[str, t.Any]:
        """``valid``, and ``findings`` with ``passed``, ``failed``, ``firm``, ``warnings``.

        SPEC.md (B5) calls them ``results``, which Ansible keeps for loops: they get that name where they are judged.
        """
        findings = {"passed": self.passed, "failed": self.failed, "firm": self.firm, "warnings": self.warnings}
        return {"valid": self.valid, "findings": findings}


Check = t.Callable[[Findings], None]


def gather(checks: t.Sequence[Check], at_once: int = 4) -> Findings:
    """Run checks side by side; one that can't be carried out has failed, and the others go on.

    Args:
        checks: Each writes what it finds.
        at_once: How many at a time: they mostly wait for other programs.

    Returns:
        All that was found, in the order of the checks.
    """
    found = Findings()
    with concurrent.futures.ThreadPoolExecutor(max_workers=at_once) as pool:
        for one in pool.map(_carry_out, checks):
            found.add(one)
    return found


def _carry_out(check: Check) -> Findings:
    found = Findings()
    try:
        check(found)
    except LockstepError as error:
        found.failed.append(str(error).rstrip("."))
    except OSError as error:
        found.failed.append(f"{error.filename or 'something'} can't be looked at: {error.strerror or error}")
    return found
