# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases and adopted benches under a real supervisord: started and stopped, also over a restart of supervisord."""

from __future__ import annotations

import pathlib
import tempfile
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.supervision import Supervisor as Supervision
from tests.support.daemons import wait_until
from tests.support.services import Supervisor

GROUPS = ("shop-web", "shop-workers")


@pytest.fixture
def supervisord() -> t.Iterator[Supervisor]:
    # A unix socket's path is short.
    with tempfile.TemporaryDirectory(prefix="lks-", dir="/tmp") as folder, Supervisor(pathlib.Path(folder)) as found:
        yield found


def _write(supervisord: Supervisor, name: str, *groups: str) -> pathlib.Path:
    sections = [
        f"[program:{group}-one]\ncommand=/bin/sleep 600\nstartsecs=0\n[group:{group}]\nprograms={group}-one\n"
        for group in groups
    ]
    path = supervisord.conf_d / name
    path.write_text("".join(sections))
    supervisord.ctl("update")
    return path


def _pids(supervisord: Supervisor) -> dict[str, str]:
    """Process ids of what runs, by group."""
    lines = [line.split() for line in supervisord.ctl("status", check=False).splitlines()]
    return {line[0].partition(":")[0]: line[3].rstrip(",") for line in lines if line[1] == "RUNNING"}


def _restart(supervisord: Supervisor) -> None:
    supervisord.stop()
    supervisord.start()


def test_a_bench_that_retired_stays_stopped_over_a_restart_and_comes_back_when_it_is_asked_for(
    supervisord: Supervisor,
) -> None:
    _write(supervisord, "shop.conf", *GROUPS)
    _write(supervisord, "other.conf", "other")
    before = _pids(supervisord)
    assert set(before) == {*GROUPS, "other"}
    ours = Supervision(supervisord.control(), str(supervisord.conf_d))

    ours.stop_foreign(GROUPS)
    assert _pids(supervisord) == {"other": before["other"]}
    _restart(supervisord)
    wait_until(lambda: set(_pids(supervisord)) == {"other"}, 10, "the other group runs, and nothing else")

    ours.stop_foreign(GROUPS)
    ours.start_foreign(GROUPS)
    assert set(_pids(supervisord)) == {*GROUPS, "other"}
    _restart(supervisord)
    wait_until(lambda: set(_pids(supervisord)) == {*GROUPS, "other"}, 10, "all groups run again")


def test_a_bench_whose_file_has_more_than_its_groups_is_stopped_and_the_rest_is_not(supervisord: Supervisor) -> None:
    path = _write(supervisord, "all.conf", *GROUPS, "other")
    before = _pids(supervisord)
    ours = Supervision(supervisord.control(), str(supervisord.conf_d))
    ours.stop_foreign(GROUPS)
    assert _pids(supervisord) == {"other": before["other"]}
    assert path.exists()
    ours.start_foreign(GROUPS)
    assert _pids(supervisord)["other"] == before["other"]
    assert set(_pids(supervisord)) == {*GROUPS, "other"}


def test_a_file_that_somebody_changed_meanwhile_restarts_nothing_of_theirs(supervisord: Supervisor) -> None:
    _write(supervisord, "shop.conf", *GROUPS)
    other = _write(supervisord, "other.conf", "other")
    before = _pids(supervisord)
    other.write_text(other.read_text().replace("sleep 600", "sleep 700"))
    ours = Supervision(supervisord.control(), str(supervisord.conf_d))
    ours.stop_foreign(GROUPS)
    ours.start_foreign(GROUPS)
    assert _pids(supervisord)["other"] == before["other"]


def test_a_supervisord_that_does_not_answer_is_an_error(supervisord: Supervisor) -> None:
    _write(supervisord, "shop.conf", *GROUPS)
    ours = Supervision(supervisord.control(), str(supervisord.conf_d))
    supervisord.stop()
    with pytest.raises(LockstepError, match="supervisorctl"):
        ours.running("shop-web")
    with pytest.raises(LockstepError, match="supervisorctl"):
        ours.start_foreign(GROUPS)
