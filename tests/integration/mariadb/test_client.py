# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database is reached with any password, and says clearly when it is not."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import pwd
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import (
    CONNECTION_LOST,
    LOCK_TIMEOUT,
    DatabaseError,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from tests.integration.mariadb.scene import PASSWORD, Site, python
from tests.support.daemons import free_port, wait_until
from tests.support.services import MariaDB

pytestmark = pytest.mark.integration

PASSWORDS = [
    "",
    "#",
    '"',
    "'",
    "\\",
    "\\n",
    " edges ",
    "a#b;c",
    "'quoted'",
    '"quoted"',
    "%s $HOME",
    "\u00fc\u20ac",
    "tab\t",
    "!include /",
]


@pytest.mark.parametrize("password", PASSWORDS)
def test_every_password_lets_in(site: Site, password: str) -> None:
    site.root.execute(f"SET PASSWORD FOR {text(site.database.user)}@localhost = PASSWORD({text(password)})")
    database = dataclasses.replace(site.database, password=password)
    assert database.value("SELECT 1") == "1"


def test_tcp_and_socket_lead_to_the_same_database(site: Site) -> None:
    site.database.execute("CREATE TABLE here (i int)")
    assert site.tcp.query("SHOW TABLES") == [["here"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as somebody else")
def test_the_client_can_run_as_another_user(site: Site) -> None:
    database = dataclasses.replace(site.tcp, run_as="nobody")
    with Session(database) as session:
        assert session.query("SELECT 1") == [["1"]]
        (client,) = clients()
        assert client.stat().st_uid == pwd.getpwnam("nobody").pw_uid


def clients() -> list[pathlib.Path]:
    """The client programs that we started and that still run, in /proc."""
    found = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        for number in (task / "children").read_text().split():
            process = pathlib.Path("/proc") / number
            if "--defaults-file=/proc/self/fd/" in (process / "cmdline").read_text():
                found.append(process)
    return found


def test_the_password_is_in_no_argument_no_variable_and_no_file(
    site: Site, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Session(site.database):
        (client,) = clients()
        assert PASSWORD not in (client / "cmdline").read_text()
        assert PASSWORD not in (client / "environ").read_text()
        assert list(tmp_path.iterdir()) == []


def test_null_and_special_characters_come_back_as_they_are(database: Database) -> None:
    assert database.query("SELECT NULL, 'NULL', '', 'a\\tb\\nc\\\\d', '<&>\"', '&lt;', 'é😀'") == [
        [None, "NULL", "", "a\tb\nc\\d", '<&>"', "&lt;", "é😀"]
    ]
    assert database.query("SELECT 1 FROM DUAL WHERE 0") == []
    assert database.value("SELECT NULL") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=5)
)
def test_any_text_goes_there_and_back(server: MariaDB, values: list[str]) -> None:
    root = Database("", "root", server.root_password, socket=server.socket)
    assert root.query("SELECT " + ", ".join(text(value) for value in values)) == [values]


def test_a_wrong_password_is_called_that(site: Site) -> None:
    with pytest.raises(DatabaseError, match=r"does not let user .* in: wrong password") as error:
        dataclasses.replace(site.database, password="wrong").query("SELECT 1")
    assert "wrong password or unknown user." in str(error.value)
    with pytest.raises(DatabaseError, match="wrong password"):
        Session(dataclasses.replace(site.database, password="wrong"))


def test_a_server_that_is_down_is_called_that(site: Site, tmp_path: pathlib.Path) -> None:
    for down in (
        dataclasses.replace(site.database, socket=str(tmp_path / "no.sock")),
        dataclasses.replace(site.tcp, port=free_port()),
    ):
        with pytest.raises(DatabaseError, match="does not answer"):
            down.query("SELECT 1")
        with pytest.raises(DatabaseError, match="does not answer"):
            Session(down)


def test_a_missing_database_is_called_that(site: Site) -> None:
    with pytest.raises(DatabaseError, match="there is no database nowhere at"):
        site.root.schema("nowhere").query("SELECT 1")
    with pytest.raises(DatabaseError, match="may not use database nowhere"):
        site.database.schema("nowhere").query("SELECT 1")


def test_a_query_that_takes_too_long_is_given_up(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"no answer in 0\.3 s"):
        database.query("SELECT SLEEP(20)", timeout=0.3)


def test_a_statement_with_semicolons_is_one_statement(database: Database) -> None:
    database.execute("CREATE PROCEDURE p() BEGIN SELECT 'a;b'; /* ; */ END")
    assert database.query("CALL p()") == [["a;b"]]


def test_statements_stop_at_the_first_that_fails(database: Database) -> None:
    with pytest.raises(DatabaseError, match="doesn't exist"):
        database.execute("CREATE TABLE a (i int)", "INSERT INTO missing VALUES (1)", "CREATE TABLE b (i int)")
    assert database.query("SHOW TABLES") == [["a"]]


def test_a_session_keeps_what_it_set_and_goes_on_after_an_error(database: Database) -> None:
    with Session(database) as session:
        session.execute("SET @x = 'kept'")
        with pytest.raises(DatabaseError, match="doesn't exist"):
            session.query("SELECT * FROM missing")
        assert session.query("SELECT @x, CONNECTION_ID()") == [["kept", str(session.connection_id)]]


def test_a_large_result_comes_whole(database: Database) -> None:
    with Session(database) as session:
        rows = session.query("SELECT seq, REPEAT('x', 100) FROM seq_1_to_20000")
        assert (len(rows), rows[-1]) == (20000, ["20000", "x" * 100])
        assert session.query("SELECT 1") == [["1"]]


def test_a_session_that_was_ended_says_so(site: Site) -> None:
    with Session(site.database) as session:
        site.root.execute(f"KILL {session.connection_id}")
        with pytest.raises(DatabaseError, match="was lost") as error:
            session.query("SELECT 1", timeout=10)
        assert error.value.number in CONNECTION_LOST


def test_a_lock_is_gone_when_its_session_is_closed(database: Database) -> None:
    database.execute("CREATE TABLE a (i int)")
    with Session(database) as session:
        session.execute("LOCK TABLES a READ")
        with pytest.raises(DatabaseError) as error:
            database.execute("SET lock_wait_timeout = 1", "INSERT INTO a VALUES (1)")
        assert error.value.number == LOCK_TIMEOUT
    database.execute("SET lock_wait_timeout = 5", "INSERT INTO a VALUES (1)")


def test_a_lock_dies_with_our_process(site: Site) -> None:
    site.database.execute("CREATE TABLE a (i int)")
    code = (
        "from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database\n"
        "from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session\n"
        "session = Session(Database(*sys.argv[1:4], socket=sys.argv[4]))\n"
        "session.execute('LOCK TABLES a READ')\n"
        "print('locked', flush=True); sys.stdin.read()\n"
    )
    arguments = [site.database.name, site.database.user, PASSWORD, site.server.socket]
    with python(code, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert len(site.threads()) == 1
        holder.kill()
        wait_until(lambda: not site.threads(), 10, "the connection of a killed process ends")
    site.database.execute("SET lock_wait_timeout = 5", "INSERT INTO a VALUES (1)")
