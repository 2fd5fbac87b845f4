# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tables a Frappe migration touched, as far as that can be known."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session

_AT_ONCE = 100  # tables in one statement

# The two patterns by which Frappe finds names in its own INSERT, UPDATE, DELETE, ALTER, DROP and RENAME statements
# (frappe/database/database.py, log_touched_tables). A quoted name whose every word begins with a capital is found
# whole; of any other name the first word is found, whether there is such a table or not.
_ONE_WORD = re.compile(r'([`"]?)(tab([A-Z]\w+))\1')
_MORE_WORDS = re.compile(r'([`"])(tab([A-Z]\w+)( [A-Z]\w+)+)\1')


@dataclasses.dataclass(frozen=True)
class Times:
    """What the server knows of a table, in seconds since 1970 by the server's clock; None where it doesn't.

    Attributes:
        created: When it was made; ALTER makes it anew.
        updated: When it was last written to; forgotten when the server restarts or has many tables.
    """

    created: float | None
    updated: float | None


@dataclasses.dataclass(frozen=True)
class State:
    """What is needed to tell touched tables from others.

    Attributes:
        now: The server's clock.
        started: When the server was started.
        tables: All tables.
        sequences: All sequences.
        empty: Tables without a row; TRUNCATE changes none of the times.
        closed: How often the server has closed tables since its start to make room for others, or by order. Of one that
            is closed it may forget when it was written to.
    """

    now: float
    started: float
    tables: t.Mapping[str, Times]
    sequences: frozenset[str]
    empty: frozenset[str]
    closed: float = 0.0

    def just_written(self) -> bool:
        """Whether a table was made or written to in the second that this was asked in."""
        return any(_younger(times, self.now) for times in self.tables.values())


def look(database: Database) -> State:
    """Ask the server, before a migration and after it."""
    clock = database.query(
        "SELECT UNIX_TIMESTAMP(NOW(6)), UNIX_TIMESTAMP(NOW(6)) - VARIABLE_VALUE"
        " FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'"
    )[0]
    tables: dict[str, Times] = {}
    sequences = set()
    for name, kind, created, updated in database.query(
        "SELECT TABLE_NAME, TABLE_TYPE, UNIX_TIMESTAMP(CREATE_TIME), UNIX_TIMESTAMP(UPDATE_TIME)"
        f" FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text(database.name)} AND TABLE_TYPE <> 'VIEW'"
    ):
        if kind == "SEQUENCE":
            sequences.add(name or "")
        else:
            tables[name or ""] = Times(float(created) if created else None, float(updated) if updated else None)
    empty = _empty(database, sorted(tables))
    now, started = (float(one or 0) for one in clock)
    return State(now, started, tables, frozenset(sequences), empty, closed(database))


def closed(database: Database) -> float:
    """How often the server has closed tables, as :attr:`State.closed`."""
    found = database.value(
        "SELECT COALESCE(SUM(VARIABLE_VALUE), 0) FROM information_schema.GLOBAL_STATUS"
        " WHERE VARIABLE_NAME IN ('TABLE_OPEN_CACHE_OVERFLOWS', 'COM_FLUSH')"
    )
    return float(found or 0)


def _empty(database: Database, tables: t.Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    with Session(database) as session:
        for at in range(0, len(tables), _AT_ONCE):
            rows = session.query(
                " UNION ALL ".join(
                    f"SELECT {text(name)} FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {quote(name)})"
                    for name in tables[at : at + _AT_ONCE]
                )
            )
            found.update(row[0] or "" for row in rows)
    return frozenset(found)


def read_logs(contents: t.Sequence[str | None]) -> set[str] | None:
    """Unite the logs of all attempts at a migration.

    Args:
        contents: What ``touched_tables.json`` held after each attempt; None where it was missing.

    Returns:
        The names; None when one log is missing or unreadable, since that attempt may have touched anything. Frappe
        removes the file when a migration begins and writes it when it ends, so after a kill there is none.
    """
    found: set[str] = set()
    for content in contents:
        try:
            names = json.loads(content) if content is not None else None
        except ValueError:
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        found.update(names)
    return found if contents else None


def touched(
    logged: t.Collection[str] | None, since: float, state: State, empty_before: t.Collection[str] = ()
) -> set[str] | None:
    """The tables and sequences that a migration may have touched.

    Args:
        logged: From :func:`read_logs`.
        since: :attr:`State.now` from before the first attempt.
        state: After the last one.
        empty_before: :attr:`State.empty` from before; any other table that is empty now may have been truncated.

    Returns:
        Names, among them tables that are new; None for everything.
    """
    found = written(since, state, empty_before)
    if logged is None or found is None:
        return None
    return found | {name for name in state.tables if may_be_meant(name, logged, state.tables)} | state.sequences


def written(since: float, state: State, empty_before: t.Collection[str] = ()) -> set[str] | None:
    """The tables that somebody wrote to, or made, by the server's own times.

    Args:
        since: :attr:`State.now` from before.
        state: Of now.
        empty_before: :attr:`State.empty` from before; any other table that is empty now may have been truncated.

    Returns:
        Names; None where the server was started meanwhile, and has forgotten.
    """
    if state.started > since:
        return None
    found = {name for name, times in state.tables.items() if _younger(times, since)}
    return found | (state.empty - set(empty_before))


def updated(since: float, state: State) -> set[str]:
    """The tables that somebody wrote to, when they were moved to another schema since, which makes all of them new.

    Args:
        since: :attr:`State.now` from before.
        state: Of now, of the schema that they were moved to.
    """
    return {name for name, times in state.tables.items() if times.updated is not None and times.updated >= int(since)}


def may_be_meant(table: str, logged: t.Collection[str], tables: t.Collection[str]) -> bool:
    """Whether a table was touched, by what Frappe logged.

    Args:
        table: Its name.
        logged: The names that were logged.
        tables: All real names.
    """
    leaves = {found[1] for pattern in (_ONE_WORD, _MORE_WORDS) for found in pattern.findall(f"`{table}`")}
    if table in logged or leaves <= set(logged):
        return True
    # Other versions may cut names elsewhere: what is no table stands for every table that begins with it. Not so a name
    # that is logged beside a whole one it begins (`tabCustom` beside `tabCustom Note`): that is where it comes from.
    return any(
        name not in tables and table.startswith(f"{name} ") and not _explained(name, logged, tables) for name in logged
    )


def _explained(cut: str, logged: t.Collection[str], tables: t.Collection[str]) -> bool:
    return any(name in tables and name.startswith(f"{cut} ") for name in logged)


def _younger(times: Times, since: float) -> bool:
    """Statements that Frappe doesn't log (CREATE, REPLACE) show here. The server's times are whole seconds."""
    return any(time is not None and time >= int(since) for time in (times.created, times.updated))
