# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the client programs print is understood."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database, parse_rows, script
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import explain

SHOP = Database("shop", "shop", "s3cret#", host="db.example.com", port=3307)

PRINTED = b"""<?xml version="1.0"?>

<resultset statement="SELECT a, b &lt; 1 AS b FROM t
" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <row>
\t<field name="a">1</field>
\t<field name="b &lt; &quot;1&quot;" xsi:nil="true" />
  </row>

  <row>
\t<field name="a">NULL</field>
\t<field name="b &lt; &quot;1&quot;">&amp;lt; &lt;row&gt;
second line\ttab</field>
  </row>
</resultset>
"""


def test_null_is_not_the_word_null_and_entities_are_resolved_once() -> None:
    assert parse_rows(PRINTED) == [["1", None], ["NULL", "&lt; <row>\nsecond line\ttab"]]


def test_nothing_printed_is_no_rows() -> None:
    assert parse_rows(b"") == []


def test_bytes_that_are_no_text_come_back_as_they_were() -> None:
    (row,) = parse_rows(b'<row>\n\t<field name="a">\xff\xfe</field>\n')
    assert row[0] is not None
    assert row[0].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_a_password_shows_in_nothing_but_the_option_file() -> None:
    assert "s3cret" not in repr(SHOP)
    assert 'password="s3cret#"' in SHOP.options()
    assert not any("s3cret" in argument for argument in SHOP.client_arguments())


@pytest.mark.parametrize(
    ("host", "port", "socket", "protocol"),
    [
        (None, None, None, None),
        ("localhost", None, None, None),
        ("localhost", 3306, None, "tcp"),
        ("127.0.0.1", None, None, "tcp"),
        ("127.0.0.1", 3306, "/run/db.sock", None),
    ],
)
def test_tcp_is_used_where_the_site_itself_uses_it(
    host: str | None, port: int | None, socket: str | None, protocol: str | None
) -> None:
    options = Database("shop", "shop", "", host=host, port=port, socket=socket).options()
    assert ('protocol="tcp"' in options) == (protocol == "tcp")
    assert ("host=" in options) == (protocol == "tcp")


def test_statements_end_with_something_no_routine_holds() -> None:
    assert script(["BEGIN NOT ATOMIC SELECT 1; END"]).startswith(b"DELIMITER //lockstep//\n")


@pytest.mark.parametrize(
    ("printed", "number", "said"),
    [
        (
            "ERROR 2002 (HY000): Can't connect to local server through socket '/x' (2)",
            2002,
            "the database server at db.example.com:3307 does not answer",
        ),
        (
            "ERROR 1045 (28000): Access denied for user 'shop'@'h' (using password: YES)",
            1045,
            "does not let user shop in: wrong password or unknown user",
        ),
        ("ERROR 1049 (42000): Unknown database 'shop'", 1049, "there is no database shop at db.example.com:3307"),
        (
            'mariadb-dump: Got error: 1045: "Access denied for user" when trying to connect',
            1045,
            "wrong password or unknown user",
        ),
        (
            "mysqldump: Couldn't execute 'show create table `x`': Table 'a.x' doesn't exist (1146)",
            1146,
            "doesn't exist",
        ),
        ("mysqldump: Error 2013: Lost connection to server during query when dumping table", 2013, "was lost"),
        ("ERROR 1064 (42000) at line 3: You have an error in your SQL syntax", 1064, "You have an error"),
        (
            "ERROR 3 (HY000) at line 17: Error writing file './a/b.frm' (Errcode: 28 \"No space left on device\")",
            None,
            "the disk of the database server at db.example.com:3307 is full",
        ),
        (
            "ERROR 1025 (HY000): Error on rename of './a/b' to './c/b' (errno: 135 \"No more room in record file\")",
            1025,
            "is full",
        ),
        ("Killed", None, "database shop at db.example.com:3307: Killed"),
        ("", None, "its client ended without a word"),
    ],
)
def test_what_the_programs_complain_of_becomes_one_line(printed: str, number: int | None, said: str) -> None:
    error = explain(printed, where=SHOP.where, user=SHOP.user, name=SHOP.name)
    assert error.number == number
    assert said in error.message
    assert "\n" not in error.message
