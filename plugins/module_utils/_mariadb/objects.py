# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a database has beside tables: sequences, views, routines, triggers and events."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import INVALID_VIEW, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import SEQUENCE, VIEW, Table

_DEFINER = re.compile(r"DEFINER=(?:`(?:[^`]|``)*`@`(?:[^`]|``)*`|`(?:[^`]|``)*`|\w+@\S+)")
_OWN_SQL_MODE = "NO_AUTO_VALUE_ON_ZERO"


@dataclasses.dataclass(frozen=True)
class Definition:
    """One of them, with what is needed to make it again.

    Attributes:
        kind: ``sequence``, ``view``, ``trigger``, ``event``, or what the server calls a routine (``procedure``, …).
        name: Its name.
        statement: What ``SHOW CREATE`` says.
        table: The table a trigger belongs to.
        sql_mode: It was made under; part of what a routine means.
        collation: Of texts in it.
        time_zone: Of an event's times.
        next_value: Of a sequence: no value from here on was ever handed out.
        broken: A view that refers to what isn't there.
    """

    kind: str
    name: str
    statement: str
    table: str = ""
    sql_mode: str = _OWN_SQL_MODE
    collation: str = ""
    time_zone: str = "+00:00"
    next_value: str = ""
    broken: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What is unique."""
        return self.kind, self.name

    def same_as(self, other: Definition | None) -> bool:
        """Whether the other one does the same. Who defined it doesn't count."""
        return other is not None and self._meaning() == other._meaning()

    def _meaning(self) -> tuple[str, ...]:
        statement = _DEFINER.sub("", self.statement, count=1)
        settings = self.sql_mode, self.collation, self.time_zone
        return self.kind, self.name, statement, self.table, *settings, self.next_value

    def created(self, as_before: bool) -> list[str]:
        """Statements that make it.

        Args:
            as_before: Whether it shall belong to whom it belonged to, else to the current user.
        """
        statement = self.statement if as_before else _DEFINER.sub("DEFINER=CURRENT_USER", self.statement, count=1)
        settings = [f"sql_mode = {text(self.sql_mode)}", f"time_zone = {text(self.time_zone)}"]
        settings += [f"collation_connection = {text(self.collation)}"] if self.collation else []
        made = [f"SET SESSION {', '.join(settings)}", statement]
        if self.kind == "view":
            made[1] = statement.replace("CREATE ", "CREATE OR REPLACE ", 1)
        if self.kind == "sequence":
            made[1] = statement.replace("CREATE ", "CREATE OR REPLACE ", 1)
            made.append(f"DO SETVAL({quote(self.name)}, {int(self.next_value)}, 0)")
        return made

    def dropped(self) -> str:
        """The statement that removes it."""
        return f"DROP {self.kind.upper()} IF EXISTS {quote(self.name)}"


def to_list(definitions: t.Sequence[Definition]) -> list[dict[str, t.Any]]:
    """Definitions for a JSON file."""
    return [dataclasses.asdict(one) for one in definitions]


def from_list(listed: t.Sequence[t.Mapping[str, t.Any]]) -> list[Definition]:
    """The inverse of :func:`to_list`."""
    return [Definition(**entry) for entry in listed]


def account_of(database: Database) -> str:
    """The account that a database is reached by, as ``DEFINER`` has it."""
    user, _at, host = (database.value("SELECT CURRENT_USER()") or "").rpartition("@")
    return f"{quote(user)}@{quote(host)}"


def defined_by(definitions: t.Sequence[Definition], account: str) -> list[Definition]:
    """The same, as if an account had made them.

    Args:
        definitions: Of whomever.
        account: From :func:`account_of`.
    """

    def given(one: Definition) -> str:
        return _DEFINER.sub(lambda _found: f"DEFINER={account}", one.statement, count=1)

    return [dataclasses.replace(one, statement=given(one)) for one in definitions]


def read(database: Database, tables: t.Mapping[str, Table]) -> list[Definition]:
    """All of them, in the order in which they are best made.

    Args:
        database: The database, as somebody who may read the definitions.
        tables: Its :func:`.tables.listing`.

    Raises:
        LockstepError: A definition is hidden from this user.
    """
    with Session(database) as session:

        def ask(sql: str) -> list[list[str]]:
            return [[cell or "" for cell in row] for row in session.query(sql)]

        found = [_sequence(ask, table.name) for table in tables.values() if table.kind == SEQUENCE]
        found += _routines(ask, database)
        found += [_view(ask, table.name) for table in tables.values() if table.kind == VIEW]
        found += _triggers(ask, database)
        found += _events(ask, database)
    return found


_Texts = t.Callable[[str], list[list[str]]]


def _sequence(ask: _Texts, name: str) -> Definition:
    statement = ask(f"SHOW CREATE SEQUENCE {quote(name)}")[0][1]
    # Values that the server holds in its cache are skipped: they must not be handed out twice.
    value = ask(f"SELECT next_not_cached_value FROM {quote(name)}")[0][0]
    return Definition("sequence", name, statement, next_value=value)


def _view(ask: _Texts, name: str) -> Definition:
    _ignored, statement, _ignored, collation = ask(f"SHOW CREATE VIEW {quote(name)}")[0]
    broken = False
    try:
        ask(f"SELECT 1 FROM {quote(name)} LIMIT 0")
    except DatabaseError as error:
        if error.number != INVALID_VIEW:
            raise
        broken = True
    return Definition("view", name, statement, collation=collation, broken=broken)


def _routines(ask: _Texts, database: Database) -> list[Definition]:
    found = []
    for kind, name in ask(
        "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES"
        f" WHERE ROUTINE_SCHEMA = {text(database.name)} ORDER BY ROUTINE_TYPE, ROUTINE_NAME"
    ):
        _ignored, mode, statement, _ignored, collation = ask(f"SHOW CREATE {kind} {quote(name)}")[0][:5]
        found.append(_readable(Definition(kind.lower(), name, statement, sql_mode=mode, collation=collation)))
    return found


def _triggers(ask: _Texts, database: Database) -> list[Definition]:
    found = []
    for name, table in ask(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS"
        f" WHERE TRIGGER_SCHEMA = {text(database.name)}"
        " ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
    ):
        _ignored, mode, statement, _ignored, collation = ask(f"SHOW CREATE TRIGGER {quote(name)}")[0][:5]
        found.append(_readable(Definition("trigger", name, statement, table, sql_mode=mode, collation=collation)))
    return found


def _events(ask: _Texts, database: Database) -> list[Definition]:
    found = []
    for (name,) in ask(
        "SELECT EVENT_NAME FROM information_schema.EVENTS"
        f" WHERE EVENT_SCHEMA = {text(database.name)} ORDER BY EVENT_NAME"
    ):
        _ignored, mode, zone, statement, _ignored, collation = ask(f"SHOW CREATE EVENT {quote(name)}")[0][:6]
        found.append(_readable(Definition("event", name, statement, "", mode, collation, zone)))
    return found


def _readable(definition: Definition) -> Definition:
    if definition.statement:
        return definition
    raise LockstepError(
        f"{definition.kind} {definition.name} can't be backed up: the database user may not read its definition",
        hint="make it theirs, or give an admin of the database",
    )
