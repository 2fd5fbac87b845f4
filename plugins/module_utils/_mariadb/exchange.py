# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of a database replaced by others of the same server in one statement: who reads finds the one or the other."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import objects
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database, lock_wait
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import (
    LOCK_TIMEOUT,
    NEEDS_PRIVILEGE,
    DatabaseError,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.objects import Definition
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import mark
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import blockers
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.remake import Remade, make_equal, never_back
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing, tables_of
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.watcher import Watcher, let_readers_end

#: Seconds that readers are waited for who began before the tables that come were made. Most requests take less.
_READERS = 5.0
#: Seconds in which a moment is looked for when nobody uses a table, and between two looks.
_AT_ONCE, _LOOK_AGAIN = 3.0, 0.005


class Ground:
    """A database whose tables are replaced.

    Args:
        site: The database, as who replaces them.
        database: The same as its own user, who uses them.
        lock_timeout: Seconds to wait for those who use a table.
        verb: What can't be done to a table that is in use for longer, for the error.
    """

    def __init__(self, site: Database, database: Database, lock_timeout: float, verb: str) -> None:
        self._site = site
        self._database = database
        self._lock_timeout = lock_timeout
        self._verb = verb

    def set_defaults(self, charset: str, collation: str) -> None:
        """Give the database these defaults, unless it has them."""
        if defaults(self._site) != (charset, collation):
            self._site.execute(
                f"ALTER DATABASE {quote(self._site.name)} CHARACTER SET {quote(charset)} COLLATE {quote(collation)}"
            )

    def clear_names(self, moved: t.Collection[str], in_the_way: t.Mapping[str, str]) -> None:
        """Remove what keeps tables from taking or leaving their names; triggers have to be made again.

        Args:
            moved: The tables that leave.
            in_the_way: Views and sequences that have the name of a table to come, by kind.
        """
        drops = [f"DROP {kind} IF EXISTS {quote(name)}" for name, kind in in_the_way.items()]
        for trigger, table in self._site.query(
            "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS"
            f" WHERE TRIGGER_SCHEMA = {text(self._site.name)}"
        ):
            if table in moved:
                drops.append(f"DROP TRIGGER IF EXISTS {quote(trigger or '')}")
        if drops:
            self.patiently(*drops)

    def exchange(
        self,
        leaving: t.Sequence[str],
        old: Database,
        coming: t.Sequence[str],
        fresh: Database,
        passing: t.Sequence[str] = (),
    ) -> None:
        """Move tables out of the database and others into it, in one statement.

        Who reads at that moment reads what was before, to the end; whoever takes long may fail.

        Args:
            leaving: Tables of the database.
            old: The schema they go to.
            coming: Tables of another schema, among them such as have the names of those that leave.
            fresh: The schema they come from.
            passing: Tables that go from there to where those go that leave.
        """
        renames = [f"{self._site.table(name)} TO {old.table(name)}" for name in leaving]
        renames += [f"{fresh.table(name)} TO {old.table(name)}" for name in passing]
        renames += [f"{fresh.table(name)} TO {self._site.table(name)}" for name in coming]
        if renames:
            let_readers_end(self._site, self._database, _READERS)
            statement = "RENAME TABLE " + ", ".join(renames)
            if not self._at_once(statement):
                self.patiently(statement)

    def _at_once(self, statement: str) -> bool:
        """Run a statement as soon as it need not wait for anybody.

        While it waits for one table it has others already. A reader who has the one, and comes to need another, ends as
        the victim of a deadlock.

        Returns:
            Whether there was such a moment.
        """
        deadline = time.monotonic() + _AT_ONCE
        with Session(self._site) as session:
            session.execute(self._settings(0))
            while time.monotonic() < deadline:
                try:
                    session.execute(statement)
                except DatabaseError as error:
                    if error.number != LOCK_TIMEOUT:
                        raise
                    time.sleep(_LOOK_AGAIN)
                else:
                    return True
        return False

    def patiently(self, *statements: str) -> None:
        """Run statements that wait for those who use a table, but not for ever.

        Raises:
            DatabaseError: Somebody uses one for longer; who, is in the message.
        """
        with self.explained():
            self._site.execute(self._settings(self._lock_timeout), *statements)

    def _settings(self, lock_timeout: float) -> str:
        """How long a session of ours waits, and what it is known by."""
        return f"SET SESSION {lock_wait(lock_timeout)}, @mark = {mark(self._site.name, 0)}"

    @contextlib.contextmanager
    def explained(self) -> t.Iterator[None]:
        """Say who uses a table for too long, where that is why something can't be done.

        Raises:
            DatabaseError: Somebody does.
        """
        try:
            yield
        except DatabaseError as error:
            if error.number != LOCK_TIMEOUT:
                raise
            raise DatabaseError(
                f"a table of {self._site.name} is in use for {self._lock_timeout:g} s, so it can't be {self._verb}: it"
                f" is {blockers(self._database, ())}",
                number=LOCK_TIMEOUT,
            ) from error


def defaults(database: Database) -> tuple[str, str]:
    """The database's default character set and collation."""
    row = database.query(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
        f" WHERE SCHEMA_NAME = {text(database.name)}"
    )[0]
    return str(row[0]), str(row[1])


@dataclasses.dataclass(frozen=True)
class Content:
    """What a database consists of, as far as it has to be made again when its tables are exchanged.

    Attributes:
        charset: Its default character set.
        collation: Its default collation.
        tables: The names of its tables.
        others: Everything beside tables.
    """

    charset: str
    collation: str
    tables: list[str]
    others: list[Definition]

    @classmethod
    def of(cls, schema: Database) -> Content:
        """Read it, as somebody who may read all definitions."""
        there = listing(schema.query, schema.name)
        return cls(*defaults(schema), tables_of(there), objects.read(schema, there))

    @classmethod
    def from_dict(cls, content: t.Mapping[str, t.Any]) -> Content:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**content, "others": objects.from_list(content["others"])})

    def to_dict(self) -> dict[str, t.Any]:
        """The content for a JSON file."""
        return {**self.__dict__, "others": objects.to_list(self.others)}

    def in_the_name_of(self, account: str, before: Content) -> Content:
        """The same for the database it shall be exchanged for.

        Args:
            account: Who shall have defined what is new or different (:func:`.objects.account_of`).
            before: What is there now; what is as before stays its definer's.
        """
        known = {one.key: one for one in before.others}
        owned = objects.defined_by(self.others, account)
        others = [known[one.key] if one.same_as(known.get(one.key)) else one for one in owned]
        # A broken view can't be copied, nor made again once it is dropped.
        mine = {one.key for one in others}
        others += [one for one in before.others if one.broken and one.key not in mine]
        return dataclasses.replace(self, others=others)

    def going_on_from(self, live: Content) -> Content:
        """The same with the tables of now, whose rows may have numbers that sequences handed out since."""
        return dataclasses.replace(self, tables=live.tables, others=never_back(self.others, live.others))


def bound_to_itself(schema: Database, content: Content) -> list[str]:
    """What of a schema names it, and would go on to do so wherever its tables are moved.

    Args:
        schema: The schema.
        content: What it consists of, in another's name: its account may be called as it is.
    """
    name = quote(schema.name)
    found = [f"{one.kind} {one.name}" for one in content.others if name in one.statement and not one.broken]
    found += [
        f"column {column} of table {table}"
        for table, column in schema.query(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS"
            f" WHERE TABLE_SCHEMA = {text(schema.name)}"
            f" AND (INSTR(COLUMN_DEFAULT, {text(name)}) OR INSTR(GENERATION_EXPRESSION, {text(name)}))"
        )
    ]
    return found


def tied(schema: Database) -> set[str]:
    """The tables of a schema that have foreign keys, or to which some refer."""
    rows = schema.query(
        "SELECT TABLE_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
        f" WHERE CONSTRAINT_SCHEMA = {text(schema.name)}"
    )
    return {str(name) for row in rows for name in row}


def bound_to_others(server: Database, name: str) -> list[str]:
    """Tables with foreign keys between a database and others: these follow a table wherever it is moved.

    Args:
        server: The server, as somebody who may look at as much of it as can be.
        name: The database.
    """
    try:
        # What the other way finds by opening every table of the server, InnoDB has at hand.
        rows = server.query(
            f"SELECT * FROM (SELECT {_part('FOR_NAME', 1)} AS one, {_part('FOR_NAME', -1)}, {_part('REF_NAME', 1)} AS"
            f" other, {_part('REF_NAME', -1)} FROM information_schema.INNODB_SYS_FOREIGN WHERE"
            " SUBSTRING_INDEX(FOR_NAME, '/', 1) <> SUBSTRING_INDEX(REF_NAME, '/', 1)) AS found"
            f" WHERE {text(name)} IN (one, other)"
        )
    except DatabaseError as error:
        if error.number != NEEDS_PRIVILEGE:
            raise
        rows = server.query(
            "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME"
            " FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA <> UNIQUE_CONSTRAINT_SCHEMA"
            f" AND {text(name)} IN (CONSTRAINT_SCHEMA, UNIQUE_CONSTRAINT_SCHEMA)"
        )
    return [f"table {table} of {one}, with a foreign key to {there} of {other}," for one, table, other, there in rows]


def _part(column: str, part: int) -> str:
    """Schema (1) or table (-1) of a name as InnoDB has it: schema/table, in the letters that files may have."""
    return f"CONVERT(CAST(SUBSTRING_INDEX({column}, '/', {part}) AS BINARY) USING filename)"


class WholeExchange:
    """All tables of a database exchanged for those of another schema, with everything else that belongs to them.

    After a crash at any point it is begun again, by :meth:`run` or :meth:`settle`, as the tables lie.

    Args:
        database: The database, as its own user.
        admin: Who may do it, see :func:`.find_admin`.
        lock_timeout: Seconds to wait for those who use a table.
    """

    def __init__(self, database: Database, admin: Database, lock_timeout: float = 30.0) -> None:
        self._database = database
        self._admin = admin
        self._site = admin.schema(database.name)
        self._lock_timeout = lock_timeout

    def run(self, content: Content, fresh: Database, old: Database, staying: t.Collection[str] = frozenset()) -> Remade:
        """Exchange. Writes must be blocked meanwhile; the caller sees to that.

        Args:
            content: What the database shall be afterwards.
            fresh: Where the tables come from, as the admin.
            old: Where those that are there go to, as the admin; has no tables.
            staying: Tables that stay what they are; those of their names go there from ``fresh``, too.

        Raises:
            LockstepError: Somebody uses a table for too long, and the tables are where they were. Or the database is
                not what it shall be afterwards.
        """
        ground = self._ground(self._site)
        now = listing(self._site.query, self._site.name)
        leaving, coming = (
            [name for name in names if name not in staying] for names in (tables_of(now), content.tables)
        )
        # Columns may have their defaults from them.
        self._make_equal(content.others, {"sequence"})
        in_the_way = {name: now[name].kind for name in coming if name in now and not now[name].has_rows}
        with self._watched():
            self._ground(fresh).clear_names(coming, {})
            ground.clear_names(leaving, in_the_way)
            ground.exchange(leaving, old, coming, fresh, sorted(staying))
        return self.settle(content)

    def settle(self, content: Content) -> Remade:
        """Make everything but the tables what it shall be, and see whether it is.

        Raises:
            LockstepError: It is not, or somebody uses a table for too long that a trigger has to be made for.
        """
        self._ground(self._site).set_defaults(content.charset, content.collation)
        with self._watched():
            remade = self._make_equal(content.others)
        found = set(tables_of(listing(self._site.query, self._site.name)))
        if found != set(content.tables):
            names = ", ".join(sorted(found ^ set(content.tables))[:5])
            raise LockstepError(f"after the exchange {self._site.name} has not the tables it shall have: {names}")
        return remade

    def _make_equal(self, others: t.Sequence[Definition], kinds: t.Collection[str] | None = None) -> Remade:
        # Who uses a table keeps its triggers from being made, too.
        with Ground(self._site, self._database, self._lock_timeout, "given its triggers").explained():
            return make_equal(self._site, others, kinds, self._lock_timeout)

    @contextlib.contextmanager
    def _watched(self) -> t.Iterator[None]:
        """End the site's own connections that keep a table for long, see :class:`.Watcher`."""
        with Watcher(self._database, self._admin) as watch:
            watch.of_process(os.getpid())
            yield

    def _ground(self, schema: Database) -> Ground:
        return Ground(schema, self._database, self._lock_timeout, "exchanged")
