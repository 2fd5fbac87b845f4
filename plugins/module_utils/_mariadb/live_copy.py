# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a database as it is at one moment, while its users write on."""

from __future__ import annotations

import functools
import subprocess
import tempfile
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import objects
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import CLIENT, DUMP, INIT, Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import mark
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import Crew, side_by_side
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.remake import make_equal
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.schema import snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.stream import ARGUMENTS
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing

_CHANGED_MEANWHILE = 1412
_ATTEMPTS = 3
_AT_ONCE = 100  # tables in one statement

# Tables that nobody had written to for long may be, while the others are copied: then all of them are copied again.
_ROUNDS = 3


def bring_up_to_date(database: Database, schema: Database, own: Database) -> set[str]:
    """Make a schema what a database of the same server is now; nobody who uses that waits for it.

    One transaction reads all tables that differ, so they are of one moment, as far as InnoDB keeps them. They go
    straight from the one to the other and take no room between.

    Args:
        database: The database, as its own user.
        schema: An older copy of it, or an empty schema, as the admin.
        own: The same as the account that it has: views and triggers act in its name.

    Returns:
        The tables that were copied.

    Raises:
        DatabaseError: A table is altered again and again meanwhile, or the server refuses something.
    """
    wanted = objects.read(database, listing(database.query, database.name))
    make_equal(own, wanted, {"sequence"})
    copied: set[str] = set()
    for _ignored in range(_ROUNDS):
        differing = _differing(database, schema, copied)
        if not differing:
            break
        copied |= differing
        _copy(database, schema, sorted(copied))
    make_equal(own, wanted)
    return copied


def _differing(database: Database, schema: Database, known: t.Collection[str]) -> set[str]:
    """The tables that are not what they are in the other schema, but for those of which that is known.

    Those that the database has no more are dropped.
    """
    live, copy = snapshot(database)["tables"], snapshot(schema)["tables"]
    gone = sorted(copy.keys() - live.keys())
    if gone:
        names = ", ".join(quote(name) for name in gone)
        schema.execute("SET SESSION foreign_key_checks = 0", f"DROP TABLE IF EXISTS {names}")
    alike = sorted(name for name in live if name not in known and copy.get(name) == live[name])
    jobs = [functools.partial(_checksums, one, alike) for one in (database, schema)]
    now, then = side_by_side(jobs, len(jobs))
    same = {name for name in alike if now[name] is not None and now[name] == then[name]}
    return live.keys() - same - set(known)


def _checksums(database: Database, names: t.Sequence[str], _ignored: Crew) -> dict[str, str | None]:
    """The server's own checksums, which are comparable between tables of one definition on one server."""
    found: dict[str, str | None] = {}
    for at in range(0, len(names), _AT_ONCE):
        some = names[at : at + _AT_ONCE]
        rows = database.query(f"CHECKSUM TABLE {', '.join(quote(name) for name in some)} EXTENDED")
        found.update({name: row[1] for name, row in zip(some, rows)})
    return found


def _copy(database: Database, schema: Database, names: t.Sequence[str]) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        there = listing(database.query, database.name)
        try:
            side_by_side([functools.partial(_dump_into, database, schema, [n for n in names if n in there])], 1)
            return
        except DatabaseError as error:
            # Somebody altered a table between the beginning of the transaction and its turn.
            if error.number != _CHANGED_MEANWHILE or attempt == _ATTEMPTS:
                raise


def _dump_into(database: Database, schema: Database, names: t.Sequence[str], crew: Crew) -> None:
    if not names:
        return
    with tempfile.TemporaryFile() as complaints:
        arguments = [*ARGUMENTS, "--single-transaction", "--quick", "--skip-lock-tables", "--tables", "--"]
        source = crew.start(
            lambda: database.spawn(
                DUMP,
                [*arguments, database.name, *names],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
            )
        )
        stdout = t.cast("t.IO[bytes]", source.stdout)
        settings = schema.client_arguments(f"--init-command={INIT}, @mark = {mark(schema.name, 0)}")
        client = crew.start(
            lambda: schema.spawn(CLIENT, settings, stdin=stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        )
        stdout.close()
        refused = t.cast("t.IO[bytes]", client.stderr).read()
        if client.wait() != 0:
            raise schema.error(refused)
        if source.wait() != 0:
            complaints.seek(0)
            raise database.error(complaints.read())
