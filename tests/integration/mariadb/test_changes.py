# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a migration changed is known from the server itself: schema, touched tables, contents."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.dump import backup
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.fingerprint import (
    fingerprints,
    of_backup,
    rows,
    unchanged,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.schema import difference, is_additive, snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.touched import look, touched
from tests.integration.mariadb.scene import NASTY, Site
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration

NOTE = (
    "CREATE TABLE tabNote (name varchar(140) PRIMARY KEY, title varchar(140) DEFAULT NULL, idx int NOT NULL DEFAULT 0,"
    " content longtext, KEY title (title))"
)


def test_a_snapshot_survives_json_and_equals_the_next_one(site: Site) -> None:
    site.fill(*NASTY)
    one = snapshot(site.root.schema(site.database.name))
    assert json.loads(json.dumps(one)) == one
    assert difference(one, snapshot(site.database)) == {}
    kinds = one["tables"]["kinds"]
    assert kinds["columns"]["g"]["generated"]
    assert kinds["columns"]["l"]["collation"].startswith("latin1")
    assert {"check": "`id` > -5"} in kinds["constraints"].values()
    assert one["tables"]["child"]["constraints"]["foreign key of_parent"] == {
        "refers_to": "parent",
        "columns": [["parent", "id"]],
        "on_update": "RESTRICT",
        "on_delete": "CASCADE",
    }
    assert set(one["sequences"]) == {"seq", "cached"}
    assert set(one["routines"]) == {"function twice", "procedure nothing"}


@pytest.mark.parametrize(
    ("statement", "additive"),
    [
        ("DO 1", True),
        ("ALTER TABLE tabNote ADD COLUMN color varchar(140)", True),
        ("ALTER TABLE tabNote ADD COLUMN color varchar(140) NOT NULL DEFAULT ''", True),
        ("ALTER TABLE tabNote ADD COLUMN doubled int AS (idx * 2)", True),
        ("ALTER TABLE tabNote ADD INDEX idx (idx)", True),
        ("ALTER TABLE tabNote ADD FULLTEXT INDEX words (content)", True),
        ("CREATE TABLE tabNew (name varchar(140) PRIMARY KEY)", True),
        ("CREATE SEQUENCE tabNew_id_seq", True),
        ("CREATE VIEW notes AS SELECT * FROM tabNote", True),
        ("INSERT INTO tabNote (name) VALUES ('new')", True),
        ("ALTER TABLE tabNote COMMENT 'nobody cares', ROW_FORMAT=COMPRESSED", True),
        ("ALTER TABLE tabNote ADD COLUMN color varchar(140) NOT NULL", False),
        ("ALTER TABLE tabNote ADD COLUMN id int UNIQUE", False),
        ("ALTER TABLE tabNote MODIFY title varchar(200)", False),
        ("ALTER TABLE tabNote MODIFY title varchar(140) NOT NULL DEFAULT ''", False),
        ("ALTER TABLE tabNote ALTER idx SET DEFAULT 1", False),
        ("ALTER TABLE tabNote RENAME COLUMN title TO subject", False),
        ("ALTER TABLE tabNote DROP INDEX title", False),
        ("ALTER TABLE tabNote ADD CHECK (idx >= 0)", False),
        ("CREATE TABLE tabNew (name varchar(140), FOREIGN KEY (name) REFERENCES tabNote (name))", False),
        ("CREATE TRIGGER t BEFORE INSERT ON tabNote FOR EACH ROW SET NEW.idx = 5", False),
        ("ALTER TABLE tabNote CONVERT TO CHARACTER SET latin1", False),
        ("ALTER TABLE tabNote ENGINE=Aria", False),
        ("DROP TABLE tabNote", False),
    ],
)
def test_additions_are_told_from_everything_else(site: Site, statement: str, additive: bool) -> None:
    site.fill(NOTE)
    before = snapshot(site.database)
    site.fill(statement)
    assert is_additive(difference(before, snapshot(site.database))) == additive


def test_statements_that_frappe_does_not_log_are_found_by_the_servers_times(site: Site) -> None:
    names = ["tabNote", "tabTruncated", "tabReplaced", "tabAltered", "tabEmptied"]
    for name in names:
        site.fill(NOTE.replace("tabNote", name), f"INSERT INTO {name} (name) VALUES ('old')")
    site.fill("CREATE TABLE __Auth (i int)", "CREATE SEQUENCE tabNote_id_seq", "CREATE TABLE tabEmpty (i int)")
    # The server's times are whole seconds: the second in which the tables were made must be over.
    made = look(site.database).now
    wait_until(lambda: look(site.database).now >= made + 1.1, 10, "a second passes")
    before = look(site.database)
    site.fill(
        "TRUNCATE tabEmptied",
        "TRUNCATE tabTruncated",
        "INSERT INTO tabTruncated (name) VALUES ('filled again')",
        "REPLACE INTO tabReplaced (name, idx) VALUES ('old', 2)",
        "ALTER TABLE tabAltered ADD COLUMN x int",
        "CREATE TABLE tabCreated (i int)",
        "SELECT * FROM tabNote",
    )
    found = touched(set(), before.now, look(site.database), before.empty)
    changed = {"tabTruncated", "tabEmptied", "tabReplaced", "tabAltered", "tabCreated"}
    assert found == {*changed, "__Auth", "tabNote_id_seq"}


def all_tables(site: Site) -> list[str]:
    return [name for name, table in listing(site.database.query, site.database.name).items() if table.has_rows]


def test_a_fingerprint_stays_until_something_is_written(site: Site) -> None:
    site.fill(*NASTY)
    tables = all_tables(site)
    recorded = fingerprints(site.database, tables)
    assert None not in recorded.values()
    assert unchanged(recorded, fingerprints(site.database, tables)) == (sorted(tables), [], [])
    assert rows(t.cast(str, recorded["tabSales Order"])) == 500


CHANGES = {
    "NULL is not empty": ("UPDATE t SET v = NULL WHERE id = 1"),
    "an empty text is not NULL": ("UPDATE t SET v = '' WHERE id = 2"),
    "case counts": ("UPDATE t SET v = 'X' WHERE id = 3"),
    "trailing spaces count": ("UPDATE t SET v = 'x ' WHERE id = 3"),
    "values don't run into each other": ("UPDATE t SET v = 'ab', w = 'c' WHERE id = 4"),
    "a separator in a value is no separator": ("UPDATE t SET v = 'a,1:b', w = '' WHERE id = 4"),
    "the last bit of a float counts": ("UPDATE t SET f = 16777217.0 + 2 WHERE id = 5"),
    "the last bit of a double counts": ("UPDATE t SET d = 0.30000000000000004 WHERE id = 5"),
    "microseconds count": ("UPDATE t SET dt = '2024-01-01 00:00:00.000001' WHERE id = 5"),
    "bytes count": ("UPDATE t SET b = 0x00FE WHERE id = 5"),
    "the end of a long text counts": ("UPDATE t SET l = CONCAT(REPEAT('x', 999999), 'y') WHERE id = 5"),
    "a row more": ("INSERT INTO t (id) VALUES (99)"),
    "a copy of a row": ("INSERT INTO t SELECT * FROM t WHERE id = 3"),
    "a row less": ("DELETE FROM t WHERE id = 2"),
    "a pair of equal rows less": ("DELETE FROM t WHERE id = 6"),
    "values that changed places": ("UPDATE t SET v = CASE id WHEN 3 THEN 'y' ELSE 'x' END WHERE id IN (3, 7)"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_shows(site: Site, change: str) -> None:
    site.fill(
        "CREATE TABLE t (id int, v varchar(20), w varchar(20), f float, d double, dt datetime(6), b varbinary(9),"
        " l longtext)",
        "INSERT INTO t (id, v, w) VALUES (1, '', NULL), (2, NULL, ''), (3, 'x', 'x'), (4, 'a', 'bc'), (6, 'p', 'p'),"
        " (6, 'p', 'p'), (7, 'y', 'x')",
        "INSERT INTO t VALUES (5, 'x', 'x', 16777217, 0.3, '2024-01-01', 0x00FF, REPEAT('x', 1000000))",
    )
    before = fingerprints(site.database, ["t"])
    site.fill(change)
    assert unchanged(before, fingerprints(site.database, ["t"])) == ([], ["t"], [])


def test_the_order_of_rows_does_not_matter(site: Site) -> None:
    site.fill(
        "CREATE TABLE one AS SELECT seq FROM seq_1_to_1000",
        "CREATE TABLE other AS SELECT seq FROM seq_1000_to_1",
    )
    found = fingerprints(site.database, ["one", "other"])
    assert found["one"] == found["other"]


def test_what_costs_too_much_or_is_not_there_is_unknown(site: Site) -> None:
    site.fill(
        "CREATE TABLE small (i int)",
        "CREATE TABLE large AS SELECT seq, REPEAT('x', 200) AS t FROM seq_1_to_20000",
        "CREATE VIEW v AS SELECT * FROM small",
        "ANALYZE TABLE large",
    )
    names = ["small", "large", "v", "missing"]
    assert fingerprints(site.database, names, budget_bytes=1 << 20) == {
        "small": "0:0",
        "large": None,
        "v": None,
        "missing": None,
    }
    assert fingerprints(site.database, ["large"], seconds=0.001) == {"large": None}
    assert fingerprints(site.database, ["small"], {"small": ["i", "gone"]}) == {"small": None}


def test_a_row_too_long_to_be_hashed_makes_its_table_unknown(site: Site) -> None:
    site.fill(
        "CREATE TABLE one (c varchar(4000))",
        "CREATE TABLE two (a varchar(800), b varchar(800))",
        "CREATE TABLE fits (c longtext)",
        "INSERT INTO one VALUES (REPEAT('x', 4000))",
        "INSERT INTO two VALUES (REPEAT('x', 800), REPEAT('y', 800))",
        "INSERT INTO fits VALUES (REPEAT('x', 4000))",
    )
    limit = int(site.database.value("SELECT @@max_allowed_packet") or 0)
    try:
        site.root.execute("SET GLOBAL max_allowed_packet = 1024")
        found = fingerprints(site.database, ["one", "two", "fits"])
        assert [found["one"], found["two"]] == [None, None]
        assert found["fits"] is not None
    finally:
        site.root.execute(f"SET GLOBAL max_allowed_packet = {limit}")


def test_old_rows_that_a_migration_left_alone_are_known_to_be_the_same(site: Site, folder: str) -> None:
    site.fill(NOTE, NOTE.replace("tabNote", "tabItem"), NOTE.replace("tabNote", "tabUser"))
    for name in ("tabNote", "tabItem", "tabUser"):
        site.fill(f"INSERT INTO {name} SELECT CONCAT('n', seq), MD5(seq), seq, REPEAT('text ', seq) FROM seq_1_to_300")
    manifest = backup(site.database, folder)
    before = snapshot(site.database)
    site.fill(
        "ALTER TABLE tabNote ADD COLUMN color varchar(140) DEFAULT 'red' FIRST",
        "UPDATE tabNote SET color = 'blue' WHERE idx < 100",
        "ALTER TABLE tabItem ADD COLUMN color varchar(140)",
        "UPDATE tabItem SET title = 'changed' WHERE idx = 7",
        "CREATE TABLE tabNew (i int)",
    )
    tables = ["tabNote", "tabItem", "tabNew"]
    columns = {name: list(before["tables"][name]["columns"]) for name in tables if name in before["tables"]}
    live = fingerprints(site.database, tables, columns)
    saved = of_backup(site.root, site.database, folder, manifest, tables, columns)
    assert unchanged(saved, live) == (["tabNote"], ["tabItem"], ["tabNew"])
    assert site.scratch_schemas() == []
