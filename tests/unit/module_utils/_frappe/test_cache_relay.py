# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Redis tells of its commands, and which of them another one is told."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache_relay import Own, removal

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
