# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's new release judged by what its visitors see, while they are shared out and after."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import redis
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._health import site as site_health
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import Verdict
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE, Sides
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import LogSource, Span
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.watch import Probe, Watch, all_of, http_probe

EVERY = 5.0

#: Seconds before the freeze that the new release is compared with.
_BEFORE = 900.0
#: Moments in a row, at a look or between two of them, at which nobody answers from outside, or not who should, before
#: visitors are taken away without waiting for any rule.
_LOOKS = 3
_QUERY_TIMEOUT = 10.0


class TakenBack(LockstepError):
    """A rule says that visitors must not stay with the release; other errors only say that it can't be watched."""


class Judging:
    """Watches the new release of a site.

    Args:
        deployment: The site's deployment, its users let in again.
        lasts: Seconds that it is watched in all.
        every: Seconds from one look to the next. Between two of them it is only looked whether it answers.
    """

    def __init__(self, deployment: SiteDeployment, lasts: float, every: float = EVERY) -> None:
        self._deployment = deployment
        self._candidate, self._baseline = deployment.after, deployment.before
        self._shared = deployment.traffic.slots.candidate() is not None
        self._silent: list[str] = []
        self._until: t.Callable[[], bool] = lambda: False
        since, before = _times(deployment)
        self._source = LogSource(self._sides(), since, deployment.site.name, before, deployment.context.access_log)
        self._watch = Watch(
            self._source,
            Rules.from_mapping(deployment.options.rules),
            lasts=lasts,
            every=every,
            probes=self._probes(),
            health=all_of(self._health),
            dependencies=self._dependencies(),
            sleep=self._wait,
        )

    def follow(self) -> None:
        """Take in that visitors were moved."""
        self._source.follow(self._sides())

    def watch(self, seconds: float, until: t.Callable[[], bool] = lambda: False) -> Verdict:
        """Look at the release again and again.

        Args:
            seconds: How long; 0 looks once.
            until: Ends it early.

        Returns:
            The verdict at the end, which is no failure.

        Raises:
            TakenBack: A rule takes the release back, or nobody answers from outside.
        """
        self._silent, self._until = [], until
        for verdict in self._watch.verdicts(seconds):
            if verdict.failed:
                raise TakenBack("; ".join(verdict.reasons), detail=list(verdict.reasons))
            self._from_outside()
            if until():
                break
        while self._silent:
            # An end amid a silence says nothing: it is looked at until it is one, or none.
            time.sleep(1)
            self._from_outside()
        return verdict

    def concluded(self, seconds: float, until: t.Callable[[], bool] = lambda: False) -> Verdict:
        """The same for whom too little data is no pass, unless the user takes it for one.

        Visitors may just have gone to lunch. Requests of ours take their place, and say enough when there were some for
        as long as the rules look back.

        Args:
            seconds: How long.
            until: Ends it early, and then nothing is concluded.

        Raises:
            LockstepError: A rule takes the release back, or nothing can be concluded even then.
        """
        verdict = self.watch(seconds, until=until)
        if verdict.passed or self._deployment.options.on_inconclusive == "go_on" or until():
            return verdict
        verdict = self.watch(min(self._watch.rules.reach, seconds), until=lambda: self._has_passed() or until())
        if verdict.passed or until():
            return verdict
        raise LockstepError(
            f"inconclusive: {'; '.join(verdict.reasons)}",
            hint="watch longer (step_wait), or take that for a pass: on_inconclusive=go_on",
            detail=list(verdict.reasons),
        )

    def _has_passed(self) -> bool:
        return self._watch.verdict is not None and self._watch.verdict.passed

    def summary(self) -> dict[str, t.Any]:
        """What was seen of both sides, for journal and report."""
        return self._watch.summary()

    def _wait(self, seconds: float) -> None:
        """Wait for the next look, unless the watch ends before."""
        left = seconds
        while left > EVERY:
            time.sleep(EVERY)
            left -= EVERY
            self._from_outside()
            if self._until():
                return
        time.sleep(left)

    def _from_outside(self) -> None:
        outcome = site_health.expected_release(self._live(self._candidate).outside(), self._candidate.id)
        if outcome.passed:
            self._silent = []
            return
        self._silent.append(outcome.message)
        if len(self._silent) >= _LOOKS:
            raise TakenBack(f"the site got unhealthy while it was watched: {outcome.message}", detail=self._silent)

    def _sides(self) -> Sides:
        if not self._shared:
            # A site that was only changed, its settings say, is on the release that it was on.
            before = None if self._baseline.id == self._candidate.id else self._baseline.id
            return Sides.alone(self._candidate.id, before)
        return Sides.beside(self._candidate.id, self._baseline.id, self._deployment.traffic.slots.sides())

    def _probes(self) -> dict[str, Probe]:
        sides = {CANDIDATE: self._candidate}
        # Without visitors of either there are only its answers to the same requests to compare with.
        if self._baseline.id != self._candidate.id and Processes(self._deployment.context).answers(self._baseline):
            sides[BASELINE] = self._baseline
        return {side: self._probe(release) for side, release in sides.items()}

    def _probe(self, release: Release) -> Probe:
        # Its own socket: what goes through nginx stands in the log already.
        transport = self._live(release).direct()
        return http_probe(transport.url(site_health.PING), transport.connect, transport.headers())

    def _health(self) -> list[Result]:
        context = self._deployment.context
        return site_health.check_site(
            self._live(self._candidate).direct(),
            release=self._candidate.id,
            assets=os.path.join(context.bench(self._candidate).sites_folder, "assets"),
            endpoints=self._deployment.options.endpoints,
        )

    def _dependencies(self) -> dict[str, t.Callable[[], Outcome]]:
        config = self._deployment.context.bench(self._candidate).common_config()
        found: dict[str, t.Callable[[], Outcome]] = {"database": self._database}
        for name in ("redis_cache", "redis_queue"):
            if config.get(name):
                found[name] = _redis(str(config[name]))
        return found

    def _database(self) -> Outcome:
        try:
            self._deployment.database().value("SELECT 1", timeout=_QUERY_TIMEOUT)
        except LockstepError as error:
            return Outcome(False, error.message)
        return Outcome(True, "it answers")

    def _live(self, release: Release) -> LiveSite:
        return LiveSite(self._deployment.context, self._deployment.site.name, release)


def _redis(url: str) -> t.Callable[[], Outcome]:
    def ask() -> Outcome:
        try:
            answer = redis.ask(url, "PING")
        except LockstepError as error:
            return Outcome(False, error.message)
        return Outcome(answer == "+PONG", answer)

    return ask


def _times(deployment: SiteDeployment) -> tuple[float, Span | None]:
    """Since when users write on the new release, and the time before that it is compared with."""
    journal = deployment.journal
    thaw, freeze = journal.last("thaw"), journal.last("freeze")
    # What was answered amid the freeze says nothing of the release: it refuses writes by order.
    since = clock.parse(thaw.intent["thawed_at"]).timestamp() if thaw and "thawed_at" in thaw.intent else time.time()
    if freeze is None or "frozen_at" not in freeze.intent:
        return since, None
    frozen = clock.parse(freeze.intent["frozen_at"]).timestamp()
    return since, Span(frozen - _BEFORE, frozen)
