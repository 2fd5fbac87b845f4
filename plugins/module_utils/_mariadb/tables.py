# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a database as the server lists them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import Ask

VIEW = "VIEW"
SEQUENCE = "SEQUENCE"
_VERSIONED = "SYSTEM VERSIONED"


@dataclasses.dataclass(frozen=True)
class Table:
    """One line of ``information_schema.TABLES``.

    Attributes:
        name: Its name.
        kind: ``BASE TABLE``, ``SYSTEM VERSIONED``, ``VIEW`` or ``SEQUENCE``.
        engine: ``InnoDB``, …; empty for views.
        rows: The server's estimate.
        bytes: The server's estimate of data, without indexes.
    """

    name: str
    kind: str
    engine: str
    rows: int
    bytes: int

    @property
    def has_rows(self) -> bool:
        """Whether it is a table in the narrow sense."""
        return self.kind not in (VIEW, SEQUENCE)

    @property
    def versioned(self) -> bool:
        """Whether it keeps its history, which dumps don't."""
        return self.kind == _VERSIONED

    @property
    def transactional(self) -> bool:
        """Whether a read lock keeps writers out before they queue for the table, see :mod:`.dump`."""
        return self.engine.lower() == "innodb"


def listing(ask: Ask, schema: str) -> dict[str, Table]:
    """All that share the name space of tables in a schema, by name."""
    rows = ask(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = {text(schema)} AND TABLE_TYPE <> 'TEMPORARY' ORDER BY TABLE_NAME"
    )
    return {
        name or "": Table(name or "", kind or "", engine or "", int(count or 0), int(size or 0))
        for name, kind, engine, count, size in rows
    }


def tables_of(there: t.Mapping[str, Table]) -> list[str]:
    """The names of those in a listing that are tables in the narrow sense."""
    return [name for name, table in there.items() if table.has_rows]


def references(ask: Ask, schema: str) -> dict[str, set[str]]:
    """Tables by foreign keys: for each table of a schema those of the same schema it refers to."""
    found: dict[str, set[str]] = {}
    for table, referenced in ask(
        "SELECT TABLE_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
        f" WHERE CONSTRAINT_SCHEMA = {text(schema)} AND UNIQUE_CONSTRAINT_SCHEMA = {text(schema)}"
    ):
        found.setdefault(table or "", set()).add(referenced or "")
    return found
