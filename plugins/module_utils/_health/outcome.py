# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What checks found. No data is inconclusive, never a pass."""

from __future__ import annotations

import typing as t


class Outcome(t.NamedTuple):
    """What asking once came to.

    Args:
        passed: None when it could not be known.
        message: What was seen, in a sentence.
        observed: The figures behind it.
        warning: Whether it is worth a word although it passed.
    """

    passed: bool | None
    message: str
    observed: t.Any = None
    warning: bool = False


class Result(t.NamedTuple):
    """What a check came to, all its attempts together; ``warning`` when it passed and is worth a word all the same."""

    name: str
    type: str
    passed: bool | None
    message: str
    attempts: int = 1
    seconds: float = 0.0
    observed: t.Any = None
    warning: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        """The result for a module's answer or a report; of ``warning`` only when there is one."""
        found = {**self._asdict(), "seconds": round(self.seconds, 3)}
        if not self.warning:
            del found["warning"]
        return found


def summary(results: t.Sequence[Result]) -> dict[str, t.Any]:
    """All results and what they come to together.

    Returns:
        ``total_checks``, ``passed``, ``failed``, ``inconclusive`` and ``overall_status``: ``passed`` only if there
        are checks and every one passed, ``failed`` if one failed, else ``inconclusive``; and the ``checks``.
    """
    counts = {name: sum(result.passed is value for result in results) for name, value in _KINDS}
    if counts["failed"]:
        status = "failed"
    else:
        status = "passed" if results and not counts["inconclusive"] else "inconclusive"
    return {
        "total_checks": len(results),
        **counts,
        "overall_status": status,
        "checks": [result.as_dict() for result in results],
    }


_KINDS = (("passed", True), ("failed", False), ("inconclusive", None))
