# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blue-green and canary as users of the sites see them, there and back, and how long writes are blocked."""

from __future__ import annotations

from tests.integration.frappe import strategies
from tests.integration.stage import stage

_SITES = (*strategies.BLUE_GREEN, *strategies.TO_ALL, *strategies.SENT_BACK, *strategies.AMID)


def measure() -> dict[str, float]:
    """Run a blue-green, a canary to all visitors, one that is sent back, and a rollback after a failure.

    Returns:
        ``bluegreen_failed_reads`` and ``bluegreen_lost_writes``; ``canary_failed_reads`` and ``canary_lost_writes`` of
        the other three together; ``freeze_bluegreen_s``, the longest of the blue-green's sites.

    Raises:
        RuntimeError: One of them did not end as it should; its output is in the message.
    """
    with stage("lkb-", sites=_SITES) as bench:
        first = strategies.blue_green(bench)
        others = [
            strategies.canary_to_all(bench),
            strategies.canary_sent_back(bench),
            strategies.blue_green_failing_amid(bench),
        ]
    _require(first, 0, "live")
    for run, rc, statuses in zip(others, (0, 2, 2), (("live",), ("restored", None), ("restored",)), strict=True):
        _require(run, rc, *statuses)
    return {
        "bluegreen_failed_reads": float(first.failed_reads),
        "bluegreen_lost_writes": float(first.lost_writes),
        "canary_failed_reads": float(sum(run.failed_reads for run in others)),
        "canary_lost_writes": float(sum(run.lost_writes for run in others)),
        "freeze_bluegreen_s": max(first.freezes.values()),
    }


def _require(run: strategies.Run, rc: int, *statuses: str | None) -> None:
    """A run that did not do what is measured would lose nothing, too."""
    if run.done.returncode != rc or {journal.get("status") for journal in run.journals.values()} != set(statuses):
        raise RuntimeError(run.told())
