# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a migration leaves to a job is done after the thaw where a clone was migrated."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import switch
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.switch import Confirm

SITE = "one.local"


def confirmed(clones: bool = True, reasons: t.Sequence[str] = ("frappe: patches",)) -> dict[str, t.Any]:
    """What is said of a site that its owner keeps in maintenance, so that nothing else is asked."""
    deployment: t.Any = types.SimpleNamespace(
        clones=clones,
        site=types.SimpleNamespace(name=SITE, refuses_readers=lambda: True),
        journal=types.SimpleNamespace(data={"reasons_to_migrate": list(reasons)}),
        options=types.SimpleNamespace(wait_time=0),
        new="the new bench",
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
    method = "frappe.search.website_search.build_index_for_all_routes"
    assert queued == [("the new bench", SITE, method, "long")]


@pytest.mark.parametrize("given", [{"clones": False}, {"reasons": ()}])
def test_a_migration_in_place_has_queued_that_itself_and_none_leaves_nothing_to_do(
    queued: list[tuple[t.Any, ...]], given: dict[str, t.Any]
) -> None:
    assert confirmed(**given)["warnings"] == []
    assert queued == []


def test_a_queue_that_takes_nothing_is_told_with_the_command_to_do_it_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_job: t.Any) -> None:
        raise LockstepError("the queue does not answer")

    monkeypatch.setattr(switch, "queue_job", refuse)
    [told] = confirmed()["warnings"]
    assert told.startswith("the search index of the website is still that of before the migration")
    assert f"bench --site {SITE} build-search-index: the queue does not answer" in told
