# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backup and restore of a database of 200 tables and 200 MB, beside what everybody uses."""

from __future__ import annotations

import functools
import os
import pathlib
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import DUMP, Database, tool
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.dump import backup
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.restore import restore
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import find_admin
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.verify import read_manifest, verify
from tests.support.services import MariaDB

_TABLES = 200
_ROWS = 3100  # of about 320 bytes in a dump
_ROUNDS = 4
_TOUCHED = 3
_NAME = "bench"

_TABLE = """CREATE TABLE `tabDocument {number:03}` (
  name varchar(140) NOT NULL PRIMARY KEY, creation datetime(6), modified datetime(6), modified_by varchar(140),
  owner varchar(140), docstatus tinyint NOT NULL DEFAULT 0, idx int NOT NULL DEFAULT 0, customer varchar(140),
  status varchar(140), amount decimal(21,9) NOT NULL DEFAULT 0, description longtext, _comments text,
  KEY modified (modified), KEY customer (customer)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"""

# What documents are made of: hashes and times that hardly compress, names and phrases that compress well.
_FILL = """INSERT INTO `tabDocument {number:03}` SELECT LEFT(MD5(CONCAT(seq, '/', {number})), 10),
  '2025-01-01' + INTERVAL seq * 977 SECOND, '2025-06-01' + INTERVAL (seq * 7919 MOD 1000000) SECOND,
  ELT(1 + seq MOD 4, 'administrator@example.com', 'anna@example.com', 'ben@example.com', 'carla@example.com'),
  'administrator@example.com', seq MOD 3, seq MOD 50,
  CONCAT(ELT(1 + (seq * 31) MOD 7, 'North', 'South', 'Blue', 'Green', 'Alpha', 'River', 'Stone'), ' ',
    ELT(1 + (seq * 17) MOD 5, 'Trading', 'Supplies', 'Works', 'Foods', 'Textiles'), ' ', seq MOD 90),
  ELT(1 + seq MOD 3, 'Draft', 'Open', 'Closed'), (seq * 104729 MOD 10000000) / 100,
  CONCAT(ELT(1 + (seq * 13) MOD 6, 'Delivery of ', 'Return of ', 'Invoice for ', 'Quotation on ', 'Order of ',
    'Sample of '), seq MOD 400, ' pieces, batch ', MD5(seq),
    REPEAT(ELT(1 + (seq * 7) MOD 4, ' as agreed by telephone with the customer', ' to be checked on arrival',
    ' packed in boxes of twelve', ' second choice'), 1 + seq MOD 4)),
  IF(seq MOD 5, NULL, '[{{"comment": "looks good", "by": "anna@example.com"}}]') FROM seq_1_to_{rows}"""


def _seconds(work: t.Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _fill(server: MariaDB) -> Database:
    root = Database("", "root", server.root_password, socket=server.socket)
    root.execute(f"CREATE DATABASE {_NAME} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    root.execute(
        f"CREATE USER {_NAME}@localhost IDENTIFIED BY 'secret'", f"GRANT ALL ON {_NAME}.* TO {_NAME}@localhost"
    )
    database = Database(_NAME, _NAME, "secret", socket=server.socket)
    statements = [text.format(number=number, rows=_ROWS) for number in range(_TABLES) for text in (_TABLE, _FILL)]
    database.execute(*statements)
    return database


def _mysqldump_gzip(server: MariaDB, output: pathlib.Path) -> None:
    command = [tool(DUMP), f"--socket={server.socket}", f"--user={_NAME}", "--single-transaction", "--quick", _NAME]
    environment = {**os.environ, "MYSQL_PWD": "secret"}
    with (
        output.open("wb") as target,
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as dump,
        subprocess.Popen(["gzip"], stdin=dump.stdout, stdout=target) as gzip,
    ):
        assert dump.stdout is not None
        dump.stdout.close()
        assert (dump.wait(), gzip.wait()) == (0, 0)


def _backups(database: Database, server: MariaDB, folder: pathlib.Path) -> dict[str, float]:
    ours, checks, others = [], [], []
    for number in range(_ROUNDS):
        path = str(folder / f"backup-{number}")
        ours.append(_seconds(functools.partial(backup, database, path)))
        checks.append(_seconds(functools.partial(verify, path, read_manifest(path))))
        others.append(_seconds(functools.partial(_mysqldump_gzip, server, folder / "other.sql.gz")))
    # What else runs on the machine only ever adds to a time, so the least of several is the nearest to the truth.
    return {
        "backup_vs_mysqldump_gzip": min(ours) / min(others),
        "backup_s": min(ours),
        "backup_verify_s": min(checks),
        "mysqldump_gzip_s": min(others),
    }


def _restores(database: Database, server: MariaDB, folder: str) -> dict[str, float]:
    admin = find_admin(database, "root", server.root_password)
    manifest = read_manifest(folder)
    touched = list(manifest["tables"])[:: _TABLES // _TOUCHED][:_TOUCHED]
    some = functools.partial(restore, database, folder, manifest, touched, admin=admin)
    first = _seconds(some)
    full = _seconds(functools.partial(restore, database, folder, manifest, admin=admin))
    few = min(first, _seconds(some))
    return {"touched_restore_vs_full": few / full, "touched_restore_s": few, "full_restore_s": full}


def measure() -> dict[str, float]:
    """Ratios of times taken alternately on one server, and the times themselves."""
    with tempfile.TemporaryDirectory(prefix="lk") as name, MariaDB(pathlib.Path(name)) as server:
        database = _fill(server)
        folder = pathlib.Path(name)
        return {**_backups(database, server, folder), **_restores(database, server, str(folder / "backup-0"))}
