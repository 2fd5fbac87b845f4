# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backup of a database at one point in time, table by table, by several processes at once."""

from __future__ import annotations

import ctypes
import datetime
import functools
import hashlib
import os
import shutil
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.atomic import fsync_dir, write_json
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import objects
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.compression import Compression, best
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.locking import ReadLock, read_locked
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import (
    Crew,
    balanced,
    default_workers,
    side_by_side,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.stream import dump_tables
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tablefile import TableFile, not_written
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import Table, references

MANIFEST = "backup.json"
OBJECTS = "objects.json"
FORMAT = 1

_PER_WORKER = 2  # groups of tables, since sizes are estimates
_EMPTY_TABLE = 16384  # bytes; what a table costs whatever is in it
_PENDING = 64 << 20  # bytes of plain files that may wait for the compressor


def backup(
    database: Database,
    folder: str,
    *,
    workers: int | None = None,
    lock_timeout: float = 30.0,
    admin: Database | None = None,
) -> dict[str, t.Any]:
    """Copy a whole database into a folder, as it is at one moment.

    Writers wait while it runs, readers don't. The folder appears under its name once it is complete.

    Args:
        database: The database, as its own user.
        folder: Where to; must not exist, its parent must. Made with mode 0700, its files with 0600.
        workers: Dump processes at a time; None for one per core, four at most.
        lock_timeout: Seconds to wait for transactions under way, and for the server to go on with a dump.
        admin: Somebody who may read all definitions, where the database's own user may not.

    Returns:
        The manifest, which is in the folder as ``backup.json``, too.

    Raises:
        LockstepError: The tables can't be locked, the disk is full, the server is gone, or a row is larger than the
            server would take back. Nothing is left locked, and no folder.
    """
    folder = folder.rstrip("/")
    if os.path.lexists(folder):
        raise LockstepError(f"{folder} is there already, so no backup is put there")
    partial = f"{folder}.partial"
    began = time.monotonic()
    reader = admin.schema(database.name) if admin else database
    try:
        shutil.rmtree(partial, ignore_errors=True)
        os.mkdir(partial, 0o700)
        found = _fill(database, partial, workers or default_workers(), lock_timeout, reader)
        found["seconds"] = round(time.monotonic() - began, 3)
        write_json(os.path.join(partial, MANIFEST), found)
        _sync(partial)
        os.rename(partial, folder)
        fsync_dir(os.path.dirname(folder) or ".")
    except OSError as error:
        raise not_written(error, folder) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def _fill(database: Database, folder: str, workers: int, timeout: float, reader: Database) -> dict[str, t.Any]:
    """Everything but the manifest; returns the manifest."""
    compression = best()
    server = _server(database)
    with read_locked(database, timeout) as lock:
        began = time.monotonic()
        taken = datetime.datetime.now(datetime.timezone.utc)
        definitions = objects.read(reader, lock.tables)
        refers = references(database.query, database.name)
        jobs = _jobs(database, folder, compression, lock, workers, timeout)
        files = [file for group in side_by_side(jobs, workers) for file in group]
        lock.confirm()
        held = time.monotonic() - began
    _refuse_too_large(files, int(server["max_allowed_packet"]))
    write_json(os.path.join(folder, OBJECTS), objects.to_list(definitions))
    names = [os.path.basename(file.path) for file in files]
    entries = {name: _entry(folder, name) for name in [*names, OBJECTS]}
    digests = dict(zip(entries, side_by_side([functools.partial(_digest, folder, name) for name in entries], workers)))
    for name, digest in digests.items():
        entries[name]["sha256"] = digest
    for file, name in zip(files, names):
        entries[name].update(_table_entry(file, lock.tables[file.table], refers.get(file.table, ())))
    return {
        "format": FORMAT,
        "database": database.name,
        "taken_at": taken.isoformat(timespec="milliseconds"),
        "server": server["version"],
        "charset": server["charset"],
        "collation": server["collation"],
        "compression": compression.name,
        "table_count": len(files),
        "bytes": sum(entry["bytes"] for entry in entries.values()),
        "locked_seconds": round(held, 3),
        "warnings": _warnings(database, lock.tables),
        "objects": entries[OBJECTS],
        "views": [one.name for one in definitions if one.kind == "view"],
        "sequences": [one.name for one in definitions if one.kind == "sequence"],
        "tables": dict(sorted((file.table, entries[name]) for file, name in zip(files, names))),
    }


def _server(database: Database) -> dict[str, str]:
    row = database.query(
        "SELECT VERSION(), @@max_allowed_packet, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME"
        f" FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {text(database.name)}"
    )[0]
    return dict(zip(("version", "max_allowed_packet", "charset", "collation"), [cell or "" for cell in row]))


def _jobs(
    database: Database, folder: str, compression: Compression, lock: ReadLock, workers: int, timeout: float
) -> list[t.Callable[[Crew], list[TableFile]]]:
    """One job per group of tables. Tables that :func:`read_locked` leaves alone are one group, which locks itself.

    All groups run while the others are locked: so the moment in which that group is locked is the moment of the copy.
    """

    def job(tables: list[str], locks: bool) -> t.Callable[[Crew], list[TableFile]]:
        def run(crew: Crew) -> list[TableFile]:
            group = _Group(folder, compression, crew)
            dump_tables(database, tables, group.opened, crew, lock=locks, patience=timeout, ours=[lock.connection_id])
            return group.finished()

        return run

    tables = [table for table in lock.tables.values() if table.has_rows]
    weights = {table.name: table.bytes + _EMPTY_TABLE for table in tables if table.transactional}
    others = [table.name for table in tables if not table.transactional]
    first = [job(others, True)] if others else []
    return first + [job(group, False) for group in balanced(weights, workers * _PER_WORKER) if group]


class _Group:
    """The files of one run of the dump program."""

    def __init__(self, folder: str, compression: Compression, crew: Crew) -> None:
        self._folder = folder
        self._compression = compression
        self._crew = crew
        self._files: list[TableFile] = []
        self._waiting: list[TableFile] = []

    def opened(self, table: str) -> TableFile:
        """The file of the next table; the one before is finished by now."""
        self._take_last()
        if sum(file.measure.bytes for file in self._waiting) > _PENDING:
            self._compress()
        self._files.append(TableFile(table, self._folder, self._compression, self._crew))
        return self._files[-1]

    def finished(self) -> list[TableFile]:
        """All files, compressed."""
        self._take_last()
        self._compress()
        return self._files

    def _take_last(self) -> None:
        if self._files and self._files[-1].waits:
            self._waiting.append(self._files[-1])

    def _compress(self) -> None:
        self._compression.replace([file.plain for file in self._waiting])
        self._waiting.clear()


def _refuse_too_large(files: t.Sequence[TableFile], limit: int) -> None:
    """A row can be longer in a dump than it was when it came, and the server would not take it back."""
    for file in files:
        if file.measure.longest > limit:
            raise LockstepError(
                f"table {file.table} has a row of {file.measure.longest >> 20} MiB in the dump, which the server would"
                f" not take back at a restore (max_allowed_packet is {limit >> 20} MiB)",
                hint="raise the server's max_allowed_packet",
            )


def _entry(folder: str, name: str) -> dict[str, t.Any]:
    return {"file": name, "bytes": os.path.getsize(os.path.join(folder, name))}


def _table_entry(file: TableFile, table: Table, refers: t.Iterable[str]) -> dict[str, t.Any]:
    return {
        "rows": file.measure.rows,
        "row_estimate": table.rows,
        "data_bytes": table.bytes,
        "engine": table.engine,
        "references": sorted(refers),
    }


def _digest(folder: str, name: str, _ignored: Crew) -> str:
    return sha256(os.path.join(folder, name))


def sha256(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    found = hashlib.sha256()
    with open(path, "rb") as handle:
        for data in iter(lambda: handle.read(1 << 20), b""):
            found.update(data)
    return found.hexdigest()


def _warnings(database: Database, tables: t.Mapping[str, Table]) -> list[str]:
    """What the dump program can't keep."""
    found = [f"the history of table {table.name} is not kept" for table in tables.values() if table.versioned]
    rows = database.query(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS"
        f" WHERE TABLE_SCHEMA = {text(database.name)} AND DATA_TYPE = 'float' ORDER BY TABLE_NAME, ORDINAL_POSITION"
    )
    return found + [
        f"column {column} of table {table} is a FLOAT, of which six digits are kept"
        for table, column in rows
        if tables[table or ""].has_rows
    ]


def _sync(folder: str) -> None:
    """Make all files of a folder durable at once."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)
