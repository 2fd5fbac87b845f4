# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release under watch: looked at again and again until its time is over, or a rule takes it back."""

from __future__ import annotations

import collections
import math
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock as clocks
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import (
    MINUTE,
    Count,
    Figures,
    Side,
    Tally,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import Condition, Verdict, judge
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE, SIDES
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import Source

# Requests come unevenly, so a little more is aimed at than is needed.
_MARGIN = 1.2
_ERROR = 500


class Probed(t.NamedTuple):
    """What one synthetic request came to.

    Attributes:
        ok: Whether it was answered, and not with a status of 500 or above.
        seconds: How long that took.
    """

    ok: bool
    seconds: float


Probe = t.Callable[[], Probed]
Question = t.Callable[[], Outcome]


def http_probe(
    url: str,
    connect: str | None = None,
    headers: t.Mapping[str, str] | None = None,
    timeout: float = 5.0,
    verify: bool = True,
) -> Probe:
    """A probe that sends one GET.

    Ask the release itself (``connect="unix:/…/web.sock"``): what goes through nginx stands in its log and would count
    twice.
    """
    http.check_url(url)

    def ask() -> Probed:
        begin = time.monotonic()
        try:
            answer = http.request(url, connect=connect, headers=headers, timeout=timeout, verify=verify)
        except http.NoAnswer:
            return Probed(False, time.monotonic() - begin)
        return Probed(answer.status < _ERROR, answer.seconds)

    return ask


def all_of(check: t.Callable[[], t.Sequence[Result]]) -> Question:
    """Several checks as one question, such as those of ``_health.site.check_site``: each of them must pass."""

    def ask() -> Outcome:
        results = check()
        wrong = [one for one in results if one.passed is False] or [one for one in results if not one.passed]
        passed = True if results and not wrong else wrong[0].passed if wrong else None
        return Outcome(passed, "; ".join(f"{one.name}: {one.message}" for one in wrong))

    return ask


class Watch:
    """Looks at a release under the same rules for a while.

    Whoever is slow to look sees no less of the log, but probes fill only the minutes in which they were sent: look at
    least once a minute.

    Args:
        source: Where the figures come from.
        rules: When the release fails.
        lasts: How long it is to be watched in all, in seconds. Looks after that are as good, but find a difference that
            there is none of a little more often.
        every: Seconds from one look to the next.
        probes: By side, what sends it one request. They fill minutes in which users send too few; both sides are asked
            equally often. Without one for the candidate none are sent.
        health: Says whether the release is healthy.
        dependencies: What it can't do without, by name: each says whether it is there.
        clock: The wall clock, which the log goes by.
        steady: Seconds that only grow, for what lasts.
        sleep: Waits.
    """

    def __init__(
        self,
        source: Source,
        rules: Rules = Rules(),  # noqa: B008 - it can't be changed
        *,
        lasts: float = 3600.0,
        every: float = 10.0,
        probes: t.Mapping[str, Probe] | None = None,
        health: Question | None = None,
        dependencies: t.Mapping[str, Question] | None = None,
        clock: t.Callable[[], float] = time.time,
        steady: t.Callable[[], float] = clocks.since_boot,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        if lasts < 0 or every <= 0:
            raise LockstepError("a watch lasts at least 0 s, with more than 0 s from one look to the next")
        self.rules = rules
        self.verdict: Verdict | None = None
        self.looks: collections.Counter[str] = collections.Counter()
        self._source = source
        self._lasts, self._every = lasts, every
        self._probing = _Probing(probes or {}, rules, every, steady)
        self._health = None if health is None else _Standing("health", health)
        self._dependencies = [_Standing(name, ask) for name, ask in (dependencies or {}).items()]
        self._clock, self._steady, self._sleep = clock, steady, sleep
        self._begun = steady()

    @property
    def over(self) -> bool:
        """Whether its time is over."""
        return self._steady() - self._begun >= self._lasts

    def look(self) -> Verdict:
        """How the release does now. It takes as long as the probes do, at most about half of ``every``."""
        now = self._clock()
        figures, problem = self._figures(now)
        figures = self._probing.fill(figures, now)
        health = None if self._health is None else self._health.look(self._steady())
        dependencies = [one.look(self._steady()) for one in self._dependencies]
        verdict = judge(figures, self.rules, health, dependencies, math.ceil(self._lasts / self._every))
        if problem is not None and not verdict.failed:
            verdict = verdict._replace(reasons=(problem, *verdict.reasons))
        self.verdict = verdict
        self.looks[verdict.status] += 1
        return verdict

    def verdicts(self, seconds: float | None = None) -> t.Iterator[Verdict]:
        """Look again and again, and wait in between, for whoever has something to do at each look.

        Args:
            seconds: For how long: a step of a longer watch. To the end of the watch if not given.

        Returns:
            Each verdict; the last one is that of the end, or the first that takes the release back.
        """
        end = self._begun + self._lasts if seconds is None else self._steady() + seconds
        while True:
            begin = self._steady()
            verdict = self.look()
            yield verdict
            left = end - self._steady()
            if verdict.failed or left <= 0:
                return
            self._sleep(min(max(begin + self._every - self._steady(), 0), left))

    def run(self, seconds: float | None = None) -> Verdict:
        """The last of :meth:`verdicts`."""
        for verdict in self.verdicts(seconds):
            found = verdict
        return found

    def summary(self) -> dict[str, t.Any]:
        """What the watch came to, for a journal or report: the last verdict, and how many looks ended how."""
        last = {} if self.verdict is None else self.verdict.as_dict()
        seconds = round(self._steady() - self._begun, 1)
        return {**last, "looks": dict(self.looks), "watched_seconds": seconds}

    def _figures(self, now: float) -> tuple[Figures, str | None]:
        try:
            return self._source.figures(now, self.rules), None
        except LockstepError as error:
            # Nothing was seen, which is no reason to take a release back, and none to keep it.
            return Figures(Side()), str(error)


def review(source: Source, rules: Rules, begin: float, end: float) -> Verdict:
    """What a watch would have said of a time that is over, had it looked every minute.

    Args:
        source: Where the figures come from.
        rules: When the release fails.
        begin, end: The time, in seconds since 1970.

    Returns:
        The first verdict that takes the release back, else the last one.

    Raises:
        LockstepError: The source can't be read.
    """
    ends = [end]
    while ends[-1] - MINUTE >= begin + rules.reach:
        ends.append(ends[-1] - MINUTE)
    verdicts = (judge(source.figures(at, rules), rules, looks=len(ends)) for at in reversed(ends))
    for verdict in verdicts:
        if verdict.failed:
            break
    return verdict


class _Standing:
    """Something that must hold, and since when it doesn't."""

    def __init__(self, name: str, ask: Question) -> None:
        self._name = name
        self._ask = ask
        self._since: float | None = None

    def look(self, now: float) -> Condition:
        try:
            outcome = self._ask()
        except (LockstepError, OSError) as error:
            outcome = Outcome(None, str(error))
        if outcome.passed:
            self._since = None
        elif outcome.passed is False and self._since is None:
            self._since = now
        return Condition(
            self._name, outcome.passed, outcome.message, now - (now if self._since is None else self._since)
        )


class _Probing:
    """Synthetic requests where users send too few, and what became of them."""

    def __init__(
        self, probes: t.Mapping[str, Probe], rules: Rules, every: float, steady: t.Callable[[], float]
    ) -> None:
        strange = sorted(set(probes) - set(SIDES))
        if strange:
            raise LockstepError(f"a probe asks {' or '.join(SIDES)}, not {', '.join(strange)}")
        self._probes = probes if CANDIDATE in probes else {}
        self._rules = rules
        self._every = every
        self._steady = steady
        self._tallies = {side: Tally() for side in SIDES}
        self._last: float | None = None

    def fill(self, figures: Figures, now: float) -> Figures:
        """Send what is missing; the figures with everything that was sent."""
        if not self._probes:
            return figures
        self._send(self._missing(figures.candidate, now), now)
        self._last = now
        for tally in self._tallies.values():
            tally.forget(now - self._rules.reach)
        return figures._replace(
            candidate=self._with(figures.candidate, CANDIDATE, now),
            baseline=self._with(figures.baseline, BASELINE, now),
        )

    def _missing(self, candidate: Side, now: float) -> int:
        """How many requests to send at this look."""
        rules = self._rules
        minute = candidate.minutes[-1].requests if candidate.minutes else None
        missing = _MARGIN * rules.min_requests - (minute or 0)
        if candidate.times.count < rules.min_times:
            # Times of users and of ours are not compared with each other, so ours must be enough alone.
            missing = max(missing, _MARGIN * rules.min_times * MINUTE / rules.latency_window)
        passed = self._every if self._last is None else now - self._last
        looks_a_minute = max(int(MINUTE / passed), 1) if passed > 0 else MINUTE
        return max(math.ceil(missing / looks_a_minute), 0)

    def _send(self, count: int, now: float) -> None:
        deadline = self._steady() + self._every / 2
        for _number in range(count):
            # One after the other by turns, so that both meet the same conditions.
            for side, probe in self._probes.items():
                answer = probe()
                seconds = _rounded(answer.seconds) if answer.ok else None
                self._tallies[side].add(now, not answer.ok, seconds, probe=True)
            if self._steady() >= deadline:
                return

    def _with(self, side: Side, name: str, now: float) -> Side:
        tally, rules = self._tallies[name], self._rules
        ours = tally.minutes(now, rules.minutes)
        users = side.minutes or tuple(Count() for _minute in ours)
        return side._replace(
            minutes=tuple(one + other for one, other in zip(users, ours)),
            probe_times=tally.times(now - rules.latency_window, now),
        )


def _rounded(seconds: float) -> float:
    """To tenths of a millisecond, so that equal times are counted together."""
    return round(seconds, 4)
