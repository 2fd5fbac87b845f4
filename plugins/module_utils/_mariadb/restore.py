# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting a database back to what a backup says it was."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.folders import require_ours
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import objects
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.exchange import Ground
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.load import contents, load, prove
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.objects import Definition
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import end_orphans
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.remake import Remade, make_equal, never_back
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import scratch_schema
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import (
    SEQUENCE,
    VIEW,
    Table,
    listing,
    references,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.verify import Manifest, read_objects, verify
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.watcher import Watcher


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a restore has to do.

    Attributes:
        restored: Tables of the backup that are loaded.
        dropped: Tables that are new since the backup.
        in_the_way: Views and sequences that have the name of a table of the backup, by kind.
    """

    restored: list[str]
    dropped: list[str]
    in_the_way: dict[str, str]


def choose(
    manifest: Manifest,
    live: t.Mapping[str, Table],
    refers: t.Mapping[str, t.Collection[str]],
    tables: t.Collection[str] | None,
) -> Choice:
    """Decide which tables are loaded and which are dropped.

    A table that is gone is loaded whether asked for or not, and one that is new is dropped: else the old code meets a
    database that never was. Tables that foreign keys connect are loaded together: a change to one may have cascaded to
    others without being logged, and one that is moved to another schema alone takes the keys that refer to it along.

    Args:
        manifest: Of the backup.
        live: What the database has now.
        refers: Its foreign keys now, by table.
        tables: Which are asked for; None for all. Names that the backup doesn't have are ignored.
    """
    saved: t.Mapping[str, t.Mapping[str, t.Any]] = manifest["tables"]
    now = {name for name, table in live.items() if table.has_rows}
    dropped = now - saved.keys()
    asked = set(saved) if tables is None else (set(tables) & saved.keys()) | (saved.keys() - now)
    restored = _connected(asked | dropped, saved, refers) & saved.keys()
    in_the_way = {name: live[name].kind for name in sorted(restored) if name in live and name not in now}
    return Choice(sorted(restored), sorted(dropped), in_the_way)


def _connected(
    names: set[str], saved: t.Mapping[str, t.Mapping[str, t.Any]], refers: t.Mapping[str, t.Collection[str]]
) -> set[str]:
    neighbours: dict[str, set[str]] = {}
    pairs = [(one, other) for one, others in refers.items() for other in others]
    pairs += [(one, other) for one, entry in saved.items() for other in entry["references"]]
    for one, other in pairs:
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(neighbours.get(name, ()))
    return found


def restore(
    database: Database,
    folder: str,
    manifest: Manifest,
    tables: t.Collection[str] | None = None,
    *,
    compare: bool = False,
    admin: Database | None = None,
    workers: int | None = None,
    lock_timeout: float = 30.0,
) -> dict[str, t.Any]:
    """Put a database back. Writes must be blocked meanwhile; the caller sees to that.

    With an admin the tables are loaded into a schema beside and exchanged in one step: nobody who reads notices.
    Without one they are replaced where they are, and readers must be kept away, too. After a crash at any point it is
    run again, with the same arguments.

    Args:
        database: The database, as its own user.
        folder: The backup.
        manifest: What was recorded when it was made.
        tables: The tables that were touched since; None for all. What is new or gone is always dropped or loaded.
        compare: Whether others may have been touched, too: those are restored as well that are not what was backed up.
        admin: From :func:`.find_admin`.
        workers: Processes at a time; None for one per core, four at most.
        lock_timeout: Seconds to wait for those who use a table.

    Returns:
        ``restored``, ``dropped`` (tables), ``way`` (``swapped`` or ``in_place``), ``changed`` (views, sequences, …),
        ``redefined``, ``left_out`` (see :class:`.Remade`), ``connections_ended``, ``rows``, ``seconds``.

    Raises:
        LockstepError: The backup is damaged or not ours, or its content can't be loaded: nothing was changed yet if
            there is an admin. Or somebody uses a table for too long.
    """
    began = time.monotonic()
    # Its statements are run, by the server's administrator where there is one.
    require_ours(folder)
    end_orphans(admin or database, database.name)
    live = listing(database.query, database.name)
    refers = references(database.query, database.name)
    choice = choose(manifest, live, refers, tables)
    if compare:
        more = _differing(database, folder, manifest, manifest["tables"].keys() - set(choice.restored), workers)
        choice = choose(manifest, live, refers, [*choice.restored, *more])
    digests = verify(folder, manifest, choice.restored, workers=workers)
    wanted = read_objects(folder, manifest)
    if tables is not None:
        reader = admin.schema(database.name) if admin else database
        wanted = never_back(wanted, objects.read(reader, live))
    task = _Task(database, admin, folder, manifest, choice, digests, wanted, workers, lock_timeout)
    with Watcher(database, admin) as watch:
        watch.of_process(os.getpid())
        remade = task.swap() if admin is not None else task.in_place()
    _confirm(database, manifest, remade)
    return {
        "restored": choice.restored,
        "dropped": choice.dropped,
        "way": "in_place" if admin is None else "swapped",
        "changed": remade.changed,
        "redefined": remade.redefined,
        "left_out": remade.left_out,
        "rows": sum(manifest["tables"][name]["rows"] or 0 for name in choice.restored),
        "connections_ended": [thread.describe() for thread in watch.ended],
        "seconds": round(time.monotonic() - began, 3),
    }


def _differing(
    database: Database, folder: str, manifest: Manifest, tables: t.Collection[str], workers: int | None
) -> list[str]:
    """Those of some tables that are not what was backed up."""
    saved = verify(folder, manifest, tables, workers=workers)
    now = contents(database, tables, workers=workers)
    return [name for name in tables if now[name] != saved[name]]


@dataclasses.dataclass
class _Task:
    """One restore, decided upon."""

    database: Database
    admin: Database | None
    folder: str
    manifest: Manifest
    choice: Choice
    digests: t.Mapping[str, str]
    wanted: t.Sequence[Definition]
    workers: int | None
    lock_timeout: float

    def swap(self) -> Remade:
        """Load beside, prove, exchange all tables in one statement, drop the old ones."""
        admin = t.cast(Database, self.admin)
        site = admin.schema(self.database.name)
        ground = self._ground(site)
        ground.set_defaults(self.manifest["charset"], self.manifest["collation"])
        make_equal(site, self.wanted, {"sequence"}, self.lock_timeout)
        with self._scratch(admin, "restore") as fresh, self._scratch(admin, "restore, old tables") as old:
            load(fresh, self.folder, self.manifest, self.choice.restored, workers=self.workers)
            prove(fresh, self.digests, workers=self.workers)
            ground.clear_names(self._moved(), self.choice.in_the_way)
            now = listing(site.query, site.name)
            leaving = [name for name in [*self.choice.restored, *self.choice.dropped] if name in now]
            ground.exchange(leaving, old, self.choice.restored, fresh)
            return make_equal(site, self.wanted, lock_timeout=self.lock_timeout)

    def in_place(self) -> Remade:
        """Replace the tables where they are."""
        site = self.database
        ground = self._ground(site)
        ground.set_defaults(self.manifest["charset"], self.manifest["collation"])
        make_equal(site, self.wanted, {"sequence"}, self.lock_timeout)
        ground.clear_names(self._moved(), self.choice.in_the_way)
        if self.choice.dropped:
            names = ", ".join(quote(name) for name in self.choice.dropped)
            ground.patiently("SET SESSION foreign_key_checks = 0", f"DROP TABLE IF EXISTS {names}")
        load(
            site,
            self.folder,
            self.manifest,
            self.choice.restored,
            workers=self.workers,
            lock_timeout=self.lock_timeout,
        )
        prove(site, self.digests, workers=self.workers)
        return make_equal(site, self.wanted, lock_timeout=self.lock_timeout)

    def _scratch(self, admin: Database, purpose: str) -> t.ContextManager[Database]:
        return scratch_schema(admin, self.database, purpose, self.manifest["charset"], self.manifest["collation"])

    def _ground(self, site: Database) -> Ground:
        return Ground(site, self.database, self.lock_timeout, "restored")

    def _moved(self) -> set[str]:
        return {*self.choice.restored, *self.choice.dropped}


def _confirm(database: Database, manifest: Manifest, remade: Remade) -> None:
    """Make sure that the database has what the backup has, and nothing else."""
    now = listing(database.query, database.name)
    for kind, saved, found in (
        ("tables", set(manifest["tables"]), {name for name, table in now.items() if table.has_rows}),
        ("sequences", set(manifest["sequences"]), {name for name, table in now.items() if table.kind == SEQUENCE}),
        (
            "views",
            {name for name in manifest["views"] if f"view {name}" not in remade.left_out},
            {name for name, table in now.items() if table.kind == VIEW},
        ),
    ):
        if saved != found:
            names = ", ".join(sorted(saved ^ found)[:5])
            raise LockstepError(f"after the restore the {kind} of {database.name} are not those of the backup: {names}")
