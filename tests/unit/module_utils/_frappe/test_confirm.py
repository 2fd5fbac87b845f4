# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a migration leaves to a job is done after the thaw where a clone was migrated."""

from __future__ import annotations

import getpass
import pathlib
import sys
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import switch
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.switch import Confirm

SITE = "one.local"
METHOD = "frappe.search.website_search.build_index_for_all_routes"


def confirmed(
    clones: bool = True, reasons: t.Sequence[str] = ("frappe: patches",), new: t.Any = "the new bench"
) -> dict[str, t.Any]:
    """What is said of a site that its owner keeps in maintenance, so that nothing else is asked."""
    deployment: t.Any = types.SimpleNamespace(
        clones=clones,
        site=types.SimpleNamespace(name=SITE, refuses_readers=lambda: True),
        journal=types.SimpleNamespace(data={"reasons_to_migrate": list(reasons)}),
        options=types.SimpleNamespace(wait_time=0),
        new=new,
    )
    return Confirm(deployment).run(t.cast(t.Any, None))


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[t.Any, ...]]:
    """The jobs that were queued."""
    found: list[tuple[t.Any, ...]] = []
    monkeypatch.setattr(switch, "queue_job", lambda *job: found.append(job))
    return found


def test_the_search_index_of_a_migrated_clone_is_built_by_the_new_release(queued: list[tuple[t.Any, ...]]) -> None:
    assert confirmed()["warnings"] == []
    assert queued == [("the new bench", SITE, METHOD, "long")]


@pytest.mark.parametrize("given", [{"clones": False}, {"reasons": ()}])
def test_a_migration_in_place_has_queued_that_itself_and_none_leaves_nothing_to_do(
    queued: list[tuple[t.Any, ...]], given: dict[str, t.Any]
) -> None:
    assert confirmed(**given)["warnings"] == []
    assert queued == []


def test_a_bench_that_takes_no_job_is_told_with_the_command_to_do_it_by_hand(tmp_path: pathlib.Path) -> None:
    # Its Python is one, and knows no Frappe.
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "sites").mkdir()
    [told] = confirmed(new=Bench(str(tmp_path), getpass.getuser(), "bench"))["warnings"]
    assert told.startswith("the search index of the website is still that of before the migration")
    assert f"bench --site {SITE} build-search-index: {METHOD} can't be put into the queue of {tmp_path}" in told
