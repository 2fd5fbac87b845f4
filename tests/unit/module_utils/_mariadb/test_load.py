# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done where the server refuses a table that foreign keys tie to one that is loaded beside it."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import load
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import (
    DEADLOCK,
    LOCK_TIMEOUT,
    NO_SUCH_TABLE,
    DatabaseError,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import Crew


class Refused:
    """A job that the server refuses a few times."""

    def __init__(self, number: int, times: int) -> None:
        self.runs = 0
        self._number, self._times = number, times

    def __call__(self, crew: Crew) -> None:
        self.runs += 1
        if self.runs <= self._times:
            raise DatabaseError("refused", number=self._number)


@pytest.mark.parametrize("number", [LOCK_TIMEOUT, DEADLOCK])
def test_a_group_that_is_refused_for_another_s_sake_is_loaded_anew(number: int) -> None:
    job = Refused(number, 2)
    load._load_patiently(job, 30, Crew())
    assert job.runs == 3


@pytest.mark.parametrize(
    ("number", "timeout"),
    [pytest.param(NO_SUCH_TABLE, 30, id="another reason"), pytest.param(LOCK_TIMEOUT, 0, id="no time is left")],
)
def test_and_ends_the_restore_otherwise(number: int, timeout: float) -> None:
    job = Refused(number, 1)
    with pytest.raises(DatabaseError, match="refused"):
        load._load_patiently(job, timeout, Crew())
    assert job.runs == 1
