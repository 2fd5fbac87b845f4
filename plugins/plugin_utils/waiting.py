# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a process on a server, which goes on whatever becomes of the connection.

Pure: who asks, the clock and what ends it early are given.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.async_job import RUNNING

#: What a wait ends with beside the states of :mod:`._core.async_job`.
LATE, RELEASED = "late", "released"

_PAUSE = 5.0


class ConnectionLost(Exception):
    """The server could not be asked this time; raised from what says why."""


class Waiting:
    """Asks again and again.

    Args:
        ask: Asks the server once: gets the seconds that it may take to answer, returns a state of
            :mod:`._core.async_job`, raises :class:`ConnectionLost`.
        every: Seconds that one question may take at most. Between two of them nothing is heard of :attr:`released`.
        timeout: Seconds after which it is not waited for any longer; None for no end.
        patience: Seconds for which nothing but lost connections is borne.
        released: Says whether the wait is to end although the process goes on.
        clock: Seconds that only grow.
        sleep: Waits.
    """

    def __init__(
        self,
        ask: t.Callable[[float], str],
        *,
        every: float,
        timeout: float | None,
        patience: float,
        released: t.Callable[[], bool] = lambda: False,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._ask = ask
        self._every = every
        self._timeout = timeout
        self._patience = patience
        self._released = released
        self._clock = clock
        self._sleep = sleep

    def run(self) -> str:
        """Wait.

        Returns:
            ``finished`` or ``gone``, ``late`` if it takes longer than it may, ``released`` if the wait is to end.

        Raises:
            ConnectionLost: The server could not be asked for as long as that is borne.
        """
        begun = heard = self._clock()
        while not self._released():
            left = self._every if self._timeout is None else begun + self._timeout - self._clock()
            try:
                state = self._ask(max(0.0, min(self._every, left)))
            except ConnectionLost:
                if self._clock() - heard >= self._patience:
                    raise
                self._sleep(_PAUSE)
                continue
            heard = self._clock()
            if state != RUNNING:
                return state
            if left <= 0:
                return LATE
        return RELEASED
