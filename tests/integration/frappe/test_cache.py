# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two releases' caches of one site, each a Redis of its own."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import threading
import typing as t

import pytest
import redis

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import cache
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache_relay import CacheRelay, Own
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.redis import Connection
from tests.support.daemons import wait_until
from tests.support.services import Redis

pytestmark = pytest.mark.integration

NAME = "_5e5f"
QUEUE = f"{NAME}|insert_queue_for_Access Log"
OWN = Own(f"{NAME}|".encode(), (f"{NAME}|insert_queue_for_".encode(), f"{NAME}|global_search_queue".encode()))


class Side(t.NamedTuple):
    server: Redis
    client: redis.Redis
    bench: Bench


@pytest.fixture
def sides(tmp_path: pathlib.Path) -> t.Iterator[tuple[Side, Side]]:
    """The caches of two releases."""
    found = []
    servers = [Redis(tmp_path, name) for name in ("one", "other")]
    try:
        for server in servers:
            server.start()
            folder = tmp_path / f"bench-{server.name}"
            (folder / "sites").mkdir(parents=True)
            (folder / "sites" / "common_site_config.json").write_text(json.dumps({"redis_cache": server.url}))
            bench = Bench(str(folder), "root", "bench")
            found.append(Side(server, redis.Redis.from_url(server.url), bench))
        yield found[0], found[1]
    finally:
        for side in found:
            side.client.close()
        for server in servers:
            server.stop()


def relay(sides: tuple[Side, Side]) -> CacheRelay:
    return CacheRelay(sides[0].server.url, sides[1].server.url, OWN)


def commands(side: Side) -> int:
    """How many commands a Redis was given, but for those that ask it that."""
    return int(side.client.info("stats")["total_commands_processed"])


@pytest.mark.parametrize("backwards", [False, True])
def test_what_one_release_forgets_the_other_one_forgets(sides: tuple[Side, Side], backwards: bool) -> None:
    source, target = (side.client for side in (reversed(sides) if backwards else sides))
    with relay(sides):
        target.mset({f"{NAME}|doc": "old", f"{NAME}|stays": "x", "_other|doc": "x", "assets_json": "x"})
        target.hset(f"{NAME}|bootinfo", mapping={"ada": "old", "bob": "x"})
        target.mset({f"{NAME}|document_cache::Item::1": "old", f"{NAME}|document_cache::Item::2": "old"})
        # It has none of it itself, so its Redis has nothing to notify of.
        source.unlink(f"{NAME}|doc", "_other|doc", "assets_json")
        source.hdel(f"{NAME}|bootinfo", "ada")
        source.keys(f"{NAME}|document_cache::Item::*")
    left = ("_other|doc", "assets_json", f"{NAME}|bootinfo", f"{NAME}|stays")
    assert sorted(target.keys("*")) == sorted(name.encode() for name in left)
    assert target.hkeys(f"{NAME}|bootinfo") == [b"bob"]


def test_it_is_carried_at_once_and_not_in_the_end(sides: tuple[Side, Side]) -> None:
    one, other = sides
    with relay(sides):
        other.client.set(f"{NAME}|doc", "old")
        one.client.unlink(f"{NAME}|doc")
        wait_until(lambda: not other.client.exists(f"{NAME}|doc"), 5, "it is told")


def test_what_a_reader_cached_before_the_writers_commit_does_not_stay(sides: tuple[Side, Side]) -> None:
    one, other = sides
    with relay(sides):
        for key in ("doc", "last"):
            other.client.set(f"{NAME}|{key}", "old")
            one.client.unlink(f"{NAME}|{key}")
            wait_until(lambda key=key: not other.client.exists(f"{NAME}|{key}"), 5, "it is told")
            other.client.set(f"{NAME}|{key}", "what the reader's transaction saw")
            if key == "doc":
                wait_until(lambda: not other.client.exists(f"{NAME}|doc"), 10, "it is told again")
    assert not other.client.exists(f"{NAME}|last"), "and a last time in the end"


def test_all_that_was_removed_before_the_end_is_carried(sides: tuple[Side, Side]) -> None:
    one, other = sides
    names = [f"{NAME}|{number}" for number in range(3000)]
    with relay(sides):
        other.client.mset(dict.fromkeys(names, "old"))
        with one.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.unlink(name)
            pipeline.execute()
    assert other.client.keys(f"{NAME}|*") == []


def test_a_relay_does_not_answer_itself(sides: tuple[Side, Side]) -> None:
    one, other = sides
    with relay(sides):
        before = commands(one)
        for _number in range(20):
            one.client.unlink(f"{NAME}|doc")
        other.client.set(f"{NAME}|last", "old")
        one.client.unlink(f"{NAME}|last")
        wait_until(lambda: not other.client.exists(f"{NAME}|last"), 5, "all before is carried, too")
        # Ours, and the two that ask for the count; nothing came back.
        assert commands(one) - before <= 23


def test_what_happened_before_and_while_a_redis_was_away_is_forgotten(sides: tuple[Side, Side]) -> None:
    one, other = sides
    other.client.set(f"{NAME}|doc", "of before")
    other.client.rpush(QUEUE, "kept")
    with relay(sides):
        assert other.client.keys(f"{NAME}|*") == [QUEUE.encode()], "what is no cache is left"
        other.client.set(f"{NAME}|doc", "old")
        one.server.stop()
        one.server.start()
        wait_until(lambda: not other.client.exists(f"{NAME}|doc"), 10, "nobody knows what was removed meanwhile")
        assert other.client.lrange(QUEUE, 0, -1) == [b"kept"]


def test_a_relay_whose_redis_is_gone_ends_all_the_same(sides: tuple[Side, Side]) -> None:
    one, _other = sides
    with relay(sides):
        one.server.stop()
    one.server.start()


def test_what_waits_to_be_written_to_the_database_goes_along_once(sides: tuple[Side, Side]) -> None:
    one, other = sides
    records = [f"record {number}" for number in range(1203)]
    one.client.rpush(QUEUE, *records)
    one.client.rpush(f"{NAME}|global_search_queue", "a", "b")
    one.client.rpush("_other|insert_queue_for_Access Log", "of another site")
    one.client.set(f"{NAME}|doc", "cached")
    other.client.rpush(QUEUE, "was there")
    assert cache.hand_over(one.bench, other.bench, NAME) == 1205
    assert other.client.lrange(QUEUE, 0, -1) == [b"was there", *(record.encode() for record in records)]
    assert other.client.lrange(f"{NAME}|global_search_queue", 0, -1) == [b"a", b"b"]
    assert sorted(one.client.keys("*")) == [b"_5e5f|doc", b"_other|insert_queue_for_Access Log"]
    assert cache.hand_over(one.bench, other.bench, NAME) == 0
    assert cache.hand_over(other.bench, other.bench, NAME) == 0
    assert other.client.llen(QUEUE) == 1204


def test_what_a_job_takes_at_that_moment_takes_nothing_else_with_it(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = sides
    records = [f"record {number}".encode() for number in range(700)]
    one.client.rpush(QUEUE, *records)
    written: list[bytes] = []
    call = Connection.call

    def disturbed(connection: Connection, *command: str | bytes) -> t.Any:
        if command[0] == "RPUSH":
            written.extend(t.cast("list[bytes]", one.client.lpop(QUEUE, 3)))
        return call(connection, *command)

    monkeypatch.setattr(Connection, "call", disturbed)
    cache.hand_over(one.bench, other.bench, NAME)
    monkeypatch.undo()
    cache.hand_over(one.bench, other.bench, NAME)
    assert {*written, *other.client.lrange(QUEUE, 0, -1)} == set(records)
    assert one.client.llen(QUEUE) == 0


def test_a_relay_begins_and_ends_whatever_answers_in_place_of_a_redis(sides: tuple[Side, Side]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        answering = threading.Thread(target=_answer, args=(stranger, b"$nonsense\r\n"), daemon=True)
        answering.start()
        address = f"redis://127.0.0.1:{stranger.getsockname()[1]}"
        with CacheRelay(sides[0].server.url, address, OWN):
            pass
        stranger.shutdown(socket.SHUT_RDWR)


def _answer(listening: socket.socket, answer: bytes) -> None:
    """Give the same answer to whatever is asked, until nobody can ask any more."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as open_ones:
        while True:
            connection = open_ones.enter_context(listening.accept()[0])
            connection.recv(1 << 16)
            connection.sendall(answer)


def test_a_large_value_does_not_hold_up_what_is_removed_after_it(sides: tuple[Side, Side]) -> None:
    one, other = sides
    with relay(sides), redis.Redis.from_url(one.server.url, socket_timeout=120) as patient:
        # Told as 96 MB, more than is waited for.
        patient.set(f"{NAME}|large", b"\0" * (24 << 20))
        other.client.set(f"{NAME}|doc", "old")
        patient.unlink(f"{NAME}|doc")
        wait_until(lambda: not other.client.exists(f"{NAME}|doc"), 10, "it is told")
