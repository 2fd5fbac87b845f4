# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy is its database at one moment, nobody waits for it, and its account reaches nothing else."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import account, live_copy, scratch
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.schema import snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from tests.integration.mariadb.scene import NASTY, Repeat, Site

pytestmark = pytest.mark.integration


class Copy:
    """An empty scratch schema with an account."""

    def __init__(self, site: Site) -> None:
        self.name = scratch.scratch_name(site.database, "test")
        self.schema = scratch.make_schema(site.root, self.name, "utf8mb4", "utf8mb4_unicode_ci")
        self.own = account.create(site.root, site.database, self.name)


@pytest.fixture
def copy(site: Site) -> t.Iterator[Copy]:
    yield Copy(site)
    name = scratch.scratch_name(site.database, "test")
    account.drop(site.root, site.database, name)
    scratch.clear_schema(site.root, name)


def test_a_copy_has_all_that_the_database_has(site: Site, copy: Copy) -> None:
    site.fill(*NASTY)
    original = Database(site.database.name, "root", site.server.root_password, socket=site.server.socket)
    names = live_copy.bring_up_to_date(site.database, copy.schema, copy.own)
    wanted, found = snapshot(original), snapshot(copy.schema)
    assert found["tables"] == wanted["tables"]
    assert names == wanted["tables"].keys()
    assert wanted["views"].pop("broken"), "what refers to nothing can't be made again"
    assert {kind: sorted(entries) for kind, entries in found.items()} == {
        kind: sorted(entries) for kind, entries in wanted.items()
    }
    listed = ", ".join(quote(name) for name in names)
    checksums = [
        {row[0].partition(".")[2]: row[1] for row in one.query(f"CHECKSUM TABLE {listed}") if row[0]}
        for one in (original, copy.schema)
    ]
    assert checksums[0] == checksums[1]
    assert live_copy.bring_up_to_date(site.database, copy.schema, copy.own) == set(), "it is up to date"


def test_only_what_has_changed_is_copied_again(site: Site, copy: Copy) -> None:
    site.fill(
        "CREATE TABLE a (id int PRIMARY KEY, words text)",
        "CREATE TABLE b (id int PRIMARY KEY)",
        "CREATE TABLE c (id int PRIMARY KEY)",
        "CREATE TABLE d (id int PRIMARY KEY)",
        "INSERT INTO a VALUES (1, 'one')",
    )
    assert live_copy.bring_up_to_date(site.database, copy.schema, copy.own) == {"a", "b", "c", "d"}
    site.fill(
        "UPDATE a SET words = 'two'",
        "ALTER TABLE b ADD COLUMN more int",
        "DROP TABLE d",
        "CREATE TABLE e (id int PRIMARY KEY)",
    )
    assert live_copy.bring_up_to_date(site.database, copy.schema, copy.own) == {"a", "b", "e"}
    assert snapshot(copy.schema) == snapshot(site.database)
    assert copy.own.query("SELECT * FROM a") == [["1", "two"]]


def test_writers_do_not_wait_and_what_they_write_is_of_one_moment(site: Site, copy: Copy) -> None:
    site.fill(
        "CREATE TABLE first (n int PRIMARY KEY)",
        "CREATE TABLE big (id int PRIMARY KEY, words varchar(2000))",
        "INSERT INTO big SELECT seq, REPEAT('x', 1500) FROM seq_1_to_20000",
        "CREATE TABLE last (n int PRIMARY KEY)",
    )
    numbers = iter(range(10**9))

    def write(session: Session) -> None:
        number = next(numbers)
        session.execute("BEGIN", timeout=2)
        session.execute(f"INSERT INTO first VALUES ({number})", timeout=2)
        session.execute(f"INSERT INTO last VALUES ({number})", timeout=2)
        session.execute("COMMIT", timeout=2)

    with Repeat(site.database, write) as writer:
        before = writer.done
        live_copy.bring_up_to_date(site.database, copy.schema, copy.own)
        assert writer.done > before + 5, "writes went on meanwhile"
    assert writer.errors == []
    counts = copy.own.query("SELECT (SELECT COUNT(*) FROM first), (SELECT COUNT(*) FROM last)")[0]
    assert counts[0] == counts[1]
    assert int(counts[0] or 0) >= before


def test_the_account_reaches_its_schema_and_nothing_else(site: Site, copy: Copy) -> None:
    site.fill("CREATE TABLE a (id int PRIMARY KEY)")
    other = scratch.scratch_name(site.database, "another")
    scratch.make_schema(site.root, other, "utf8mb4", "utf8mb4_unicode_ci")
    copy.own.execute("CREATE TABLE b (id int)", "DROP TABLE b", "CREATE VIEW v AS SELECT 1")
    for statement in (
        f"SELECT * FROM {site.database.name}.a",
        f"CREATE TABLE {other}.b (id int)",
        "CREATE USER somebody@localhost",
        f"DROP DATABASE {site.database.name}",
    ):
        with pytest.raises(LockstepError, match=r"denied|may not use"):
            copy.own.execute(statement)
    scratch.clear_schema(site.root, other)


def test_a_removed_account_is_at_work_on_nothing(site: Site, copy: Copy) -> None:
    with Session(copy.own) as session:
        session.execute("CREATE TABLE a (id int PRIMARY KEY)")
        session.execute("BEGIN")
        session.query("SELECT * FROM a")
        account.drop(site.root, site.database, copy.name)
        scratch.clear_schema(site.root, copy.name)
    with pytest.raises(LockstepError, match="does not let user"):
        copy.own.query("SELECT 1")
    account.drop(site.root, site.database, copy.name)
    assert copy.name not in site.scratch_schemas()


@pytest.mark.parametrize(
    ("more", "may"),
    [
        ((), False),
        (("GRANT CREATE USER ON *.* TO {me}",), False),
        (("GRANT ALL ON `\\_lockstep\\_%`.* TO {me} WITH GRANT OPTION",), False),
        (("GRANT CREATE USER ON *.* TO {me}", "GRANT ALL ON `\\_lockstep\\_%`.* TO {me} WITH GRANT OPTION"), True),
    ],
)
def test_who_may_make_accounts_is_known_before(site: Site, more: tuple[str, ...], may: bool) -> None:
    name, me = "deployer", "deployer@localhost"
    site.root.execute(
        f"CREATE USER {me} IDENTIFIED BY 'secret'",
        f"GRANT ALL ON `\\_lockstep\\_%`.* TO {me}",
        f"GRANT ALL ON {site.database.name}.* TO {me}",
        *(statement.format(me=me) for statement in more),
    )
    try:
        admin = scratch.find_admin(site.database, name, "secret")
        assert admin is not None
        assert account.may_create(admin) is may
        if may:
            schema = scratch.scratch_name(site.database, "test")
            scratch.make_schema(admin, schema, "utf8mb4", "utf8mb4_unicode_ci")
            own = account.create(admin, site.database, schema)
            own.execute("CREATE TABLE a (id int)")
            account.drop(admin, site.database, schema)
            scratch.clear_schema(admin, schema)
            rows = site.root.query(f"SELECT User FROM mysql.global_priv WHERE User = '{schema}'")
            assert rows == [], "though it may not read the list of accounts"
    finally:
        site.root.execute(f"DROP USER {me}")


def test_root_may(site: Site) -> None:
    assert account.may_create(site.root)
