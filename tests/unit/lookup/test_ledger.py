# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger, asked from playbooks."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.model import Event
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ledger import Ledger

PLAN: dict[str, t.Any] = {"project": "shop", "environment": "staging", "units": [{"name": "site1.local"}]}


def ask(url: str, *terms: str, **options: t.Any) -> list[t.Any]:
    lookup = lookup_loader.get("lockstep.deploy.ledger")
    found: list[t.Any] = lookup.run(list(terms), {"lockstep_ledger_url": url}, **options)
    return found


@pytest.fixture
def url(tmp_path: pathlib.Path) -> str:
    found = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(found)
    for number, at in enumerate(["00", "30"]):
        ledger.plan(PLAN | {"deployment_id": f"d{number}"})
        ledger.begin(f"d{number}")
        ledger.record(f"d{number}", [Event("started", f"2026-11-20T18:45:{at}.000Z", "site1.local")])
    done = "2026-11-20T18:45:12.000Z"
    ledger.record("d0", [Event("state", done, "site1.local", state="live", changed=True)])
    ledger.record("d0", [Event("finished", done, "site1.local", status="completed")])
    ledger.finish("d0", "completed")
    ledger.close()
    return found


def test_questions_are_answered_in_their_order(url: str) -> None:
    durations, statistics, history = ask(url, "durations", "statistics", "history", project="shop")
    assert durations == {"site1.local": 12.0}
    assert statistics["totalDeployments"] == 1
    assert [entry["deployment_id"] for entry in history] == ["d1", "d0"]


def test_the_latest_deployment_is_meant_unless_one_is_named(url: str) -> None:
    assert ask(url, "progress")[0]["deployment_id"] == "d1"
    assert ask(url, "progress", deployment_id="d0")[0]["progress_percentage"] == 100
    assert ask(url, "deployment", deployment_id="unknown") == [{}]
    assert ask(url, "deployment", project="other") == [{}]


def test_where_there_is_no_ledger_the_answer_is_empty_and_none_is_made(tmp_path: pathlib.Path) -> None:
    assert ask(f"sqlite:///{tmp_path}/none.db", "history", "durations", "progress") == [[], {}, {}]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_question_is_refused(url: str) -> None:
    with pytest.raises(AnsibleLookupError, match="not for weather"):
        ask(url, "weather")


def test_a_ledger_that_can_t_be_read_is_an_error() -> None:
    with pytest.raises(AnsibleLookupError, match="not in mysql"):
        ask("mysql://h/x", "history")
