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
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.objects import Definition
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import mark
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import Crew, side_by_side
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.stream import ARGUMENTS
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing

_CHANGED_MEANWHILE = 1412
_ATTEMPTS = 3


def definitions(database: Database) -> list[Definition]:
    """What the database has beside tables, for :func:`.remake.make_equal`."""
    return objects.read(database, listing(database.query, database.name))


def copy_tables(database: Database, schema: Database) -> int:
    """Copy all tables of a database into an empty schema of the same server; nobody waits for it.

    One transaction reads all of them, so it is one moment for all that InnoDB keeps. The dump goes straight into the
    schema and takes no room of its own.

    Args:
        database: The database, as its own user.
        schema: The schema, as the admin.

    Returns:
        How many tables were copied.

    Raises:
        DatabaseError: A table is altered again and again meanwhile, or the server refuses something.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        names = [table.name for table in listing(database.query, database.name).values() if table.has_rows]
        try:
            side_by_side([functools.partial(_copy, database, schema, names)], 1)
            break
        except DatabaseError as error:
            # Somebody altered a table between the beginning of the transaction and its turn.
            if error.number != _CHANGED_MEANWHILE or attempt == _ATTEMPTS:
                raise
    return len(names)


def _copy(database: Database, schema: Database, names: t.Sequence[str], crew: Crew) -> None:
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
