# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database exchanged for a migrated copy is that copy, in its own name, and comes back as it was."""

from __future__ import annotations

import json
import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import account, live_copy, objects, scratch
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.exchange import (
    Content,
    Ground,
    WholeExchange,
    bound_to_itself,
    bound_to_others,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from tests.integration.mariadb.scene import NASTY, Repeat, Site
from tests.integration.mariadb.test_restore import MIGRATION

pytestmark = pytest.mark.integration


class Both:
    """A site's database and a copy of it, and where its tables go."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.own = account.OwnSchema(site.root, site.database, "green")
        self.green, self.user = self.own.make("utf8mb4", "utf8mb4_unicode_ci")
        live_copy.bring_up_to_date(site.database, self.green, self.user)
        name = scratch.scratch_name(site.database, "blue")
        self.blue = scratch.make_schema(site.root, name, "utf8mb4", "utf8mb4_unicode_ci")

    def contents(self) -> tuple[Content, Content]:
        """The two, as they are to be afterwards; they stand a file between."""
        before, after = Content.of(self.site.root.schema(self.site.database.name)), Content.of(self.green)
        after = after.in_the_name_of(objects.account_of(self.site.database), before)
        kept = json.loads(json.dumps([before.to_dict(), after.to_dict()]))
        return Content.from_dict(kept[0]), Content.from_dict(kept[1])

    def exchange(self, **options: t.Any) -> WholeExchange:
        return WholeExchange(self.site.database, self.site.root, **options)

    def drop(self) -> None:
        self.own.drop_account()
        self.own.drop()
        scratch.clear_schema(self.site.root, self.blue.name)


@pytest.fixture
def both(site: Site) -> t.Iterator[Both]:
    site.fill(*NASTY)
    found = Both(site)
    yield found
    found.drop()


def migrate(database: Database) -> None:
    """All but what takes numbers from a sequence by default: the default names the site's own schema."""
    statements = [statement for statement in MIGRATION if "numbered" not in statement]
    database.execute("SET SESSION sql_mode = ''", *statements)


def test_the_database_is_the_migrated_copy_and_nothing_of_it_names_the_copy(both: Both) -> None:
    site = both.site
    definers = site.root.query(f"SELECT DEFINER FROM mysql.proc WHERE db = '{site.database.name}'")
    migrate(both.user)
    before, after = both.contents()
    assert bound_to_itself(both.green, after) == []
    remade = both.exchange().run(after, both.green, both.blue)
    both.drop()
    assert remade.redefined == []
    reference = site.content()
    assert both.own.name not in str(reference)
    assert {"new", "parts_renamed"} <= reference.keys()
    assert "aria" not in reference
    names = {(one[0], one[1]) for one in reference["other objects"]}
    assert {("view", "log"), ("view", "new_view"), ("trigger", "new_trigger"), ("sequence", "newer")} <= names
    assert ("trigger", "note") not in names
    assert ("event", "later") not in names
    assert ("view", "broken") in names, "it could neither be copied nor be made again"
    assert site.root.query(f"SELECT DEFINER FROM mysql.proc WHERE db = '{site.database.name}'")[0] == definers[0]
    site.database.execute("INSERT INTO numbered (x) VALUES (9)", "UPDATE child SET parent = 2")
    assert before.tables != after.tables


def test_and_comes_back_as_it_was(both: Both) -> None:
    found = both.site.content()
    migrate(both.user)
    before, after = both.contents()
    both.exchange().run(after, both.green, both.blue)
    assert both.site.content() != found
    again = scratch.make_schema(both.site.root, both.green.name, "utf8mb4", "utf8mb4_unicode_ci")
    both.exchange().run(before, both.blue, again)
    assert both.site.content() == found
    both.site.database.execute("DELETE FROM log", "INSERT INTO parent VALUES (7)")
    assert both.site.database.query("SELECT what FROM log") == [["before"], ["parent; 7"]]


def test_dropped_triggers_come_back_where_the_exchange_was_not_made(both: Both) -> None:
    found = both.site.content()
    before, _after = both.contents()
    both.site.fill("DROP TRIGGER note", "DROP TRIGGER note_before", "DO NEXTVAL(seq)")
    both.exchange().settle(before)
    assert both.site.content() == found


def test_a_table_in_use_ends_it_in_time_and_all_tables_are_where_they_were(both: Both) -> None:
    found = both.site.content()
    before, after = both.contents()
    with Session(both.site.root.schema(both.site.database.name)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM parent")
        with pytest.raises(DatabaseError, match="is in use for 2 s, so it can't be exchanged"):
            both.exchange(lock_timeout=2).run(after, both.green, both.blue)
    both.exchange().settle(before)
    assert both.site.content() == found


def test_so_does_one_that_somebody_uses_before_its_triggers_are_back_and_it_goes_back_later(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = both.site.content()
    before, after = both.contents()
    exchange = Ground.exchange
    with Session(both.site.root.schema(both.site.database.name)) as other:

        def exchanged(ground: Ground, *schemas: t.Any) -> None:
            exchange(ground, *schemas)
            other.execute("BEGIN")
            other.execute("SELECT * FROM parent")

        with monkeypatch.context() as patched:
            patched.setattr(Ground, "exchange", exchanged)
            with pytest.raises(DatabaseError, match="is in use for 1 s, so it can't be given its triggers"):
                both.exchange(lock_timeout=1).run(after, both.green, both.blue)
    again = scratch.make_schema(both.site.root, both.green.name, "utf8mb4", "utf8mb4_unicode_ci")
    both.exchange().run(before, both.blue, again)
    assert both.site.content() == found


def test_readers_never_fail_meanwhile(both: Both) -> None:
    migrate(both.user)
    before, after = both.contents()

    def read(session: Session) -> None:
        session.query("SELECT (SELECT COUNT(*) FROM child), (SELECT COUNT(*) FROM `tabSales Order`)")

    with Repeat(both.site.database, read) as one, Repeat(both.site.database, read) as other:
        both.exchange().run(after, both.green, both.blue)
        one.wait_for_more()
        both.exchange().run(before, both.blue, both.green)
        other.wait_for_more()
    assert one.errors + other.errors == []


def test_no_request_that_reads_one_table_after_the_other_ends_as_the_victim_of_a_deadlock(both: Both) -> None:
    migrate(both.user)
    before, after = both.contents()

    def read(session: Session) -> None:
        session.execute("START TRANSACTION READ ONLY")
        try:
            for table in ("`tabSales Order`", "parent", "child"):
                session.query(f"SELECT COUNT(*) FROM {table}")
                time.sleep(0.005)
        finally:
            session.execute("COMMIT")
        # What a request does beside its tables, and the time until the next: there are moments in which nobody reads.
        time.sleep(0.03)

    with Repeat(both.site.database, read) as one, Repeat(both.site.database, read) as other:
        for _ignored in range(3):
            both.exchange().run(after, both.green, both.blue)
            both.exchange().run(before, both.blue, both.green)
        one.wait_for_more()
        other.wait_for_more()
    assert one.errors + other.errors == []


def test_what_names_the_copy_is_found_before(both: Both) -> None:
    name = both.green.name
    both.user.execute(
        "CREATE SEQUENCE own_numbers",
        "CREATE TABLE bound (id int DEFAULT NEXTVAL(own_numbers))",
        f"CREATE FUNCTION named() RETURNS int RETURN (SELECT COUNT(*) FROM `{name}`.parent)",
    )
    _before, after = both.contents()
    assert bound_to_itself(both.green, after) == ["function named", "column id of table bound"]


def test_foreign_keys_from_and_to_other_databases_are_found(site: Site) -> None:
    site.fill("CREATE TABLE `tabSales Order` (id int PRIMARY KEY)")
    own, elsewhere = site.database.name, "report-ing"
    site.root.execute(
        f"CREATE DATABASE `{elsewhere}`",
        f"CREATE TABLE `{elsewhere}`.facts (id int PRIMARY KEY, about int REFERENCES `{own}`.`tabSales Order` (id))",
        f"CREATE TABLE `{own}`.cited (fact int REFERENCES `{elsewhere}`.facts (id), own int)",
    )
    try:
        found = {
            f"table facts of {elsewhere}, with a foreign key to tabSales Order of {own},",
            f"table cited of {own}, with a foreign key to facts of {elsewhere},",
        }
        assert set(bound_to_others(site.root, own)) == found
        assert bound_to_others(site.root, "other") == []
        assert len(bound_to_others(site.database.schema(""), own)) == 1, "who may not ask InnoDB sees their own"
    finally:
        site.root.execute("SET SESSION foreign_key_checks = 0", f"DROP DATABASE `{elsewhere}`")
