# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wait bears lost connections, but not for ever."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.async_job import FINISHED, GONE, RUNNING
from ansible_collections.lockstep.deploy.plugins.plugin_utils.waiting import LATE, RELEASED, ConnectionLost, Waiting

LOST = "lost"


class Server:
    """Answers what it is told, the last of it again and again; time passes only here."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.now = 0.0
        self.asked: list[float] = []

    def ask(self, within: float) -> str:
        self.asked.append(within)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == LOST:
            raise ConnectionLost
        self.now += within if answer == RUNNING else 0
        return answer

    def wait(self, timeout: float | None = None, released: t.Callable[[], bool] = lambda: False) -> str:
        def sleep(seconds: float) -> None:
            self.now += seconds

        given: t.Any = {"clock": lambda: self.now, "sleep": sleep, "released": released}
        return Waiting(self.ask, every=30, timeout=timeout, patience=60, **given).run()


@pytest.mark.parametrize("end", [FINISHED, GONE])
def test_it_ends_with_the_process(end: str) -> None:
    server = Server(RUNNING, RUNNING, end)
    assert server.wait() == end
    assert server.asked == [30, 30, 30]


def test_it_lasts_no_longer_than_it_may_and_looks_once_more_at_the_end() -> None:
    server = Server(RUNNING)
    assert server.wait(timeout=70) == LATE
    assert server.asked == [30, 30, 10, 0]
    assert Server(FINISHED).wait(timeout=0) == FINISHED


def test_a_lost_connection_is_no_end_of_the_process() -> None:
    server = Server(*[LOST] * 5, RUNNING, *[LOST] * 10, FINISHED)
    assert server.wait() == FINISHED, "each time it is borne anew"


def test_a_server_that_stays_away_is_not_waited_for_for_ever() -> None:
    server = Server(RUNNING, LOST)
    with pytest.raises(ConnectionLost):
        server.wait()
    assert server.now == 90


def test_it_ends_when_it_is_released_although_the_process_goes_on() -> None:
    server = Server(RUNNING)
    assert server.wait(released=lambda: server.now >= 60) == RELEASED
