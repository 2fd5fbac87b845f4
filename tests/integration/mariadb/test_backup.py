# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup is of one moment, complete, private, and says why when it can't be taken."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import stat
import subprocess
import threading
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import dump, stream
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.compression import best, by_name
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.dump import backup
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import LOCK_TIMEOUT, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.load import scratch_copy
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.verify import read_manifest, verify
from tests.integration.mariadb.scene import NASTY, Repeat, Site, idle_transaction
from tests.support.disks import small_disk

pytestmark = pytest.mark.integration

BOOKS = (
    "CREATE TABLE debit (id int PRIMARY KEY, amount int)",
    "CREATE TABLE credit (id int PRIMARY KEY, amount int)",
    "CREATE TABLE journal (id int PRIMARY KEY) ENGINE=MyISAM",
    "CREATE TABLE padding AS SELECT seq, REPEAT(MD5(seq), 8) AS text FROM seq_1_to_20000",
    "INSERT INTO debit VALUES (1, 0)",
    "INSERT INTO credit VALUES (1, 0)",
)


def book(session: Session) -> None:
    """One transaction over two tables: their sums must always be equal."""
    session.execute("BEGIN")
    session.execute("UPDATE debit SET amount = amount + 1 WHERE id = 1")
    session.execute("UPDATE credit SET amount = amount + 1 WHERE id = 1")
    session.execute("COMMIT")


@pytest.fixture
def books(site: Site) -> Site:
    site.fill(*BOOKS)
    return site


def leftovers(folder: str) -> list[str]:
    return sorted(os.listdir(os.path.dirname(folder)))


def assert_nothing_is_locked(database: Database, table: str) -> None:
    database.execute("SET lock_wait_timeout = 5", f"ALTER TABLE {table} COMMENT 'free'")


def test_a_backup_under_a_writer_is_of_one_moment(books: Site, folder: str) -> None:
    with Repeat(books.database, book) as writer:
        for number in range(4):
            writer.wait_for_more()
            manifest = backup(books.database, f"{folder}{number}", workers=2)
            with scratch_copy(books.root, books.database, f"{folder}{number}", manifest, purpose="look") as copy:
                debit, credit = copy.value("SELECT amount FROM debit"), copy.value("SELECT amount FROM credit")
            assert debit == credit != "0"
    assert [error for error in writer.errors if "Deadlock found" not in error] == []


def test_tables_of_other_engines_are_of_the_same_moment(books: Site, folder: str) -> None:
    def post(session: Session) -> None:
        session.execute("UPDATE debit SET amount = amount + 1")
        session.execute("INSERT INTO journal SELECT amount FROM debit")

    with Repeat(books.database, post) as writer:
        for number in range(4):
            writer.wait_for_more()
            manifest = backup(books.database, f"{folder}{number}", workers=2)
            with scratch_copy(books.root, books.database, f"{folder}{number}", manifest, purpose="look") as copy:
                posted = int(copy.value("SELECT amount FROM debit") or 0)
                noted = int(copy.value("SELECT MAX(id) FROM journal") or 0)
            assert posted - noted in (0, 1)
    assert [error for error in writer.errors if "Deadlock found" not in error] == []


def test_reads_go_on_while_writes_wait(books: Site, folder: str) -> None:
    def read(session: Session) -> None:
        session.execute("SELECT SUM(amount) FROM debit", timeout=5)

    with Repeat(books.database, read) as reader, Repeat(books.database, book):
        before = reader.done
        backup(books.database, folder, workers=1)
        assert reader.done - before >= 3
    assert reader.errors == []


def test_everything_is_in_the_manifest(site: Site, folder: str) -> None:
    site.fill(*NASTY)
    manifest = backup(site.database, folder)
    assert read_manifest(folder) == json.loads(json.dumps(manifest))
    counted = {
        name: int(site.database.value(f"SELECT COUNT(*) FROM {site.database.table(name)}") or 0)
        for name in manifest["tables"]
    }
    assert {name: entry["rows"] for name, entry in manifest["tables"].items()} == counted
    assert manifest["tables"]["child"]["references"] == ["parent"]
    assert manifest["table_count"] == len(counted)
    assert sorted(manifest["views"]) == ["a_over", "b_base", "broken"]
    assert sorted(manifest["sequences"]) == ["cached", "seq"]
    assert set(verify(folder, manifest)) == set(counted)


def test_only_the_owner_can_read_a_backup(books: Site, folder: str) -> None:
    os.umask(os.umask(0))
    backup(books.database, folder)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(folder)} == {0o600}


def test_an_idle_transaction_that_wrote_is_named_and_nothing_stays_locked(books: Site, folder: str) -> None:
    with idle_transaction(books.database, "UPDATE debit SET amount = 5") as number:
        with pytest.raises(
            DatabaseError, match=rf"thread {number} \({books.database.user} from localhost, idle for"
        ) as error:
            backup(books.database, folder, lock_timeout=1)
        assert error.value.number == LOCK_TIMEOUT
        assert leftovers(folder) == []
        assert_nothing_is_locked(books.database, "credit")


def test_a_reader_in_a_transaction_is_no_hindrance(books: Site, folder: str) -> None:
    with idle_transaction(books.database, "SELECT * FROM debit"):
        backup(books.database, folder, lock_timeout=1)


def test_a_writer_that_waits_for_a_myisam_table_does_not_stop_the_backup(books: Site, folder: str) -> None:
    """A reader queues behind a waiting writer there, so the backup would wait for whom it keeps waiting."""

    def update(session: Session) -> None:
        session.execute("UPDATE journal SET id = id")

    with Repeat(books.database, update), Repeat(books.database, update):
        backup(books.database, folder, lock_timeout=10)


def test_a_table_locked_by_somebody_else_ends_the_backup_in_time(books: Site, folder: str) -> None:
    with Session(books.database) as other:
        other.execute("LOCK TABLES journal WRITE")
        with pytest.raises(DatabaseError, match=rf"can't be read for 1 s: it is held by thread {other.connection_id} "):
            backup(books.database, folder, lock_timeout=1)
    assert leftovers(folder) == []
    assert_nothing_is_locked(books.database, "debit")


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> t.Iterator[pathlib.Path]:
    with small_disk(tmp_path / "disk", "200k") as found:
        yield found.folder


@pytest.mark.parametrize("rows", [3_000, 60_000], ids=["small tables", "one large table"])
def test_a_full_disk_is_called_that_and_nothing_is_left_on_it(books: Site, disk: pathlib.Path, rows: int) -> None:
    random = "SELECT seq, SHA2(seq, 512) AS a, SHA2(-seq, 512) AS b"
    for number in range(3):
        books.fill(f"CREATE TABLE noise_{number} AS {random} FROM seq_1_to_{rows}")
    with pytest.raises(LockstepError, match=r"the disk of .* is full .* MiB free"):
        backup(books.database, str(disk / "backup"))
    assert list(disk.iterdir()) == []
    assert_nothing_is_locked(books.database, "debit")


def test_a_compressor_without_space_is_understood() -> None:
    with open("/dev/full", "wb") as full:
        child = best().stream(full.fileno())
        _ignored, complaints = child.communicate(os.urandom(1 << 20))
    assert child.returncode != 0
    assert "is full" in str(best().error(complaints, "/dev"))


def test_a_row_the_server_would_not_take_back_is_refused_before_anything_depends_on_the_backup(
    site: Site, folder: str
) -> None:
    limit = int(site.database.value("SELECT @@max_allowed_packet") or 0)
    site.fill(
        "CREATE TABLE files (content longblob)",
        f"INSERT INTO files VALUES (REPEAT(0xFF, {limit * 5 // 8}))",
    )
    with pytest.raises(LockstepError, match=r"table files has a row of .* max_allowed_packet"):
        backup(site.database, folder)
    assert leftovers(folder) == []


def test_a_dump_that_is_ended_half_way_is_an_error(books: Site, folder: str) -> None:
    books.fill("CREATE TABLE much AS SELECT seq, REPEAT(MD5(seq), 20) AS text FROM seq_1_to_150000")
    caught: list[BaseException] = []

    def take() -> None:
        try:
            backup(books.database, folder)
        except LockstepError as error:
            caught.append(error)

    taking = threading.Thread(target=take)
    taking.start()
    dumping = books.wait_for(lambda one: "SQL_NO_CACHE" in one.info and "much" in one.info, "the dump runs")
    books.root.execute(f"KILL {dumping.id}")
    taking.join()
    assert [error for error in caught if "was lost" in str(error)]
    assert leftovers(folder) == []
    assert_nothing_is_locked(books.database, "debit")


def test_a_backup_whose_lock_was_lost_is_no_backup(books: Site, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = stream.dump_tables

    def dump_and_lose(*arguments: t.Any, **options: t.Any) -> None:
        original(*arguments, **options)
        for one in books.threads():
            if one.command == "Sleep":
                books.root.execute(f"KILL {one.id}")

    monkeypatch.setattr(dump, "dump_tables", dump_and_lose)
    with pytest.raises(LockstepError, match="may not be of one point in time"):
        backup(books.database, folder, workers=1)
    assert leftovers(folder) == []


def test_an_unfinished_backup_of_a_killed_run_is_replaced(books: Site, folder: str) -> None:
    os.mkdir(f"{folder}.partial")
    pathlib.Path(f"{folder}.partial/debit.sql.zst").write_text("half")
    verify(folder, backup(books.database, folder))
    assert leftovers(folder) == ["backup"]


def test_a_backup_is_never_overwritten(books: Site, folder: str) -> None:
    backup(books.database, folder)
    with pytest.raises(LockstepError, match="is there already"):
        backup(books.database, folder)


def test_an_empty_database_can_be_backed_up(site: Site, folder: str) -> None:
    manifest = backup(site.database, folder)
    assert manifest["tables"] == {}
    assert verify(folder, manifest) == {}


def test_a_routine_that_the_user_may_not_read_needs_an_admin(site: Site, folder: str) -> None:
    site.root.schema(site.database.name).execute("CREATE PROCEDURE secret() SELECT 1")
    with pytest.raises(LockstepError, match="procedure secret can't be backed up"):
        backup(site.database, folder)
    assert leftovers(folder) == []
    backup(site.database, folder, admin=site.root)


def test_what_is_not_kept_is_said(site: Site, folder: str) -> None:
    site.fill("CREATE TABLE measured (f float)", "CREATE TABLE kept (i int) WITH SYSTEM VERSIONING")
    assert backup(site.database, folder)["warnings"] == [
        "the history of table kept is not kept",
        "column f of table measured is a FLOAT, of which six digits are kept",
    ]


def test_without_zstd_gzip_does(books: Site, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "best", lambda: by_name("gzip"))
    manifest = backup(books.database, folder)
    assert manifest["compression"] == "gzip"
    assert sorted(verify(folder, manifest)) == ["credit", "debit", "journal", "padding"]
    with scratch_copy(books.root, books.database, folder, manifest, purpose="look") as copy:
        assert copy.value("SELECT COUNT(*) FROM padding") == "20000"


def damage_cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def damage_flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage_remove(path: pathlib.Path) -> None:
    path.unlink()


def damage_add(path: pathlib.Path) -> None:
    shutil.copy(path, path.with_name("other.sql.zst"))


@pytest.mark.parametrize("name", ["debit.sql.zst", "padding.sql.zst", "objects.json"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_cut, "bytes instead of"),
        (damage_flip, "its checksum differs"),
        (damage_remove, "is missing"),
        (damage_add, "other.sql.zst does not belong to it"),
    ],
)
def test_a_damaged_backup_is_refused(
    books: Site, folder: str, name: str, damage: t.Callable[[pathlib.Path], None], said: str
) -> None:
    manifest = backup(books.database, folder)
    damage(pathlib.Path(folder, name))
    with pytest.raises(LockstepError, match=f"is damaged: .*{said}"):
        verify(folder, manifest)


def test_a_file_cut_before_it_was_recorded_is_refused_all_the_same(books: Site, folder: str) -> None:
    """Checksums that fit prove nothing when the dump itself was short: every table must come to its end."""
    manifest = backup(books.database, folder)
    path = pathlib.Path(folder, "padding.sql.zst")
    content = subprocess.run([by_name("zstd").program, "-dc", path], check=True, capture_output=True).stdout
    short = subprocess.run(
        [by_name("zstd").program, "-c"], input=content[: len(content) // 2], check=True, capture_output=True
    ).stdout
    path.write_bytes(short)
    manifest["tables"]["padding"].update(bytes=len(short), sha256=dump.sha256(str(path)))
    with pytest.raises(LockstepError, match=r"padding\.sql\.zst ends before its table does"):
        verify(folder, manifest)


def test_a_backup_of_an_unknown_format_is_refused(books: Site, folder: str) -> None:
    manifest = backup(books.database, folder)
    with pytest.raises(LockstepError, match="has format 99"):
        verify(folder, {**manifest, "format": 99})
    with pytest.raises(LockstepError, match="is no backup"):
        read_manifest(os.path.dirname(folder))
