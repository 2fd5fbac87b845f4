# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a database's schema is, how two differ, and whether the old code can live with the new one."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.objects import read
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing

Snapshot = dict[str, dict[str, t.Any]]

_PARTS = ("columns", "indexes", "constraints")
_OTHERS = ("views", "sequences", "triggers", "routines", "events")

# How one of each is called. Routines have their kind in their names, constraints too.
_ONE_OF = {
    "tables": "table",
    "views": "view",
    "sequences": "sequence",
    "triggers": "trigger",
    "routines": "routine",
    "events": "event",
}
#: How MariaDB writes the default of a column that is NULL unless something else is given.
_NULL = "NULL"
_ONE_PART_OF = {"columns": "column ", "indexes": "index ", "constraints": ""}


def snapshot(database: Database) -> Snapshot:
    """The schema as a structure that can be kept as JSON.

    Left out is what no code can notice: the order of columns and indexes, comments, row formats, counters, estimates.

    Returns:
        ``tables``: by name ``kind``, ``engine``, ``collation``, ``columns`` (``type``, ``nullable``, ``default``,
        ``collation``, ``extra``, ``generated``), ``indexes`` (``unique``, ``type``, ``columns``), ``constraints``
        (foreign keys and checks); ``views``, ``sequences``, ``triggers``, ``routines``, ``events``: definitions by
        name.
    """
    there = listing(database.query, database.name)
    tables: dict[str, t.Any] = {
        name: {"kind": table.kind, "engine": table.engine, "columns": {}, "indexes": {}, "constraints": {}}
        for name, table in there.items()
        if table.has_rows
    }
    for name, collation in _ask(database, "TABLE_NAME, TABLE_COLLATION", "TABLES", "TABLE_SCHEMA"):
        if name in tables:
            tables[name]["collation"] = collation
    _columns(database, tables)
    _indexes(database, tables)
    _constraints(database, tables)
    found: Snapshot = {"tables": tables, **{kind: {} for kind in _OTHERS}}
    for one in read(database, there):
        kind = f"{one.kind}s" if f"{one.kind}s" in _OTHERS else "routines"
        name = one.name if kind != "routines" else f"{one.kind} {one.name}"
        found[kind][name] = {"statement": one.statement, **({"table": one.table} if one.table else {})}
    return found


def _ask(database: Database, columns: str, table: str, schema: str, rest: str = "") -> list[list[t.Any]]:
    sql = f"SELECT {columns} FROM information_schema.{table} WHERE {schema} = {text(database.name)} {rest}"
    return t.cast("list[list[t.Any]]", database.query(sql))


def _columns(database: Database, tables: dict[str, t.Any]) -> None:
    for table, column, kind, nullable, default, collation, extra, generated in _ask(
        database,
        "TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, COLLATION_NAME, EXTRA,"
        " GENERATION_EXPRESSION",
        "COLUMNS",
        "TABLE_SCHEMA",
        "ORDER BY TABLE_NAME, ORDINAL_POSITION",
    ):
        if table in tables:
            tables[table]["columns"][column] = {
                "type": kind,
                "nullable": nullable == "YES",
                "default": default,
                "collation": collation,
                "extra": extra,
                "generated": generated,
            }


def _indexes(database: Database, tables: dict[str, t.Any]) -> None:
    for table, index, non_unique, kind, column, part in _ask(
        database,
        "TABLE_NAME, INDEX_NAME, NON_UNIQUE, INDEX_TYPE, COLUMN_NAME, SUB_PART",
        "STATISTICS",
        "TABLE_SCHEMA",
        "ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
    ):
        if table in tables:
            entry = tables[table]["indexes"].setdefault(
                index, {"unique": non_unique == "0", "type": kind, "columns": []}
            )
            entry["columns"].append(f"{column}({part})" if part else column)


def _constraints(database: Database, tables: dict[str, t.Any]) -> None:
    for table, name, clause in _ask(
        database, "TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE", "CHECK_CONSTRAINTS", "CONSTRAINT_SCHEMA"
    ):
        if table in tables:
            tables[table]["constraints"][f"check {name}"] = {"check": clause}
    for table, name, schema, other, column, theirs, on_update, on_delete in _ask(
        database,
        "k.TABLE_NAME, k.CONSTRAINT_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, k.COLUMN_NAME,"
        " k.REFERENCED_COLUMN_NAME, r.UPDATE_RULE, r.DELETE_RULE",
        "KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r USING"
        " (CONSTRAINT_SCHEMA, CONSTRAINT_NAME, TABLE_NAME)",
        "k.CONSTRAINT_SCHEMA",
        "ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
    ):
        if table in tables:
            refers = other if schema == database.name else f"{schema}.{other}"
            entry = tables[table]["constraints"].setdefault(
                f"foreign key {name}",
                {"refers_to": refers, "columns": [], "on_update": on_update, "on_delete": on_delete},
            )
            entry["columns"].append([column, theirs])


def difference(before: Snapshot, after: Snapshot) -> dict[str, t.Any]:
    """What is new, gone and changed, from one snapshot to another.

    Returns:
        For ``tables``, ``views``, … the keys ``added`` (definitions by name), ``removed`` (names), ``changed``; what is
        empty is left out, so that equal snapshots give ``{}``. A changed table has ``columns``, ``indexes`` and
        ``constraints`` of the same shape, and ``before``/``after`` for its other properties; anything else that is
        changed has ``before`` and ``after``.
    """
    found = {"tables": _compare(before["tables"], after["tables"], _compare_tables)}
    for kind in _OTHERS:
        found[kind] = _compare(before.get(kind, {}), after.get(kind, {}), _before_after)
    return {kind: entry for kind, entry in found.items() if entry}


def _compare(
    before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any], changed: t.Callable[[t.Any, t.Any], dict[str, t.Any]]
) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {
        "added": {name: after[name] for name in after if name not in before},
        "removed": [name for name in before if name not in after],
        "changed": {
            name: changed(before[name], after[name]) for name in before if name in after and before[name] != after[name]
        },
    }
    return {key: value for key, value in found.items() if value}


def _before_after(before: t.Any, after: t.Any) -> dict[str, t.Any]:
    return {"before": before, "after": after}


def _compare_tables(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    found = {part: _compare(before[part], after[part], _before_after) for part in _PARTS}
    found = {part: entry for part, entry in found.items() if entry}
    rest = {key for key in {*before, *after} - set(_PARTS) if before.get(key) != after.get(key)}
    if rest:
        found["before"] = {key: before.get(key) for key in sorted(rest)}
        found["after"] = {key: after.get(key) for key in sorted(rest)}
    return found


def named(found: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A difference with no more than the names of what is new, which may be hundreds of tables.

    Args:
        found: From :func:`difference`.
    """
    brief = {kind: _named(part) for kind, part in found.items()}
    if "changed" in brief.get("tables", {}):
        brief["tables"]["changed"] = {
            name: {key: _named(part) if key in _PARTS else part for key, part in table.items()}
            for name, table in brief["tables"]["changed"].items()
        }
    return brief


def _named(part: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {**part, "added": sorted(part["added"])} if "added" in part else dict(part)


def is_additive(found: t.Mapping[str, t.Any]) -> bool:
    """Whether code that knew the schema before works on the one after as it did before, see :func:`objections`."""
    return not objections(found)


def objections(found: t.Mapping[str, t.Any]) -> list[str]:
    """Why code that knew the schema before may not work on the one after as it did before.

    Additions are: new tables, views, sequences, routines; new columns that may be NULL, have a default or are computed;
    new indexes that aren't unique. Everything else is not, on purpose also what often does no harm:

    * a type that became wider: the old code may read values it can't hold, and a fingerprint over a column is of its
      type, too;
    * a column that may be NULL now, a changed default, collation or engine: the old code may rely on it;
    * a unique index, a check, a foreign key on or to a table that was there: they refuse what the old code writes;
    * a trigger on a table that was there, and an event: they act by themselves.

    Args:
        found: From :func:`difference`.

    Returns:
        One sentence for each thing that is no addition; none if all are.
    """
    said: list[str] = []
    for kind, part in found.items():
        one = _ONE_OF[kind]
        said += [f"{one} {name} is gone" for name in part.get("removed", [])]
        if kind != "tables":
            said += [f"{one} {name} is another" for name in part.get("changed", {})]
    said += [f"event {name} is new, and acts by itself" for name in found.get("events", {}).get("added", {})]
    tables = found.get("tables", {})
    new = tables.get("added", {})
    said += [
        f"trigger {name} is new on table {one['table']}, which was there"
        for name, one in found.get("triggers", {}).get("added", {}).items()
        if one["table"] not in new
    ]
    said += [
        f"{key} of the new table {name} refers to table {one['refers_to']}, which was there"
        for name, table in new.items()
        for key, one in table["constraints"].items()
        if "refers_to" in one and one["refers_to"] not in new
    ]
    for name, table in tables.get("changed", {}).items():
        said += [f"table {name}: {words}" for words in _no_additions(table)]
    return said


def _no_additions(table: t.Mapping[str, t.Any]) -> list[str]:
    """What of a changed table is no addition."""
    said = []
    for parts, one in _ONE_PART_OF.items():
        part = table.get(parts, {})
        said += [f"{one}{name} is gone" for name in part.get("removed", [])]
        said += [f"{one}{name}: {_differing(both)}" for name, both in part.get("changed", {}).items()]
    said += [f"{name} is new" for name in table.get("constraints", {}).get("added", {})]
    added = table.get("columns", {}).get("added", {})
    said += [
        f"column {name} is new, and has to be given with every row"
        for name, column in added.items()
        if not _may_be_left_out(column)
    ]
    indexes = table.get("indexes", {}).get("added", {})
    said += [f"index {name} is new and unique" for name, index in indexes.items() if index["unique"]]
    if "before" in table:
        said.append(_differing(table))
    return said


def _differing(both: t.Mapping[str, t.Any]) -> str:
    """What differs between two definitions, as a person says it."""
    before, after = both["before"], both["after"]
    names = [name for name in after if before.get(name) != after[name]]
    if "nullable" in names and {before.get("default"), after.get("default")} <= {None, _NULL}:
        # A column that may be NULL is NULL by default, and one that may not has no default: that is no second thing.
        names = [name for name in names if name != "default"]
    return ", ".join(_changed(name, before.get(name), after[name]) for name in names)


def _changed(name: str, before: t.Any, after: t.Any) -> str:
    if isinstance(before, bool) and isinstance(after, bool):
        return f"{name} now" if after else f"no longer {name}"
    return f"{name} {_word(before)} → {_word(after)}"


def _word(value: t.Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_word(one) for one in value)
    return "none" if value in (None, "") else str(value)


def _may_be_left_out(column: t.Mapping[str, t.Any]) -> bool:
    """Whether a row can be written without naming the column."""
    return bool(column["nullable"] or column["default"] is not None or column["generated"])
