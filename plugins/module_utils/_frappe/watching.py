# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites watched for a while after their deployment, by the rules they were deployed under.

Nothing is changed and no unit is locked: another deployment, a rollback or a person may act at any time, and the watch
of that site is over then.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import claims
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options, SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.judging import EVERY, Judging, TakenBack
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import Site
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_traffic import LIVE, told
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.watch_record import (
    BROKEN,
    ENDED,
    FAILED,
    INCONCLUSIVE,
    PASSED,
    SUPERSEDED,
    WatchRecord,
)

_COMPLETED = "live"
#: Seconds that a watch may take to hear that it is to end: a look may have to wait for answers.
_PATIENCE = 90.0
_LOOK_AGAIN = 0.5
#: Looks of a watch that takes hours. Whoever looks more often sees more by chance: of releases with 4 % errors, where
#: 5 % are allowed, 7 of 400 would be taken back by 720 looks in an hour, and 2 by 60.
LOOKS = 120

Record = dict[str, t.Any]


class _Over(t.NamedTuple):
    """Why there is no more to watch."""

    status: str
    reason: str


class SiteWatch:
    """One site under watch.

    Args:
        context: Its bench.
        unit: Its unit.
        site: Its name.
        deployment_id: The deployment that moved it.

    Raises:
        LockstepError: The unit can't be one.
    """

    def __init__(self, context: BenchContext, unit: str, site: str, deployment_id: str) -> None:
        self._context = context
        self._site = site
        self._deployment_id = deployment_id
        self._folder = context.unit_folder(claims.valid_unit(unit))
        self._traffic = context.traffic(site)
        self.unit = unit
        self.record = WatchRecord(self._folder)

    def run(self, seconds: float, failed: Failed) -> Record:
        """Watch it to the end.

        Args:
            seconds: For how long.
            failed: Which of the sites that are watched together has failed.

        Returns:
            What was written down; see :class:`WatchRecord`.

        """
        try:
            return self._run(seconds, failed)
        except (LockstepError, OSError) as error:
            # Another process watches it and does not end, or nothing can be written down.
            return {"deployment_id": self._deployment_id, "status": BROKEN, "reasons": [_could_not(error)]}

    def _run(self, seconds: float, failed: Failed) -> Record:
        with contextlib.closing(self.record.hold(_PATIENCE)):
            begun = self.record.begin(self._deployment_id, seconds)
            judging: Judging | None = None
            try:
                over = self._over(failed)
                if over is None:
                    journal = Journal(self._folder)
                    deployment = SiteDeployment(self._context, self._site, journal, Options.recorded(journal))
                    judging = Judging(deployment, seconds, max(EVERY, seconds / LOOKS))
                    over = self._watched(judging, seconds, failed)
            except Exception as error:
                # It stays deployed: that nobody can watch it says nothing of the release.
                over = _Over(BROKEN, _could_not(error))
            if over.status == FAILED:
                failed.tell(self.unit)
            found = {"status": over.status, "reasons": [over.reason], "figures": judging.summary() if judging else {}}
            try:
                return self.record.close(begun, **found)
            except LockstepError as error:
                # What was seen is as true where there is no room to write it down.
                return {**begun, **found, "reasons": [over.reason, error.message]}

    def end(self, reason: str) -> Record | None:
        """Have it end, and wait for that; what was written down, None if it was never watched."""
        if self.record.is_watched:
            self.record.end(reason)
            deadline = time.monotonic() + _PATIENCE
            while self.record.is_watched and time.monotonic() < deadline:
                time.sleep(_LOOK_AGAIN)
        return self.record.read()

    def _watched(self, judging: Judging, seconds: float, failed: Failed) -> _Over:
        found: list[_Over] = []

        def is_over() -> bool:
            found.extend(filter(None, [self._over(failed)]))
            return bool(found)

        try:
            verdict = judging.watch(seconds, is_over)
        except TakenBack as error:
            # Who stops or moves the site at this moment causes what a rule takes for the release's failure.
            return self._over(failed, only_others=True) or _Over(FAILED, error.message)
        if found:
            return found[0]
        return _Over(PASSED if verdict.passed else INCONCLUSIVE, "; ".join(verdict.reasons))

    def _over(self, failed: Failed, *, only_others: bool = False) -> _Over | None:
        """Why there is no more to watch; None while there is.

        Args:
            failed: Which of the sites that are watched together has failed.
            only_others: Whether only what others do to this very site counts.
        """
        journal = Journal(self._folder)
        if journal.deployment_id != self._deployment_id:
            return _Over(SUPERSEDED, f"deployment {journal.deployment_id} is at it since")
        if journal.status != _COMPLETED:
            return _Over(SUPERSEDED, f"deployment {self._deployment_id} of it is {journal.status}, no longer completed")
        closed = self._closed()
        if closed:
            return _Over(INCONCLUSIVE, closed)
        if only_others:
            return None
        word = self.record.word()
        if word is not None:
            return _Over(ENDED, word)
        return _Over(ENDED, f"the watch of {failed.unit} failed") if failed.unit else None

    def _closed(self) -> str:
        """Why the site has no visitors that anything could be concluded from; empty if it has."""
        gate = told(self._traffic.gate)
        if gate["state"] != LIVE:
            return f"it was closed to visitors ({gate['state']}), by {gate['by'] or 'somebody'}"
        site = Site(self._site, self._context.layout.data(self._site), self._context.user)
        return "it is in maintenance mode, in which it refuses requests by order" if site.is_frozen() else ""


def _could_not(error: Exception) -> str:
    said = error.message if isinstance(error, LockstepError) else f"{type(error).__name__}: {error}"
    return f"it could not be watched: {said}"


class Failed:
    """Which of several sites failed first, for the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.unit: str | None = None

    def tell(self, unit: str) -> None:
        with self._lock:
            self.unit = self.unit or unit


def watch(watches: t.Sequence[SiteWatch], seconds: float) -> dict[str, Record]:
    """Watch sites of one bench side by side, all of them until the first one fails.

    Args:
        watches: The sites.
        seconds: For how long.

    Returns:
        What was written down, by unit.
    """
    failed = Failed()
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(watches))) as pool:
        begun = {one.unit: pool.submit(one.run, seconds, failed) for one in watches}
    return {unit: one.result() for unit, one in begun.items()}


def end(watches: t.Sequence[SiteWatch], reason: str) -> dict[str, Record | None]:
    """Have all of them end.

    Args:
        watches: The sites.
        reason: Why, for their records.

    Returns:
        What was written down, by unit.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(watches))) as pool:
        ended = {one.unit: pool.submit(one.end, reason) for one in watches}
    return {unit: one.result() for unit, one in ended.items()}
