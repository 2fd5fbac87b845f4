# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rehearsal is decided by, and what is said of it."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import rehearsal, room
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import valid_name
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.scratch_site import copy_name
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import account
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database

NOW = datetime.datetime(2026, 11, 28, 2, 15, 9)
NAMES = ["name", "owner"]


@pytest.mark.parametrize(
    ("given", "freeze", "wanted"),
    [
        ("auto", "reads", False),
        ("auto", "full", False),
        ("auto", "auto", True),
        ("always", "reads", True),
        ("never", "reads", False),
    ],
)
def test_a_migration_is_rehearsed_where_somebody_asked_or_something_is_decided_by_it(
    given: str, freeze: str, wanted: bool
) -> None:
    options: t.Any = type("Options", (), {"rehearsal": given, "freeze": freeze, "steps": ()})
    assert rehearsal.is_wanted(options) is wanted


def test_a_copy_is_called_after_its_site_and_the_time() -> None:
    assert copy_name("shop.example.com", NOW) == "shop.example.com_green_20261128021509"


def test_copies_of_sites_with_long_names_have_names_of_their_own() -> None:
    one, other = (copy_name("x" * 71 + last, NOW) for last in "ab")
    assert one != other
    assert valid_name("site", one) == one
    assert one.endswith("_green_20261128021509")


def test_only_rows_of_tables_that_kept_their_columns_are_compared() -> None:
    columns = {"tabAdded": NAMES, "tabRemade": NAMES, "tabSame": NAMES, "tabUntouched": NAMES}
    changed = {"tabAdded": {"columns": {"added": {"x": {}}}}, "tabRemade": {"columns": {"removed": ["owner"]}}}
    touched = ["tabAdded", "tabRemade", "tabSame", "tabNew", "tabDocType"]
    found = rehearsal.comparable(columns, touched, {"tables": {"changed": changed}})
    assert found == {"tabAdded": NAMES, "tabSame": NAMES}


def test_what_became_of_rows_is_said_in_words() -> None:
    before = {"a": "2:ff", "b": "2:ff", "c": "2:ff", "d": "2:ff", "e": None}
    after = {"a": "2:ff", "b": "2:fe", "c": "3:ff", "d": "0:0", "e": "1:0"}
    assert rehearsal.changed_rows(before, after) == [
        "table b: rows were changed",
        "table c: 1 rows came, and others may have been changed",
        "table d: 2 rows went",
        "table e: whether its rows were changed can't be compared",
    ]


FOUND = {
    "source": "20261101T101010Z-abcdef",
    "source_age": 3 * 86400.0,
    "additive": True,
    "reasons": [],
    "seconds": {"migrate": 12.3},
    "freeze_seconds": 20.4,
}


def test_a_user_is_told_in_a_line() -> None:
    assert rehearsal.told(FOUND) == (
        "Rehearsed on backup 20261101T101010Z-abcdef, 3 days old, with what changed since: the migration works, takes"
        " 12 s and only adds things. Writes will be blocked for about 20 s."
    )
    more = {**FOUND, "source": "live copy", "additive": False, "reasons": ["table a is gone", "table b is gone"]}
    assert rehearsal.told(more) == (
        "Rehearsed on a copy of its database: the migration works, takes 12 s and does more than add things (table a is"
        " gone, and 1 more). Writes will be blocked for about 20 s."
    )
    cloned = rehearsal.told({**FOUND, "clone_seconds": 7.6})
    assert cloned.endswith("blocked for about 20 s, 8 s of them to clone the database.")
    one, more = (rehearsal.told({**FOUND, "jobs": count}) for count in (1, 3))
    assert one.endswith(
        "about 20 s. A job that the migration queues has to end in that time, too, for as long as that takes."
    )
    assert " 3 jobs that the migration queues have to end" in more
    assert rehearsal.told({"additive": True}).startswith("The migration has nothing to do")
    assert rehearsal.told({"additive": None, "reason": "no admin"}) == "The migration was not rehearsed: no admin."


@pytest.mark.parametrize("schema", ["_a9c4b25a86ad632a", "mysql", "_lockstep_' OR 1", "_lockstep_`"])
def test_no_account_but_that_of_a_scratch_schema_is_made_or_removed(schema: str) -> None:
    nobody = Database("", "root", "", socket="/nowhere")
    with pytest.raises(ValueError, match="is no scratch schema"):
        account.drop(nobody, nobody, schema)
    with pytest.raises(ValueError, match="is no scratch schema"):
        account.create(nobody, nobody, schema)


class Server:
    """Knows its folder and how large a database is."""

    host: t.ClassVar[str | None] = None
    socket: t.ClassVar[str | None] = "/run/db.sock"
    name = "shop"

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def value(self, _sql: str) -> str:
        return self._answer


def test_a_copy_needs_more_than_the_database_takes(tmp_path: t.Any) -> None:
    admin: t.Any = Server(str(tmp_path))
    small: t.Any = Server("1000")
    huge: t.Any = Server(str(10**16))
    need = (1.5, "to rehearse on", "set rehearsal: never")
    room.require_room(admin, small, *need)
    with pytest.raises(LockstepError, match=r"a copy of shop to rehearse on needs 15000000 GB \(1\.5 times"):
        room.require_room(admin, huge, *need)
    huge.socket, huge.host = None, "db.example.com"
    room.require_room(admin, huge, *need)
