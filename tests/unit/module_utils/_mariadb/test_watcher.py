# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that might be the migration's own is never taken for a stranger's."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import sys

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import watcher
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.process_tree import ProcessTree, Sockets
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import METADATA_WAIT, Thread
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.watcher import (
    Strangers,
    changed_tables,
    mentions,
)


def thread(number: int, host: str = "localhost", **more: str) -> Thread:
    return Thread(number, "shop", host, "shop", more.get("command", "Sleep"), 5.0, more.get("state", ""), "")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Tree:
    """Sockets as a test wants them."""

    def __init__(self) -> None:
        self.tcp: dict[int, int] = {}
        self.server: set[int] = set()
        self.unknown: set[int] = set()
        self.hidden = False

    def sockets(self) -> Sockets | None:
        return None if self.hidden else Sockets(dict(self.tcp), frozenset(self.server), frozenset(self.unknown))


class Scene:
    """A watch of which time and sockets are in a test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: set[int]) -> None:
        self.clock = Clock()
        monkeypatch.setattr(watcher, "time", self.clock)
        self.strangers = Strangers(before, patience=10.0)
        self.tree = Tree()
        self.found: list[Thread] = []

    def migrate(self) -> None:
        self.strangers.tree = self.tree  # type: ignore[assignment]

    def look(self, *found: Thread) -> None:
        self.found = list(found)
        began = self.clock.now
        self.clock.now += 0.05
        self.sockets = self.strangers.learn(found, began)
        self.clock.now += 0.2

    def wait(self, seconds: float) -> None:
        for _ignored in range(int(seconds * 4)):
            self.look(*self.found)

    def strange(self, number: int, waiting: int) -> bool:
        by_id = {one.id: one for one in self.found}
        return self.strangers.is_one(by_id[number], by_id[waiting], self.sockets)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch, before={1})


OLD, OWN, NEW = thread(1), thread(2, state=METADATA_WAIT), thread(3)


def test_who_was_there_before_is_a_stranger(scene: Scene) -> None:
    scene.look(OLD, OWN)
    assert scene.strange(1, waiting=2)


def test_nobody_new_is_a_stranger_while_the_migration_is_not_known(scene: Scene) -> None:
    scene.look(OLD)
    scene.wait(60)
    scene.look(OLD, OWN, NEW)
    assert not scene.strange(2, waiting=2)
    assert not scene.strange(3, waiting=2)


def test_nobody_new_is_a_stranger_where_the_migration_can_not_be_looked_into(scene: Scene) -> None:
    scene.tree.hidden = True
    scene.migrate()
    scene.wait(60)
    scene.look(OLD, OWN, NEW)
    assert not scene.strange(3, waiting=2)


def test_nobody_new_is_a_stranger_when_the_processes_looked_at_have_no_connection(scene: Scene) -> None:
    """Then they are not the migration, whoever said they were."""
    scene.migrate()
    scene.look(OWN)
    scene.wait(60)
    scene.look(OWN, NEW)
    assert not scene.strange(2, waiting=2)
    assert not scene.strange(3, waiting=2)


def test_who_came_together_with_a_socket_of_the_migration_may_be_it(scene: Scene) -> None:
    scene.migrate()
    scene.look()
    scene.wait(60)
    scene.tree.server.add(77)
    scene.look(OWN, NEW)
    scene.wait(60)
    assert not scene.strange(2, waiting=2)
    assert not scene.strange(3, waiting=2)


def test_who_came_when_the_migration_had_opened_nothing_for_long_is_a_stranger(scene: Scene) -> None:
    scene.migrate()
    scene.tree.server.add(77)
    scene.look(OWN)
    scene.wait(12)
    scene.look(OWN, NEW)
    assert scene.strange(3, waiting=2)
    assert not scene.strange(2, waiting=2)


def test_who_came_with_a_socket_that_is_not_accepted_yet_may_be_the_migration(scene: Scene) -> None:
    scene.migrate()
    scene.tree.server.add(77)
    scene.look(OWN)
    scene.wait(60)
    scene.tree.unknown.add(78)
    scene.look(OWN)
    scene.wait(5)
    scene.look(OWN, NEW)
    assert not scene.strange(3, waiting=2)


def test_a_connection_may_appear_in_the_list_long_after_its_socket(scene: Scene) -> None:
    scene.migrate()
    scene.look()
    scene.wait(60)
    scene.tree.server.add(77)
    scene.look()
    scene.wait(9)
    scene.look(OWN)
    scene.wait(60)
    assert not scene.strange(2, waiting=2)


def test_a_socket_of_redis_says_nothing_about_a_unix_socket(scene: Scene) -> None:
    scene.migrate()
    scene.tree.server.add(77)
    scene.look(OWN)
    scene.wait(12)
    scene.tree.tcp[78] = 50_000
    scene.look(OWN, NEW)
    assert scene.strange(3, waiting=2)


TCP_OWN, TCP_NEW = thread(2, "127.0.0.1:40001", state=METADATA_WAIT), thread(3, "127.0.0.1:40002")


def test_by_tcp_the_port_tells_at_once(scene: Scene) -> None:
    scene.migrate()
    scene.tree.tcp[77] = 40_001
    scene.look(TCP_OWN, TCP_NEW)
    assert scene.strange(3, waiting=2)
    assert not scene.strange(2, waiting=2)


def test_a_second_connection_of_the_migration_is_no_stranger(scene: Scene) -> None:
    scene.migrate()
    scene.tree.tcp.update({77: 40_001, 78: 40_002})
    scene.look(TCP_OWN, TCP_NEW)
    assert not scene.strange(3, waiting=2)


def test_ports_mean_nothing_behind_a_translation_of_addresses(scene: Scene) -> None:
    scene.migrate()
    scene.tree.tcp[77] = 60_001
    scene.look(TCP_OWN, TCP_NEW)
    assert not scene.strange(2, waiting=2)
    assert not scene.strange(3, waiting=2)


CHILD = (
    "import socket, subprocess, sys\n"
    "if sys.argv[3:]: subprocess.run([sys.executable, '-c', sys.argv[3], *sys.argv[1:3]])\n"
    "else:\n"
    "  tcp, unix = socket.create_connection(('127.0.0.1', int(sys.argv[1]))), socket.socket(socket.AF_UNIX)\n"
    "  unix.connect(sys.argv[2]); pair = socket.socketpair(); idle = socket.socket()\n"
    "  print(tcp.getsockname()[1], flush=True); sys.stdin.read()\n"
)


def test_the_sockets_of_a_process_and_its_children_are_seen_and_where_they_lead(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "s")
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(path)
        unix.listen()
        child = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", CHILD, str(tcp.getsockname()[1]), path, CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        assert child.stdout is not None
        port = int(child.stdout.readline())
        trees = [ProcessTree(child.pid, path), ProcessTree(os.getpid(), path), ProcessTree(child.pid, "/elsewhere")]
        before = trees[0].sockets()
        stack.enter_context(unix.accept()[0])
        sockets, mine, elsewhere = (tree.sockets() for tree in trees)
        child.communicate()
    assert before is not None
    assert (before.ports, len(before.server)) == ({port}, 0)  # not accepted yet, so it may lead anywhere
    assert len(before.unknown) == 2
    assert sockets is not None
    assert (sockets.ports, len(sockets.server), len(sockets.unknown)) == ({port}, 1, 1)
    assert sockets.server < before.unknown
    assert mine is not None
    assert (mine.ports >= {port}, mine.server) == (True, sockets.server)
    assert elsewhere is not None
    assert not elsewhere.server


def test_the_tables_a_statement_changes_are_found() -> None:
    assert changed_tables("ALTER TABLE `tabSales Order` ADD COLUMN `a``b` int") == {"tabSales Order", "a`b"}
    assert changed_tables("drop table if exists tabNote") == {"tabNote"}


def test_a_table_is_mentioned_only_by_its_whole_name() -> None:
    assert mentions("select * from tabNote n", "tabNote")
    assert mentions("select * from `tabSales Order`", "tabSales Order")
    assert not mentions("select * from `tabNote Seen`", "tabNote Seen By")
    assert not mentions("select * from tabNoteSeen", "tabNote")
