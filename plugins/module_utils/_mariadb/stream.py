# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of the dump program over some tables."""

from __future__ import annotations

import subprocess
import tempfile
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import pipes
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import DUMP, Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import Crew
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import blockers
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.split import Part, Splitter

#: How tables are dumped, whatever for.
ARGUMENTS = (
    "--hex-blob",
    "--no-autocommit",
    "--no-tablespaces",
    "--skip-add-locks",
    "--skip-dump-date",
    "--skip-triggers",
    "--max-allowed-packet=1G",
)


def dump_tables(
    database: Database,
    tables: t.Sequence[str],
    opened: t.Callable[[str], Part],
    crew: Crew,
    *,
    lock: bool = False,
    patience: float | None = None,
    ours: t.Collection[int] = (),
) -> None:
    """Dump tables, each into a part of its own.

    Args:
        database: Where they are.
        tables: Their names.
        opened: Makes the part of a table.
        crew: Starts the child.
        lock: Whether the dump program shall lock the tables itself.
        patience: Seconds the server may keep it waiting.
        ours: Connections that are not to blame when it does.

    Raises:
        LockstepError: A table is locked by others, the server is gone, or the parts can't be written.
    """
    with tempfile.TemporaryFile() as complaints:
        arguments = [*ARGUMENTS, "--lock-tables" if lock else "--skip-lock-tables", "--tables", "--", database.name]
        child = crew.start(
            lambda: database.spawn(
                DUMP, [*arguments, *tables], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
            )
        )
        stdout = t.cast("t.IO[bytes]", child.stdout)
        pipes.widen(stdout)
        splitter = Splitter(tables, opened)
        try:
            for data in pipes.chunks(stdout, patience):
                splitter.feed(data)
        except TimeoutError:
            raise DatabaseError(
                f"a table of {database.name} can't be read for {patience:g} s: it is {blockers(database, ours)}"
            ) from None
        if child.wait() != 0:
            complaints.seek(0)
            raise database.error(complaints.read())
    splitter.finish()
