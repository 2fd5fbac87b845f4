# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever blocks a migration is ended, the migration never; a freeze waits for those who were there."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.watcher import (
    Watcher,
    connection_ids,
    let_readers_end,
    wait_for_old_connections,
)
from tests.integration.mariadb.scene import PASSWORD, Site, idle_transaction, python
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration

MIGRATION = (
    "from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database\n"
    "from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session\n"
    "name, socket, port = sys.argv[1:]\n"
    "database = Database(name, name, sys.stdin.readline()[:-1], host='127.0.0.1' if port else None,\n"
    "                    port=int(port) if port else None, socket=socket or None)\n"
    "for line in sys.stdin:\n"
    "    if line == 'open\\n': session = Session(database)\n"
    "    elif line == 'hold\\n':\n"
    "        other = Session(database); other.execute('BEGIN'); other.execute('SELECT * FROM a')\n"
    "    else:\n"
    "        session.execute('SET lock_wait_timeout = 8')\n"
    "        try: session.execute(line)\n"
    "        except Exception as error: print(error, flush=True); continue\n"
    "    print('done', flush=True)\n"
)


class Migration:
    """A process with a connection of its own, as bench migrate is one."""

    def __init__(self, site: Site, tcp: bool) -> None:
        self.database = site.tcp if tcp else site.database
        arguments = [site.database.name, "" if tcp else site.server.socket, str(site.server.port) if tcp else ""]
        self.process = python(
            MIGRATION, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._send(PASSWORD)

    def _send(self, line: str) -> None:
        stdin = t.cast("t.IO[str]", self.process.stdin)
        stdin.write(f"{line}\n")
        stdin.flush()

    def run(self, command: str) -> str:
        self._send(command)
        return t.cast("t.IO[str]", self.process.stdout).readline().strip()

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def shop(site: Site) -> Site:
    site.fill("CREATE TABLE a (i int)", "CREATE TABLE b (i int)")
    return site


@pytest.fixture(params=["tcp", "socket"])
def migration(shop: Site, request: pytest.FixtureRequest) -> t.Iterator[Migration]:
    found = Migration(shop, tcp=request.param == "tcp")
    yield found
    found.close()


ALTER = "ALTER TABLE a ADD COLUMN more int"


def test_an_idle_transaction_from_before_is_ended(migration: Migration) -> None:
    with idle_transaction(migration.database, "SELECT * FROM a") as number, Watcher(migration.database) as watch:
        watch.of_process(migration.process.pid)
        assert migration.run("open") == "done"
        assert migration.run(ALTER) == "done"
    assert [one.id for one in watch.ended] == [number]
    assert watch.problem is None


def test_the_migrations_own_second_connection_is_never_ended(migration: Migration) -> None:
    with Watcher(migration.database) as watch:
        watch.of_process(migration.process.pid)
        assert migration.run("hold") == "done"
        assert migration.run("open") == "done"
        assert "is locked by somebody else" in migration.run(ALTER)
    assert watch.ended == []


def test_nobody_is_ended_who_holds_nothing_or_whom_nobody_waits_for(migration: Migration) -> None:
    with idle_transaction(migration.database, "SELECT * FROM b"), Watcher(migration.database) as watch:
        watch.of_process(migration.process.pid)
        assert migration.run("open") == "done"
        assert migration.run(ALTER) == "done"
    assert watch.ended == []


def test_by_tcp_a_reader_that_came_later_is_ended_too(shop: Site) -> None:
    migration = Migration(shop, tcp=True)
    with Watcher(shop.tcp) as watch:
        watch.of_process(migration.process.pid)
        assert migration.run("open") == "done"
        with idle_transaction(shop.tcp, "SELECT * FROM a") as number:
            assert migration.run(ALTER) == "done"
    assert [one.id for one in watch.ended] == [number]
    migration.close()


def test_by_socket_a_reader_that_came_with_the_migration_is_left_alone(shop: Site) -> None:
    """It can't be told from the migration's own connection there, and a wait is better than a broken migration."""
    migration = Migration(shop, tcp=False)
    with Watcher(shop.database) as watch:
        watch.of_process(migration.process.pid)
        assert migration.run("open") == "done"
        with idle_transaction(shop.database, "SELECT * FROM a"):
            assert "is locked by somebody else" in migration.run(ALTER)
    assert watch.ended == []
    migration.close()


def test_by_socket_a_reader_that_came_long_after_is_ended(shop: Site) -> None:
    shop.root.execute("SET GLOBAL connect_timeout = 2")
    migration = Migration(shop, tcp=False)
    try:
        with Watcher(shop.database) as watch:
            watch.of_process(migration.process.pid)
            assert migration.run("open") == "done"
            waited = threading.Event()
            assert not waited.wait(4)
            with idle_transaction(shop.database, "SELECT * FROM a") as number:
                assert migration.run(ALTER) == "done"
        assert [one.id for one in watch.ended] == [number]
    finally:
        shop.root.execute("SET GLOBAL connect_timeout = 10")
        migration.close()


def test_a_reader_behind_the_migration_is_a_victim_and_not_ended(migration: Migration) -> None:
    with contextlib.ExitStack() as stack:
        number = stack.enter_context(idle_transaction(migration.database, "SELECT * FROM a"))
        reader = stack.enter_context(Session(migration.database))
        watch = stack.enter_context(Watcher(migration.database))
        watch.of_process(migration.process.pid)
        assert migration.run("open") == "done"
        reading = threading.Thread(target=reader.query, args=["SELECT /* behind */ * FROM a"])
        migrating = threading.Thread(target=migration.run, args=[ALTER])
        migrating.start()
        reading.start()
        migrating.join()
        reading.join()
        assert reader.query("SELECT 1") == [["1"]]
    assert [one.id for one in watch.ended] == [number]


def test_with_the_servers_lock_list_only_those_who_hold_the_table_are_ended(shop: Site) -> None:
    shop.root.execute("INSTALL SONAME 'metadata_lock_info'")
    migration = Migration(shop, tcp=False)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(idle_transaction(shop.database, "SELECT * FROM b"))
            number = stack.enter_context(idle_transaction(shop.database, "SELECT * FROM a"))
            watch = stack.enter_context(Watcher(shop.database))
            watch.of_process(migration.process.pid)
            assert migration.run("open") == "done"
            assert migration.run(ALTER) == "done"
        assert [one.id for one in watch.ended] == [number]
    finally:
        shop.root.execute("UNINSTALL SONAME 'metadata_lock_info'")
        migration.close()


def test_the_watcher_survives_the_loss_of_its_own_connection(shop: Site) -> None:
    migration = Migration(shop, tcp=False)
    with idle_transaction(shop.database, "SELECT * FROM a") as number, Watcher(shop.database) as watch:
        (own,) = connection_ids(shop.database) - {number}
        shop.root.execute(f"KILL {own}")
        wait_until(lambda: watch.problem, 10, "the watcher notices")
        watch.of_process(migration.process.pid)
        assert migration.run("open") == "done"
        assert migration.run(ALTER) == "done"
    assert [one.id for one in watch.ended] == [number]
    migration.close()


def test_a_freeze_waits_for_requests_and_ends_connections_that_sleep(shop: Site) -> None:
    database = shop.database
    with idle_transaction(database, "SELECT * FROM a") as idle, Session(database) as busy:
        working = threading.Thread(target=busy.query, args=["SELECT SLEEP(1.5)"])
        working.start()
        shop.wait_for(lambda one: "SLEEP" in one.info, "a request is under way")
        existing = connection_ids(database)
        with Session(database) as newer:
            ended = wait_for_old_connections(database, existing, 20, idle=0.5)
            assert newer.query("SELECT 1") == [["1"]]
        working.join()
    assert existing == {idle, busy.connection_id}
    assert {one.id for one in ended} == existing


def test_a_freeze_names_those_who_do_not_end(shop: Site) -> None:
    with Session(shop.database) as busy:

        def work() -> None:
            with pytest.raises(LockstepError, match="was lost"):
                busy.query("SELECT SLEEP(60)")

        working = threading.Thread(target=work)
        working.start()
        shop.wait_for(lambda one: "SLEEP" in one.info, "a request is under way")
        with pytest.raises(
            LockstepError, match=rf"1 connections .* within 0.5 s: thread {busy.connection_id} \(.* in SELECT"
        ):
            wait_for_old_connections(shop.database, connection_ids(shop.database), 0.5, idle=60)
        shop.root.execute(f"KILL {busy.connection_id}")
        working.join()


def test_a_request_that_waits_for_somebody_else_is_not_ended(shop: Site) -> None:
    with Session(shop.database) as paying:
        paying.execute("BEGIN")
        existing = connection_ids(shop.database)
        with pytest.raises(LockstepError, match=r"1 connections .* did not end within 2 s"):
            wait_for_old_connections(shop.database, existing, 2, idle=120)
        assert paying.query("SELECT 1") == [["1"]]


def test_nothing_is_waited_for_when_nobody_is_there(shop: Site) -> None:
    assert wait_for_old_connections(shop.database, connection_ids(shop.database), 0, idle=60) == []


def test_connections_to_other_databases_of_the_same_user_are_none_of_ours(shop: Site) -> None:
    other = Database("information_schema", shop.database.user, PASSWORD, socket=shop.server.socket)
    with Session(other):
        assert connection_ids(shop.database) == set()


def test_readers_are_waited_for_by_who_may_see_their_transactions_and_by_nobody_else(site: Site) -> None:
    def seconds(admin: Database) -> float:
        began = time.monotonic()
        let_readers_end(admin, site.database, 3)
        return time.monotonic() - began

    site.fill("CREATE TABLE a (id int)")
    with idle_transaction(site.database, "SELECT * FROM a"):
        assert seconds(site.database) < 3
        assert seconds(site.root) >= 3, "to the end of the time that they have"
    assert seconds(site.root) < 3, "nobody reads"
