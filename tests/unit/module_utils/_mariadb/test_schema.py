# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as an addition, and what does not."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.schema import (
    difference,
    is_additive,
    named,
    objections,
)

COLUMN = {
    "type": "varchar(140)",
    "nullable": True,
    "default": "NULL",
    "collation": None,
    "extra": "",
    "generated": None,
}
NAME = {**COLUMN, "nullable": False, "default": None}
INDEX = {"unique": False, "type": "BTREE", "columns": ["owner"]}
KEY = {"refers_to": "tabUser", "columns": [["owner", "name"]], "on_update": "RESTRICT", "on_delete": "RESTRICT"}


def table(**more: t.Any) -> dict[str, t.Any]:
    return {
        "kind": "BASE TABLE",
        "engine": "InnoDB",
        "collation": "utf8mb4_unicode_ci",
        "columns": {"name": NAME, "owner": COLUMN},
        "indexes": {"PRIMARY": {"unique": True, "type": "BTREE", "columns": ["name"]}},
        "constraints": {},
        **more,
    }


def schema() -> dict[str, dict[str, t.Any]]:
    empty: dict[str, t.Any] = {kind: {} for kind in ("views", "sequences", "triggers", "routines", "events")}
    return {"tables": {"tabUser": table(), "tabItem": table()}, **empty, "views": {"v": {"statement": "CREATE VIEW v"}}}


def change(*path: str, to: t.Any) -> dict[str, t.Any]:
    """The difference that one change makes; None removes."""
    after = copy.deepcopy(schema())
    at: t.Any = after
    for name in path[:-1]:
        at = at[name]
    if to is None:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return json.loads(json.dumps(difference(schema(), after)))  # type: ignore[no-any-return]


def test_equal_schemas_do_not_differ() -> None:
    assert difference(schema(), schema()) == {}
    assert is_additive({})


ITEM = ("tables", "tabItem")

ADDITIONS = {
    "a table": change("tables", "tabNew", to=table()),
    "a table with a key to another new one": difference(
        {**schema(), "tables": {}}, {**schema(), "tables": {"tabUser": table(), "n": table(constraints={"k": KEY})}}
    ),
    "a column that may be NULL": change(*ITEM, "columns", "color", to=COLUMN),
    "a column with a default": change(*ITEM, "columns", "color", to={**COLUMN, "nullable": False, "default": "'red'"}),
    "a column with an empty default": change(*ITEM, "columns", "color", to={**NAME, "default": "''"}),
    "a computed column": change(*ITEM, "columns", "color", to={**NAME, "generated": "upper(`name`)"}),
    "an index": change(*ITEM, "indexes", "owner", to=INDEX),
    "a view": change("views", "w", to={"statement": "CREATE VIEW w"}),
    "a sequence": change("sequences", "s", to={"statement": "CREATE SEQUENCE s"}),
    "a routine": change("routines", "procedure p", to={"statement": "CREATE PROCEDURE p"}),
}

OTHERS = {
    "a table is gone": change("tables", "tabItem", to=None),
    "a column is gone": change(*ITEM, "columns", "owner", to=None),
    "a column that must be given": change(*ITEM, "columns", "color", to=NAME),
    "a wider type": change(*ITEM, "columns", "owner", to={**COLUMN, "type": "varchar(255)"}),
    "a column that may be NULL now": change(*ITEM, "columns", "name", to={**NAME, "nullable": True}),
    "another default": change(*ITEM, "columns", "owner", to={**COLUMN, "default": "'x'"}),
    "a unique index": change(*ITEM, "indexes", "owner", to={**INDEX, "unique": True}),
    "an index is gone": change(*ITEM, "indexes", "PRIMARY", to=None),
    "an index over other columns": change(*ITEM, "indexes", "PRIMARY", to={**INDEX, "unique": True}),
    "another engine": change(*ITEM, "engine", to="Aria"),
    "another collation": change(*ITEM, "collation", to="utf8mb4_bin"),
    "a check": change(*ITEM, "constraints", "check c", to={"check": "1"}),
    "a foreign key": change(*ITEM, "constraints", "foreign key k", to=KEY),
    "a new table with a key to an old one": change("tables", "tabNew", to=table(constraints={"foreign key k": KEY})),
    "a view is gone": change("views", "v", to=None),
    "another view": change("views", "v", to={"statement": "CREATE VIEW v2"}),
    "a trigger on an old table": change("triggers", "t", to={"statement": "CREATE TRIGGER", "table": "tabItem"}),
    "an event": change("events", "e", to={"statement": "CREATE EVENT"}),
}


@pytest.mark.parametrize("found", ADDITIONS.values(), ids=ADDITIONS)
def test_the_old_code_can_live_with(found: dict[str, t.Any]) -> None:
    assert found
    assert is_additive(found)


@pytest.mark.parametrize("found", OTHERS.values(), ids=OTHERS)
def test_the_old_code_can_not_live_with(found: dict[str, t.Any]) -> None:
    assert found
    assert not is_additive(found)


def test_what_is_no_addition_is_said_by_name() -> None:
    wider = {**COLUMN, "type": "varchar(255)", "nullable": False}
    assert objections(change(*ITEM, "columns", "owner", to=wider)) == [
        "table tabItem: column owner: type varchar(140) → varchar(255), no longer nullable"
    ]
    assert objections(change(*ITEM, "columns", "owner", to=None)) == ["table tabItem: column owner is gone"]
    assert objections(change("tables", "tabItem", to=None)) == ["table tabItem is gone"]
    assert objections(change(*ITEM, "engine", to="Aria")) == ["table tabItem: engine InnoDB → Aria"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            {},
            {"type": "decimal(21,9)", "nullable": False, "default": None},
            "type T → decimal(21,9), no longer nullable",
        ),
        ({"nullable": False, "default": None}, {}, "nullable now"),
        ({}, {"default": "'red'"}, "default NULL → 'red'"),
        ({"default": "'red'"}, {"nullable": False, "default": None}, "no longer nullable, default 'red' → none"),
        ({}, {"extra": "auto_increment"}, "extra none → auto_increment"),
    ],
)
def test_how_a_column_changed_is_said_as_a_person_says_it(
    before: dict[str, t.Any], after: dict[str, t.Any], words: str
) -> None:
    column = {**COLUMN, "type": "T", "nullable": True, "default": "NULL", "extra": ""}
    one = table(columns={"amount": {**column, **before}})
    two = table(columns={"amount": {**column, **after}})
    found = difference({"tables": {"tabItem": one}}, {"tables": {"tabItem": two}})
    assert objections(found) == [f"table tabItem: column amount: {words}"]


def test_an_index_that_became_unique_is_said_so() -> None:
    plain = {"unique": False, "type": "BTREE", "columns": ["a"]}
    one, two = table(indexes={"i": plain}), table(indexes={"i": {**plain, "unique": True, "columns": ["a", "b"]}})
    found = difference({"tables": {"tabItem": one}}, {"tables": {"tabItem": two}})
    assert objections(found) == ["table tabItem: index i: unique now, columns a → a, b"]


@pytest.mark.parametrize("found", OTHERS.values(), ids=OTHERS)
def test_each_thing_is_said_once(found: dict[str, t.Any]) -> None:
    assert len(objections(found)) == 1


def test_a_brief_difference_names_what_is_new_whatever_it_is_called() -> None:
    after = schema()
    after["tables"]["added"] = table()
    after["tables"]["tabItem"]["columns"]["added"] = COLUMN
    after["tables"]["tabItem"]["columns"]["color"] = COLUMN
    after["views"]["v"] = {"statement": "CREATE VIEW v2"}
    assert named(difference(schema(), after)) == {
        "tables": {"added": ["added"], "changed": {"tabItem": {"columns": {"added": ["added", "color"]}}}},
        "views": {
            "changed": {"v": {"before": {"statement": "CREATE VIEW v"}, "after": {"statement": "CREATE VIEW v2"}}}
        },
    }


def test_a_trigger_on_a_new_table_is_an_addition() -> None:
    after = schema()
    after["tables"]["tabNew"] = table()
    after["triggers"]["t"] = {"statement": "CREATE TRIGGER", "table": "tabNew"}
    assert is_additive(difference(schema(), after))


def test_the_difference_names_what_changed() -> None:
    wider = {**COLUMN, "type": "varchar(255)"}
    assert change(*ITEM, "columns", "owner", to=wider) == {
        "tables": {"changed": {"tabItem": {"columns": {"changed": {"owner": {"before": COLUMN, "after": wider}}}}}}
    }
    assert change(*ITEM, "engine", to="Aria")["tables"]["changed"]["tabItem"] == {
        "before": {"engine": "InnoDB"},
        "after": {"engine": "Aria"},
    }
