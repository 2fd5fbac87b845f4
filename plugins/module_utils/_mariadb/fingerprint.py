# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fingerprints of tables' contents: was anything written, are the old rows still what they were?"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import STATEMENT_TIMEOUT, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.load import scratch_copy
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text, texts
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import (
    Crew,
    balanced,
    default_workers,
    side_by_side,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.verify import Manifest

Fingerprints = dict[str, t.Optional[str]]

_BUDGET = 512 << 20
_SECONDS = 120.0
_ANY_TABLE = 16384  # bytes; what a table costs whatever is in it

_BRIEF = ("char", "varchar", "enum", "set")
_LONG = ("text", "blob", "binary", "json", "geometry", "point", "linestring", "polygon", "geometrycollection")

# A row without a hash (the server makes NULL of a text longer than max_allowed_packet) lifts the sum over what all
# other rows together can reach.
_NO_HASH = 10**40


def fingerprints(
    database: Database,
    tables: t.Collection[str],
    columns: t.Mapping[str, t.Sequence[str]] | None = None,
    *,
    budget_bytes: int = _BUDGET,
    seconds: float = _SECONDS,
    workers: int | None = None,
) -> Fingerprints:
    """Fingerprints of tables as they are.

    Equal contents have equal fingerprints, in whatever order the rows lie; different ones differ, but for a chance of
    one in 2^64. It counts every row, tells NULL from an empty text, and compares bytes, not letters.

    Args:
        database: Where the tables are.
        tables: Their names; what is no table is unknown.
        columns: Over which columns, by table; all for a table that isn't in it, and for None.
        budget_bytes: Data to read at most, smallest tables first, by the server's estimate.
        seconds: Time for one table at most.
        workers: Tables at a time; None for one per core, four at most.

    Returns:
        By table ``rows:hash``, or None where it is unknown: no such table or column, over the budget, or too slow.
    """
    there = listing(database.query, database.name)
    chosen = sorted((name for name in tables if name in there and there[name].has_rows), key=lambda n: there[n].bytes)
    types = _types(database, chosen)
    found: Fingerprints = dict.fromkeys(tables)
    statements = {}
    for name in chosen:
        budget_bytes -= there[name].bytes
        wanted = list(types[name]) if columns is None or name not in columns else list(columns[name])
        if budget_bytes >= 0 and all(column in types[name] for column in wanted):
            statements[name] = _statement(database, name, {column: types[name][column] for column in wanted}, seconds)
    workers = workers or default_workers()
    groups = balanced({name: there[name].bytes + _ANY_TABLE for name in statements}, workers)
    jobs = [functools.partial(_ask, database, {name: statements[name] for name in group}) for group in groups if group]
    for values in side_by_side(jobs, workers):
        found.update(values)
    return found


def unchanged(recorded: Fingerprints, now: Fingerprints) -> tuple[list[str], list[str], list[str]]:
    """Compare fingerprints.

    Args:
        recorded: From before.
        now: Of the same tables and columns.

    Returns:
        The tables that weren't written, that were, and of which it isn't known; what isn't known counts as written.
    """
    names = sorted({*recorded, *now})
    unknown = [name for name in names if recorded.get(name) is None or now.get(name) is None]
    known = [name for name in names if name not in unknown]
    same = [name for name in known if recorded[name] == now[name]]
    return same, [name for name in known if name not in same], unknown


def rows(fingerprint: str) -> int:
    """How many rows a fingerprint counted."""
    return int(fingerprint.partition(":")[0])


def of_backup(
    admin: Database,
    database: Database,
    folder: str,
    manifest: Manifest,
    tables: t.Collection[str],
    columns: t.Mapping[str, t.Sequence[str]] | None = None,
    *,
    budget_bytes: int = _BUDGET,
    workers: int | None = None,
) -> Fingerprints:
    """Fingerprints of tables as a backup has them, from a copy that is dropped again.

    Compared with those of the live tables over the columns they had then, they tell whether a migration left the old
    rows alone.

    Args:
        admin: From :func:`.find_admin`.
        database: The database that was backed up.
        folder: The backup.
        manifest: Its manifest.
        tables: Their names; what the backup doesn't have is unknown.
        columns: As for :func:`fingerprints`.
        budget_bytes: As for :func:`fingerprints`.
        workers: Processes at a time.

    Raises:
        LockstepError: The backup is damaged or can't be loaded.
    """
    saved = {name for name in tables if name in manifest["tables"]}
    within, left = [], budget_bytes
    for name in sorted(saved, key=lambda name: manifest["tables"][name]["data_bytes"]):
        left -= manifest["tables"][name]["data_bytes"]
        within += [name] if left >= 0 else []
    found: Fingerprints = dict.fromkeys(tables)
    if within:
        with scratch_copy(admin, database, folder, manifest, within, purpose="fingerprint", workers=workers) as copy:
            found.update(fingerprints(copy, within, columns, budget_bytes=budget_bytes, workers=workers))
    return found


def _types(database: Database, tables: t.Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {name: {} for name in tables}
    for table, column, kind in database.query(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS"
        f" WHERE TABLE_SCHEMA = {text(database.name)} AND TABLE_NAME IN ({texts(tables)})"
        " ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        if table in found:
            found[table][column or ""] = (kind or "").lower()
    return found


def _statement(database: Database, table: str, columns: t.Mapping[str, str], seconds: float) -> str:
    parts = ", ',', ".join(_part(quote(column), kind) for column, kind in columns.items()) or "''"
    number = f"CAST(CONV(LEFT(MD5(CONCAT({parts}, '')), 16), 16, 10) AS UNSIGNED)"
    return (
        f"SET STATEMENT max_statement_time = {float(seconds)} FOR"
        f" SELECT COUNT(*), COALESCE(SUM(COALESCE({number}, {_NO_HASH})), 0) FROM {database.table(table)}"
    )


def _part(column: str, kind: str) -> str:
    """An expression for a column: different for different values, and not longer than needed.

    Not ``IFNULL``: it is NULL itself, and with it the row's hash, when the server has no room for a value.
    """
    return f"IF({column} IS NULL, '-', {_value(column, kind)})"


def _value(column: str, kind: str) -> str:
    if kind in _BRIEF:
        return f"CONCAT(LENGTH({column}), ':', CAST({column} AS BINARY))"
    if kind.endswith(_LONG):
        return f"MD5({column})"
    if kind == "float":  # as a text it has six digits
        return f"CAST({column} AS DOUBLE)"
    if kind == "bit":
        return f"{column} + 0"
    return f"CAST({column} AS CHAR)"


def _ask(database: Database, statements: t.Mapping[str, str], _ignored: Crew) -> Fingerprints:
    found: Fingerprints = {}
    with Session(database) as session:
        for name, statement in statements.items():
            try:
                count, total = session.query(statement)[0]
            except DatabaseError as error:
                if error.number != STATEMENT_TIMEOUT:
                    raise
                found[name] = None
                continue
            value = int(total or 0)
            found[name] = None if value >= _NO_HASH else f"{count}:{value:x}"
    return found
