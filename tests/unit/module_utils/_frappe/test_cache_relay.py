# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Redis tells of its commands, and which of them another one is told."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import cache_relay
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache_relay import Own, Repeated, removal

OWN = Own(b"_5e5f|", (b"_5e5f|insert_queue_for_", b"_5e5f|global_search_queue"))
MARK = b"lockstep:relayed"


def told(command: str, address: str = "127.0.0.1:50514") -> list[bytes] | None:
    return removal(f"+1764400000.123456 [0 {address}] {command}".encode(), OWN)


@pytest.mark.parametrize(
    ("command", "carried"),
    [
        ('"UNLINK" "_5e5f|document_cache::User::ada"', [b"UNLINK", b"_5e5f|document_cache::User::ada", MARK]),
        ('"del" "_5e5f|a" "_other|b" "_5e5f|c"', [b"DEL", b"_5e5f|a", b"_5e5f|c", MARK]),
        ('"HDEL" "_5e5f|bootinfo" "ada" "bob"', [b"HDEL", b"_5e5f|bootinfo", b"ada", b"bob", MARK]),
        ('"KEYS" "_5e5f|document_cache::Item::*"', [b"KEYS", b"_5e5f|document_cache::Item::*"]),
        ('"KEYS" "_5e5f|*"', [b"KEYS", b"_5e5f|*"]),
        ('"FLUSHALL"', [b"KEYS", b"_5e5f|*"]),
        ('"UNLINK" "_5e5f|a \\"b\\" \\\\ \\xc3\\xa4\\n"', [b"UNLINK", '_5e5f|a "b" \\ ä\n'.encode(), MARK]),
    ],
)
def test_a_removal_is_carried(command: str, carried: list[bytes]) -> None:
    assert told(command) == carried


@pytest.mark.parametrize(
    "command",
    [
        '"SET" "_5e5f|a" "\\x80\\x04"',
        '"GET" "_5e5f|a"',
        '"HSET" "_5e5f|bootinfo" "ada" "x"',
        '"UNLINK" "_other|a"',
        '"UNLINK" "assets_json"',
        '"UNLINK" "_5e5f|insert_queue_for_Access Log"',
        '"KEYS" "_5e5f|insert_queue_for_*"',
        '"UNLINK" "_5e5f|a" "lockstep:relayed"',
        '"HDEL" "_5e5f|bootinfo" "ada" "lockstep:relayed"',
        '"UNLINK"',
        '"PING"',
        "",
        'no command at all "UNLINK" "_5e5f|a',
    ],
)
def test_what_is_no_removal_or_another_relays_or_no_cache_is_not_carried(command: str) -> None:
    assert told(command) is None


def test_what_a_script_does_is_not_carried() -> None:
    assert told('"DEL" "_5e5f|a"', address="lua") is None


def test_an_address_may_have_brackets() -> None:
    assert told('"DEL" "_5e5f|a"', address="[::1]:6379") == [b"DEL", b"_5e5f|a", MARK]


def test_a_removal_is_repeated_for_those_who_cached_what_was_before_its_commit() -> None:
    now = [100.0]
    repeated = Repeated(lambda: now[0])
    repeated.add([b"UNLINK", b"a"])
    now[0] = 100.5
    assert list(repeated.due()) == [[b"UNLINK", b"a"]], "most requests are committed by then"
    repeated.add([b"UNLINK", b"b"])
    assert list(repeated.due()) == []
    now[0] = 101.0
    assert sorted(repeated.due()) == [[b"UNLINK", b"a"], [b"UNLINK", b"b"]]
    now[0] = 104.0
    assert list(repeated.due()) == [[b"UNLINK", b"b"]]
    repeated.add([b"UNLINK", b"a"])
    now[0] = 105.7
    done = [[b"UNLINK", b"a"], [b"UNLINK", b"a"], [b"UNLINK", b"b"]]
    assert sorted(repeated.due()) == done, "a once more at 109"
    assert sorted(repeated.left()) == [[b"UNLINK", b"a"], [b"UNLINK", b"b"]]
    now[0] = 134.0
    list(repeated.due())
    assert repeated.left() == []


def test_nobody_waits_for_longer_than_until_the_next_removal_is_due() -> None:
    now = [100.0]
    repeated = Repeated(lambda: now[0])
    assert repeated.patience() == 1.0, "as long as for a Redis that is away"
    repeated.add([b"UNLINK", b"a"])
    assert repeated.patience() == pytest.approx(0.2)
    now[0] = 100.15
    repeated.add([b"UNLINK", b"b"])
    assert repeated.patience() == pytest.approx(0.05)
    now[0] = 100.4
    assert 0 < repeated.patience() < 0.05, "without any, a socket would not be waited for at all"
    list(repeated.due())
    assert repeated.patience() == pytest.approx(0.6)
    now[0] = 101.2
    list(repeated.due())
    assert repeated.patience() == 1.0, "the next one is due in four seconds"


FUNCTION = b"_5e5f|frappe.website.doctype.web_form.web_form.get_published_web_forms"


@pytest.mark.parametrize("command", [[b"KEYS", FUNCTION + b"*"], [b"DEL", FUNCTION + b"::1", FUNCTION + b"::2", MARK]])
def test_what_functions_returned_is_removed_once_more_and_not_often(command: list[bytes]) -> None:
    now = [100.0]
    repeated = Repeated(lambda: now[0])
    repeated.add(command)
    assert repeated.left() == [command]
    now[0] = 104.9
    assert list(repeated.due()) == []
    now[0] = 105.0
    assert list(repeated.due()) == [command]
    assert repeated.left() == []


@pytest.mark.parametrize("key", [b"_5e5f|document_cache::DocType::a.b::c", b"_5e5f|app.key", b"_5e5f|*"])
def test_what_is_of_no_function_is_removed_often(key: bytes) -> None:
    now = [100.0]
    repeated = Repeated(lambda: now[0])
    repeated.add([b"DEL", key, FUNCTION + b"::1", MARK])
    now[0] = 101.0
    assert len(list(repeated.due())) == 2


def test_more_removals_than_can_be_remembered_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_relay, "_MOST_WAITING", 2)
    repeated = Repeated()
    for name in (b"a", b"b", b"a"):
        repeated.add([b"UNLINK", name])
    with pytest.raises(LockstepError, match="more was removed"):
        repeated.add([b"UNLINK", b"c"])
