# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading a backup's tables into a schema, several at a time, and proving that they are what was backed up."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import subprocess
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import pipes
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import CLIENT, INIT, Database, lock_wait
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.compression import Compression, by_name
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import (
    DEADLOCK,
    LOCK_TIMEOUT,
    DatabaseError,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import SLOTS, mark
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import (
    Crew,
    balanced,
    default_workers,
    side_by_side,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import scratch_schema
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.stream import dump_tables
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tablefile import end_mark
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.verify import Manifest, verify

_PER_WORKER = 2
_PAUSE = 0.2  # seconds before a group that was refused is loaded anew
_LINE = re.compile(r"at line (\d+)")


def load(
    schema: Database,
    folder: str,
    manifest: Manifest,
    tables: t.Collection[str],
    *,
    workers: int | None = None,
    lock_timeout: float = 30.0,
) -> None:
    """Load tables of a verified backup; each replaces the table of its name.

    Args:
        schema: Where to.
        folder: The backup.
        manifest: Its manifest.
        tables: Which of its tables.
        workers: Processes at a time.
        lock_timeout: Seconds to wait for those who use a table of the same name.

    Raises:
        DatabaseError: The server refuses something; the message names the table.
    """
    workers = min(workers or default_workers(), SLOTS // _PER_WORKER)
    groups = balanced({name: int(manifest["tables"][name]["bytes"]) for name in tables}, workers * _PER_WORKER)
    compression = by_name(manifest["compression"])
    settings = f"{INIT}, {lock_wait(lock_timeout)}"
    loads = [
        functools.partial(
            _load_group, schema, folder, compression, manifest, group, f"{settings}, @mark = {mark(schema.name, slot)}"
        )
        for slot, group in enumerate(groups)
        if group
    ]
    side_by_side([functools.partial(_load_patiently, load_group, lock_timeout) for load_group in loads], workers)


def _load_patiently(job: t.Callable[[Crew], None], lock_timeout: float, crew: Crew) -> None:
    """Load a group, anew where its tables are tied to those of another one by foreign keys.

    The server does not wait then, whatever it is told: who drops or makes the one while somebody fills the other is
    refused at once. Each table of a backup begins with the removal of what is there.
    """
    deadline = time.monotonic() + lock_timeout
    while True:
        try:
            job(crew)
        except DatabaseError as error:
            if error.number not in (LOCK_TIMEOUT, DEADLOCK) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(_PAUSE)


def _load_group(
    schema: Database,
    folder: str,
    compression: Compression,
    manifest: Manifest,
    names: list[str],
    settings: str,
    crew: Crew,
) -> None:
    paths = [os.path.join(folder, manifest["tables"][name]["file"]) for name in names]
    source = crew.start(lambda: compression.expand(paths))
    stdout = t.cast("t.IO[bytes]", source.stdout)
    pipes.widen(stdout)
    arguments = schema.client_arguments(f"--init-command={settings}")
    client = crew.start(
        lambda: schema.spawn(CLIENT, arguments, stdin=stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    )
    stdout.close()
    complaints = t.cast("t.IO[bytes]", client.stderr).read()
    if client.wait() != 0:
        error = schema.error(complaints)
        found = _LINE.search(complaints.decode("utf-8", "replace"))
        table = _table_at(compression, paths, names, int(found.group(1)), crew) if found else ", ".join(names[:3])
        raise DatabaseError(f"table {table} can't be loaded: {error.message}", number=error.number)
    unpacked = t.cast("t.IO[bytes]", source.stderr).read()
    if source.wait() != 0:
        raise compression.error(unpacked, folder)


def _table_at(compression: Compression, paths: list[str], names: list[str], line: int, crew: Crew) -> str:
    """The table that a line of the files' content, counted from 1, belongs to."""
    ends = [end_mark(name) for name in names]
    source = crew.start(lambda: compression.expand(paths))
    passed = 0
    for number, content in enumerate(t.cast("t.IO[bytes]", source.stdout), 1):
        if number >= line:
            break
        if passed < len(ends) and content == ends[passed]:
            passed += 1
    source.kill()
    return names[min(passed, len(names) - 1)]


class _Digest:
    """Takes a table's part of a dump and keeps nothing but its digest, as :func:`.verify` makes it of a file."""

    def __init__(self) -> None:
        self._found = hashlib.sha256()

    def begin(self, header: bytes) -> None:
        """Settings of the connection are no content."""

    def write(self, data: bytes) -> None:
        self._found.update(data)

    def finish(self) -> None:
        """Nothing more to do."""

    @property
    def value(self) -> str:
        return self._found.hexdigest()


def contents(schema: Database, tables: t.Collection[str], *, workers: int | None = None) -> dict[str, str]:
    """Digests of tables as they are, comparable to those that :func:`.verify` returns."""
    workers = workers or default_workers()

    def job(names: list[str], crew: Crew) -> dict[str, str]:
        parts: dict[str, _Digest] = {}

        def opened(name: str) -> _Digest:
            parts[name] = _Digest()
            return parts[name]

        dump_tables(schema, names, opened, crew)
        return {name: part.value for name, part in parts.items()}

    groups = [sorted(tables)[at :: workers * _PER_WORKER] for at in range(workers * _PER_WORKER)]
    found: dict[str, str] = {}
    for digests in side_by_side([functools.partial(job, group) for group in groups if group], workers):
        found.update(digests)
    return found


def prove(schema: Database, digests: t.Mapping[str, str], *, workers: int | None = None) -> None:
    """Make sure that tables hold what the backup holds, by dumping them again.

    Raises:
        LockstepError: One does not.
    """
    now = contents(schema, digests, workers=workers)
    wrong = sorted(name for name, digest in digests.items() if now[name] != digest)
    if wrong:
        raise LockstepError(
            f"table {wrong[0]} was loaded, but is not what was backed up" + _more(wrong),
            detail=wrong,
        )


def _more(names: t.Sequence[str]) -> str:
    return f" ({len(names) - 1} more)" if len(names) > 1 else ""


@contextlib.contextmanager
def scratch_copy(
    admin: Database,
    database: Database,
    folder: str,
    manifest: Manifest,
    tables: t.Collection[str] | None = None,
    *,
    purpose: str,
    workers: int | None = None,
) -> t.Iterator[Database]:
    """A copy of a backup's tables in a scratch schema, dropped afterwards.

    Args:
        admin: From :func:`.find_admin`.
        database: The database that was backed up.
        folder: The backup.
        manifest: Its manifest.
        tables: Which tables; None for all.
        purpose: What for; two purposes have two schemas.
        workers: Processes at a time.

    Yields:
        The schema as the admin sees it.

    Raises:
        LockstepError: The backup is damaged, or what was loaded is not what was backed up.
    """
    digests = verify(folder, manifest, manifest["tables"] if tables is None else tables, workers=workers)
    with scratch_schema(admin, database, purpose, manifest["charset"], manifest["collation"]) as schema:
        load(schema, folder, manifest, digests, workers=workers)
        prove(schema, digests, workers=workers)
        yield schema
