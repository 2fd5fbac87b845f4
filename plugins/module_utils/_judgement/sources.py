# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where figures come from."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement import access_log
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.access_log import AccessLog, Request
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import (
    Count,
    Counted,
    Figures,
    Side,
    Tally,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE, SIDES, Sides

#: Requests that last as long as somebody listens.
UNTIMED = ("/socket.io",)

_SWITCHED_PROTOCOLS = 101
_ERROR = 500


class Span(t.NamedTuple):
    """A time, in seconds since 1970; its end is not part of it."""

    begin: float
    end: float


class Source(t.Protocol):
    """Something that knows how two releases do."""

    def figures(self, at: float, rules: Rules) -> Figures:
        """How they do at a moment, looking back as far as the rules do; moments only grow.

        Raises:
            LockstepError: It can't be known.
        """


class Record:
    """Requests as they were seen, one by one.

    Args:
        since: When the candidate's time began, in seconds since 1970.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._tallies = {side: Tally() for side in SIDES}
        self._before: dict[float, int] = {}
        self._before_count = Count()

    def add(self, side: str, time: float, error: bool, seconds: float | None) -> None:
        """Count a request for a side; see :meth:`Tally.add`."""
        self._tallies[side].add(time, error, seconds)

    def add_before(self, error: bool, seconds: float | None) -> None:
        """Count a request of the time before; see :meth:`Tally.add`."""
        self._before_count += Count(1, int(error))
        if seconds is not None:
            self._before[seconds] = self._before.get(seconds, 0) + 1

    def figures(self, at: float, rules: Rules) -> Figures:
        """See :meth:`Source.figures`."""
        candidate, baseline = (self._side(self._tallies[side], at, rules) for side in (CANDIDATE, BASELINE))
        for tally in self._tallies.values():
            tally.forget(at - rules.reach)
        return Figures(candidate, at - self._since, baseline, Counted(self._before), self._before_count)

    def _side(self, tally: Tally, at: float, rules: Rules) -> Side:
        return Side(tally.minutes(at, rules.minutes), tally.times(at - rules.latency_window, at))


class LogSource:
    """Figures from the access log of our nginx.

    Args:
        sides: The two releases.
        since: When the candidate's time began, in seconds since 1970; what happened earlier is not its doing.
        site: The site; None for all of the server.
        before: A time in which the baseline served alone and undisturbed: best one that ends where the freeze began.
        path: The log.
        untimed: Beginnings of paths whose times say nothing.

    Raises:
        LockstepError: The log can't be read.
    """

    def __init__(
        self,
        sides: Sides,
        since: float,
        site: str | None = None,
        before: Span | None = None,
        path: str = access_log.PATH,
        untimed: tuple[str, ...] = UNTIMED,
    ) -> None:
        if before is not None and not before.begin < before.end <= since:
            raise LockstepError("the time before must have begun before it ended, and ended when the release began")
        self._sides = sides
        self._since = since
        self._before = before
        self._untimed = untimed
        self._log = AccessLog(path, since if before is None else before.begin, site)
        self._record = Record(since)

    @property
    def passed_over(self) -> int:
        """Lines of the log that could not be understood."""
        return self._log.passed_over

    def follow(self, sides: Sides) -> None:
        """Attribute otherwise from now on, as when more slots lead to the candidate.

        Call it when they were moved. What was logged until now is attributed as before.
        """
        self._read()
        self._sides = sides

    def figures(self, at: float, rules: Rules) -> Figures:
        """See :meth:`Source.figures`."""
        self._read()
        return self._record.figures(at, rules)

    def _read(self) -> None:
        for request in self._log.requests():
            seconds = self._seconds(request)
            if request.time >= self._since:
                side = self._sides.of(request)
                if side is not None:
                    self._record.add(side, request.time, request.status >= _ERROR, seconds)
            elif self._is_before(request):
                self._record.add_before(request.status >= _ERROR, seconds)

    def _is_before(self, request: Request) -> bool:
        return self._before is not None and request.time < self._before.end and self._sides.was_baseline(request)

    def _seconds(self, request: Request) -> float | None:
        """How long a request took; None where that doesn't tell how fast the release is."""
        if request.status >= _ERROR or request.status == _SWITCHED_PROTOCOLS:
            return None
        return None if request.path.startswith(self._untimed) else request.seconds
