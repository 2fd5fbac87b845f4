# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database goes back to what it was: all of it, whatever was done to it, whenever the restore was interrupted."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import random
import subprocess
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.dump import backup, sha256
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import LOCK_TIMEOUT, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.load import prove, scratch_copy
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import end_orphans, mark
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.restore import restore
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import (
    drop_schema,
    find_admin,
    scratch_name,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.verify import verify
from tests.integration.mariadb.scene import NASTY, PASSWORD, Repeat, Site, idle_transaction, python
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration

MIGRATION = (
    "ALTER TABLE `tabSales Order` ADD COLUMN status varchar(140), DROP COLUMN owner",
    "UPDATE `tabSales Order` SET amount = 0",
    "DELETE FROM `tabÜnïcödé 表`",
    "UPDATE kinds SET b = 'changed'",
    "TRUNCATE searched",
    "DROP TABLE aria",
    "RENAME TABLE parts TO parts_renamed",
    "CREATE TABLE new (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES parent (id))",
    "INSERT INTO parent VALUES (3)",
    "DELETE FROM parent WHERE id = 1",
    "INSERT INTO numbered (x) VALUES (1), (2)",
    "DO NEXTVAL(cached)",
    "DROP SEQUENCE cached",
    "CREATE SEQUENCE newer",
    "DROP TRIGGER note",
    "CREATE TRIGGER new_trigger BEFORE UPDATE ON child FOR EACH ROW SET NEW.id = NEW.id",
    "DROP VIEW a_over",
    "CREATE OR REPLACE VIEW b_base AS SELECT 1 AS changed",
    "CREATE VIEW new_view AS SELECT * FROM new",
    "DROP TABLE log",
    "CREATE VIEW log AS SELECT 'a view in the place of a table' AS what",
    "DROP FUNCTION twice",
    "CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 3",
    "CREATE PROCEDURE new_procedure() SELECT 1",
    "DROP EVENT later",
    "CREATE EVENT new_event ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
)
TOUCHED = ["tabSales Order", "tabÜnïcödé 表", "kinds", "searched", "numbered", "parent", "tabNever Was"]


def admin_of(site: Site, way: str) -> Database | None:
    return site.root if way == "swapped" else None


both_ways = pytest.mark.parametrize("way", ["swapped", "in_place"])


@pytest.fixture
def full(site: Site) -> Site:
    site.fill(*NASTY)
    return site


@both_ways
@pytest.mark.parametrize("tables", [None, TOUCHED], ids=["all tables", "touched tables"])
def test_everything_a_migration_did_is_undone(full: Site, folder: str, way: str, tables: list[str] | None) -> None:
    before = full.content()
    manifest = backup(full.database, folder)
    full.fill(*MIGRATION)
    assert full.content() != before

    done = restore(full.database, folder, manifest, tables, admin=admin_of(full, way))

    after = full.content()
    if tables is not None:  # rows that are kept may have numbers from a sequence
        assert after.pop("next values")["seq"] > before.pop("next values")["seq"]
    assert after == before
    assert done["way"] == way
    assert done["dropped"] == ["new", "parts_renamed"]
    assert {"aria", "parts", "log", "child"} <= set(done["restored"])
    assert full.scratch_schemas() == []
    if tables is not None:
        assert "-dash" not in done["restored"]


@both_ways
def test_what_nobody_knows_to_be_touched_is_found_by_comparison(full: Site, folder: str, way: str) -> None:
    before = full.content()
    manifest = backup(full.database, folder)
    full.fill("REPLACE INTO kinds SELECT * FROM kinds LIMIT 1", "UPDATE `tabSales Order` SET amount = 0")
    done = restore(full.database, folder, manifest, ["searched"], compare=True, admin=admin_of(full, way))
    assert set(done["restored"]) == {"searched", "tabSales Order"}, "what was written and is the same needs nothing"
    after = full.content()
    assert after.pop("next values")["seq"] >= before.pop("next values")["seq"]
    assert after == before


@both_ways
def test_a_second_restore_finds_nothing_to_change(full: Site, folder: str, way: str) -> None:
    before = full.content()
    manifest = backup(full.database, folder)
    restore(full.database, folder, manifest, admin=admin_of(full, way))
    done = restore(full.database, folder, manifest, [], admin=admin_of(full, way))
    assert (done["restored"], done["dropped"], done["changed"]) == ([], [], [])
    assert full.content() == before


@both_ways
def test_sequences_hand_out_nothing_twice_and_skip_nothing_they_need_not(site: Site, folder: str, way: str) -> None:
    site.fill(
        "CREATE SEQUENCE plain NOCACHE", "CREATE SEQUENCE cached CACHE 10", "DO NEXTVAL(plain)", "DO NEXTVAL(cached)"
    )
    manifest = backup(site.database, folder)
    site.fill("SELECT NEXTVAL(plain), NEXTVAL(cached) FROM seq_1_to_50")
    restore(site.database, folder, manifest, [], admin=admin_of(site, way))
    assert site.database.query("SELECT NEXTVAL(plain), NEXTVAL(cached)") == [["52", "52"]]
    restore(site.database, folder, manifest, admin=admin_of(site, way))
    assert site.database.query("SELECT NEXTVAL(plain), NEXTVAL(cached)") == [["2", "11"]]


def test_tables_that_foreign_keys_connect_are_exchanged_together(full: Site, folder: str) -> None:
    manifest = backup(full.database, folder)
    done = restore(full.database, folder, manifest, ["parent"], admin=full.root)
    assert done["restored"] == ["child", "parent"]
    with pytest.raises(DatabaseError, match="foreign key constraint fails"):
        full.database.execute("INSERT INTO child VALUES (99, 77)")
    full.database.execute("DELETE FROM parent WHERE id = 1")
    assert full.database.value("SELECT COUNT(*) FROM child") == "1"


def test_a_request_that_began_before_reads_on_to_its_end(site: Site, folder: str) -> None:
    site.fill("CREATE TABLE a AS SELECT 1 AS i", "CREATE TABLE b AS SELECT 2 AS i")
    manifest = backup(site.database, folder)
    site.fill("UPDATE a SET i = 3")
    with Session(site.database) as request:
        request.execute("START TRANSACTION READ ONLY")
        request.query("SELECT i FROM b")
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as beside:
            restored = beside.submit(restore, site.database, folder, manifest, ["a"], admin=site.root)
            loaded = (
                "SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME = 'a' AND TABLE_SCHEMA LIKE '\\_lockstep%'"
            )
            wait_until(lambda: site.root.query(loaded), 20, "the tables of the backup are there")
            with pytest.raises(concurrent.futures.TimeoutError):
                restored.result(timeout=1)
            seen = request.query("SELECT i FROM a")
            request.execute("COMMIT")
            restored.result()
        assert (seen, request.query("SELECT i FROM a")) == ([["3"]], [["1"]])


def test_triggers_work_after_their_table_was_exchanged(full: Site, folder: str) -> None:
    manifest = backup(full.database, folder)
    done = restore(full.database, folder, manifest, ["parent"], admin=full.root)
    assert sorted(done["changed"]) == ["trigger note", "trigger note_before"]
    full.database.execute("DELETE FROM log", "INSERT INTO parent VALUES (7)")
    assert full.database.query("SELECT what FROM log") == [["before"], ["parent; 7"]]


def test_who_defined_a_view_is_kept_with_an_admin_and_told_without(site: Site, folder: str) -> None:
    site.fill("CREATE TABLE a (i int)")
    site.root.schema(site.database.name).execute("CREATE VIEW v AS SELECT * FROM a")
    manifest = backup(site.database, folder)
    site.fill("DROP VIEW v")
    assert restore(site.database, folder, manifest, [], admin=site.root)["redefined"] == []
    assert "DEFINER=`root`@" in str(site.database.query("SHOW CREATE VIEW v"))
    site.fill("DROP VIEW v")
    assert restore(site.database, folder, manifest, [])["redefined"] == ["view v"]
    assert f"DEFINER=`{site.database.user}`@" in str(site.database.query("SHOW CREATE VIEW v"))


def test_a_view_that_was_broken_and_is_gone_is_left_out_and_told(full: Site, folder: str) -> None:
    manifest = backup(full.database, folder)
    full.fill("DROP VIEW broken")
    assert restore(full.database, folder, manifest, [])["left_out"] == ["view broken"]


def test_readers_never_fail_while_tables_are_exchanged(site: Site, folder: str) -> None:
    site.fill(
        "CREATE TABLE a AS SELECT seq FROM seq_1_to_20000",
        "CREATE TABLE b AS SELECT seq FROM seq_1_to_20000",
    )
    manifest = backup(site.database, folder)
    seen: set[tuple[str | None, ...]] = set()

    def read(session: Session) -> None:
        seen.add(tuple(session.query("SELECT (SELECT COUNT(*) FROM a), (SELECT COUNT(*) FROM b)")[0]))

    with Repeat(site.database, read) as one, Repeat(site.database, read) as other:
        for _ignored in range(3):
            site.fill("DELETE FROM a WHERE seq > 10", "DELETE FROM b WHERE seq > 10", "CREATE TABLE new (i int)")
            restore(site.database, folder, manifest, ["a", "b"], admin=site.root)
            one.wait_for_more()
    assert one.errors + other.errors == []
    halves = {counts for counts in seen if len(set(counts)) > 1}
    # Two deletions are two steps; the exchange is one.
    assert halves <= {("10", "20000")}
    assert {("10", "10"), ("20000", "20000")} <= seen


RESTORE = (
    "import json\n"
    "from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database\n"
    "from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.restore import restore\n"
    "folder, manifest, site, admin = json.load(sys.stdin)\n"
    "print('begin', flush=True)\n"
    "restore(Database(**site), folder, manifest, None, admin=Database(**admin) if admin else None, workers=2)\n"
    "print('end', flush=True)\n"
)


def start_restore(site: Site, folder: str, manifest: dict[str, t.Any], admin: Database | None) -> subprocess.Popen[str]:
    child = python(RESTORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdin is not None
    assert child.stdout is not None
    admin_options = dataclasses.asdict(admin) if admin else None
    json.dump([folder, manifest, dataclasses.asdict(site.database), admin_options], child.stdin)
    child.stdin.close()
    assert child.stdout.readline() == "begin\n"
    return child


@both_ways
def test_a_restore_that_was_killed_is_simply_run_again(full: Site, folder: str, way: str) -> None:
    full.fill("CREATE TABLE much AS SELECT seq, REPEAT(MD5(seq), 8) AS text FROM seq_1_to_30000")
    before = full.content()
    manifest = backup(full.database, folder)
    full.fill(*MIGRATION)
    chance = random.Random(20261120)
    killed = 0
    for _ignored in range(8):
        child = start_restore(full, folder, manifest, admin_of(full, way))
        try:
            child.wait(chance.uniform(0.02, 1.2))
        except subprocess.TimeoutExpired:
            killed += 1
        child.kill()
        child.wait()
        t.cast("t.IO[str]", child.stdout).close()
    assert killed >= 3
    restore(full.database, folder, manifest, admin=admin_of(full, way))
    assert full.content() == before
    assert full.scratch_schemas() == []


def test_what_a_killed_restore_left_at_work_is_ended(site: Site) -> None:
    site.fill("CREATE TABLE a (i int)")
    with Session(site.database) as orphan, Session(site.database) as other:
        orphan.execute(f"DO {mark(site.database.name, 7)}")
        other.execute(f"DO {mark('another_site', 7)}")
        assert end_orphans(site.database, site.database.name) == 1
        with pytest.raises(DatabaseError, match="was lost"):
            orphan.query("SELECT 1", timeout=10)
        assert other.query("SELECT 1") == [["1"]]


@both_ways
def test_a_damaged_backup_changes_nothing(full: Site, folder: str, way: str) -> None:
    manifest = backup(full.database, folder)
    full.fill(*MIGRATION)
    before = full.content()
    path = pathlib.Path(folder, "kinds.sql.zst")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LockstepError, match="is damaged"):
        restore(full.database, folder, manifest, admin=admin_of(full, way))
    assert full.content() == before


def test_what_can_not_be_loaded_is_named_and_nothing_was_changed(site: Site, folder: str) -> None:
    site.fill("CREATE TABLE a (i int)", "CREATE TABLE b (i int)", "INSERT INTO b VALUES (1)")
    manifest = backup(site.database, folder)
    site.fill("UPDATE b SET i = 2")
    zstd = ["zstd", "-q", "-f"]
    plain = pathlib.Path(folder, "b.sql")
    subprocess.run([*zstd, "-d", f"{plain}.zst"], check=True)
    plain.write_text(plain.read_text().replace("(1);", "(1),\n('x', 'y');"))
    subprocess.run([*zstd, "--rm", plain], check=True)
    manifest["tables"]["b"].update(bytes=os.path.getsize(f"{plain}.zst"), sha256=sha256(f"{plain}.zst"))
    with pytest.raises(DatabaseError, match=r"table b can't be loaded: .*Column count doesn't match"):
        restore(site.database, folder, manifest, admin=site.root)
    assert site.database.value("SELECT i FROM b") == "2"
    assert site.scratch_schemas() == []


def test_content_that_is_not_what_was_backed_up_is_noticed(site: Site, folder: str) -> None:
    site.fill("CREATE TABLE a AS SELECT seq FROM seq_1_to_100", "CREATE TABLE b (i int)")
    digests = verify(folder, backup(site.database, folder))
    prove(site.database, digests)
    site.fill("UPDATE a SET seq = 5 WHERE seq = 4")
    with pytest.raises(LockstepError, match="table a was loaded, but is not what was backed up"):
        prove(site.database, digests)


@both_ways
def test_a_reader_that_holds_a_table_is_ended(site: Site, folder: str, way: str) -> None:
    site.fill("CREATE TABLE a (i int)")
    manifest = backup(site.database, folder)
    with idle_transaction(site.database, "SELECT * FROM a") as number:
        done = restore(site.database, folder, manifest, admin=admin_of(site, way))
    assert [f"thread {number} " in one for one in done["connections_ended"]] == [True]


def test_somebody_elses_lock_ends_the_restore_in_time_and_nothing_was_changed(site: Site, folder: str) -> None:
    site.fill("CREATE TABLE a (i int)")
    manifest = backup(site.database, folder)
    site.fill("INSERT INTO a VALUES (1)")
    with Session(site.root.schema(site.database.name)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM a")
        with pytest.raises(DatabaseError, match="is in use for 3 s, so it can't be restored") as error:
            restore(site.database, folder, manifest, admin=site.root, lock_timeout=3)
    assert error.value.number == LOCK_TIMEOUT
    assert site.database.value("SELECT COUNT(*) FROM a") == "1"
    assert site.scratch_schemas() == []


def test_an_admin_is_whoever_may_make_scratch_schemas(site: Site) -> None:
    assert find_admin(site.database) is None
    found = find_admin(site.database, "root", site.server.root_password)
    assert found is not None
    assert (found.user, found.name) == ("root", "")
    site.root.execute(f"GRANT ALL ON `\\_lockstep\\_%`.* TO '{site.database.user}'@localhost")
    own = find_admin(site.database)
    assert own == site.database.schema("")


@pytest.mark.skipif(os.geteuid() != 0, reason="the server knows only root by its socket")
def test_root_on_the_same_server_is_an_admin_by_its_socket(site: Site) -> None:
    plain = f"IDENTIFIED VIA mysql_native_password USING PASSWORD('{site.server.root_password}')"
    site.root.execute(f"ALTER USER root@localhost {plain} OR unix_socket")
    try:
        for database in (site.database, site.tcp):
            found = find_admin(database)
            assert found is not None
            assert (found.user, found.socket) == ("root", site.server.socket)
    finally:
        site.root.execute(f"ALTER USER root@localhost {plain}")


def test_an_admin_with_a_wrong_password_is_an_error_and_not_nobody(site: Site) -> None:
    with pytest.raises(DatabaseError, match="does not let user root in"):
        find_admin(site.database, "root", "wrong")


def test_a_granted_user_restores_without_anybody_noticing(full: Site, folder: str) -> None:
    full.root.execute(f"GRANT ALL ON `\\_lockstep\\_%`.* TO '{full.database.user}'@localhost")
    before = full.content()
    manifest = backup(full.database, folder)
    full.fill(*MIGRATION)
    done = restore(full.database, folder, manifest, admin=find_admin(full.database))
    assert done["way"] == "swapped"
    assert full.content() == before


def test_a_scratch_copy_is_the_backup_and_is_gone_afterwards(full: Site, folder: str) -> None:
    manifest = backup(full.database, folder)
    full.fill("DELETE FROM kinds")
    # Left over from a run that was killed.
    full.root.execute(f"CREATE DATABASE {scratch_name(full.database, 'look')}")
    with scratch_copy(full.root, full.database, folder, manifest, ["kinds"], purpose="look") as copy:
        assert copy.query("SHOW TABLES") == [["kinds"]]
        assert copy.value("SELECT COUNT(*) FROM kinds") == "3"
    assert full.scratch_schemas() == []


def test_only_scratch_schemas_are_ever_dropped(site: Site) -> None:
    with pytest.raises(ValueError, match="is no scratch schema"):
        drop_schema(site.root, site.database.name)


def test_a_site_reached_by_tcp_is_restored_too(full: Site, folder: str) -> None:
    before = full.content()
    manifest = backup(full.tcp, folder)
    full.fill(*MIGRATION)
    admin = find_admin(full.tcp, "root", full.server.root_password)
    restore(full.tcp, folder, manifest, admin=admin)
    assert full.content() == before
    assert PASSWORD not in json.dumps(manifest)
