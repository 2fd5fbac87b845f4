# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every line of the log counts once, whatever becomes of its files, and only those of the time in question are read."""

from __future__ import annotations

import itertools
import os
import pathlib
import random
import shutil
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement import access_log
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.access_log import AccessLog, Request, parse
from tests.support.accesslog import SITE, append, line

BEGIN = 1_800_000_000.0


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    found = tmp_path / "lockstep-access.log"
    found.touch()
    return found


def lines(first: int, last: int, **options: t.Any) -> list[str]:
    """Lines that are told apart by their second."""
    return [line(BEGIN + number, **options) for number in range(first, last)]


def numbers(requests: t.Iterable[Request]) -> list[int]:
    return [round(request.time - BEGIN) for request in requests]


def test_a_line_says_what_nginx_wrote() -> None:
    found = parse(line(BEGIN + 0.25, route="slots/07", status=502, release="", upstream_seconds="0.001").encode())
    assert found == Request(BEGIN + 0.25, SITE, "/app", 502, 0.001, True, "", "slots/07")


@pytest.mark.parametrize(("told", "seconds"), [("0.010", 0.01), ("0.001, 0.002 : 0.003", 0.006), ("-", 9.0), ("", 9.0)])
def test_who_sends_a_request_slowly_does_not_make_the_release_slow(told: str, seconds: float) -> None:
    found = parse(line(BEGIN, seconds=9.0, upstream_seconds=told).encode())
    assert found is not None
    assert found.seconds == pytest.approx(seconds)


def test_a_line_of_before_there_were_routes_has_none() -> None:
    found = parse(line(BEGIN, route=None).encode())
    assert found is not None
    assert found.route == ""


def test_what_this_server_asked_itself_is_no_visit(path: pathlib.Path) -> None:
    append(path, line(BEGIN, probe="1"), line(BEGIN + 1, probe=""), line(BEGIN + 2, probe=None))
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == [1, 2]


@pytest.mark.parametrize(("told", "passed_on"), [("", False), ("-", False), ("0.000", True), ("0.001 : 0.002", True)])
def test_nginx_answered_by_itself_where_no_upstream_took_any_time(told: str, passed_on: bool) -> None:
    found = parse(line(BEGIN, upstream_seconds=told).encode())
    assert found is not None
    assert found.passed_on is passed_on


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"12",
        b'"x"',
        b"\xff\xfe",
        line(1.0).encode()[:90],
        b'{"time":1}',
        b"[" * 100_000,
        b'{"time":Infinity,"site":"","path":"","status":Infinity}',
    ]
    + [line(1.0, **{field: []}).encode() for field in ("status", "seconds")],
)
def test_what_is_no_line_of_ours_is_none(broken: bytes) -> None:
    assert parse(broken) is None


def test_bytes_that_are_no_text_are_no_reason_to_lose_a_line() -> None:
    found = parse(line(BEGIN, path="/@").encode().replace(b"@", b"\xc3"))
    assert found is not None
    assert found.path == "/\ufffd"


def test_each_look_returns_what_is_new(path: pathlib.Path) -> None:
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == []
        append(path, *lines(0, 3))
        assert numbers(log.requests()) == [0, 1, 2]
        append(path, *lines(3, 5))
        assert numbers(log.requests()) == [3, 4]
        assert numbers(log.requests()) == []


def test_half_a_line_is_read_when_it_is_whole(path: pathlib.Path) -> None:
    whole = line(BEGIN + 1)
    append(path, line(BEGIN), whole[:50])
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == [0]
        append(path, whole[50:])
        assert numbers(log.requests()) == [1]
        assert log.passed_over == 0


def test_a_broken_line_costs_only_itself(path: pathlib.Path) -> None:
    append(path, line(BEGIN), line(BEGIN + 1)[:60], line(BEGIN + 2), "no json at all\n", line(BEGIN + 3))
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == [0, 3]
        assert log.passed_over == 2


def test_something_endless_without_a_line_is_left_behind(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_LONGEST", 1000)
    append(path, "x" * 5000)
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == []
        append(path, "y\n", line(BEGIN + 1))
        assert numbers(log.requests()) == [1]


def test_only_the_sites_own_requests_are_returned(path: pathlib.Path) -> None:
    # The path of another site's request names ours, as a line of ours would.
    other = line(BEGIN + 1, site="other.local", path=f'/","site":"{SITE}","x":"')
    append(path, line(BEGIN), other, line(BEGIN + 2, site="other.local"), line(BEGIN + 3))
    with AccessLog(str(path), BEGIN, SITE) as log:
        assert numbers(log.requests()) == [0, 3]


def test_a_renamed_file_is_read_to_its_end_beside_its_successor(path: pathlib.Path) -> None:
    append(path, *lines(0, 2))
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == [0, 1]
        old = path.rename(f"{path}.1")
        append(old, *lines(2, 4))
        assert numbers(log.requests()) == [2, 3]
        path.touch()
        assert numbers(log.requests()) == []
        # nginx was told late to open the new file.
        append(old, *lines(4, 5))
        append(path, *lines(5, 7))
        assert numbers(log.requests()) == [4, 5, 6]
        append(old, *lines(7, 8))
        assert numbers(log.requests()) == [7]
        append(old, *lines(8, 9))
        assert numbers(log.requests()) == [8]
        assert numbers(log.requests()) == []
        append(path, *lines(9, 10))
        assert numbers(log.requests()) == [9]


def test_a_truncated_file_is_read_on_in_its_copy(path: pathlib.Path) -> None:
    append(path, *lines(0, 3))
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == [0, 1, 2]
        append(path, *lines(3, 5))
        shutil.copy(path, f"{path}.1")
        os.truncate(path, 0)
        append(path, *lines(5, 6))
        assert numbers(log.requests()) == [3, 4, 5]
        assert numbers(log.requests()) == []


def test_a_file_that_grew_again_beyond_where_it_was_read_is_noticed(path: pathlib.Path) -> None:
    append(path, *lines(0, 2))
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == [0, 1]
        os.truncate(path, 0)
        append(path, *lines(2, 9))
        assert numbers(log.requests()) == [2, 3, 4, 5, 6, 7, 8]


def test_what_was_rotated_since_the_time_in_question_is_read_first(path: pathlib.Path) -> None:
    for suffix, first in ((".3.gz", 0), (".2", 0), ("-20261128", 2)):
        rotated = pathlib.Path(f"{path}{suffix}")
        append(rotated, *lines(first, first + 2))
        os.utime(rotated, (BEGIN + first + 2, BEGIN + first + 2))
    ancient = pathlib.Path(f"{path}.9")
    append(ancient, *lines(0, 2))
    os.utime(ancient, (BEGIN - 100, BEGIN - 100))
    append(path, *lines(4, 6))
    with AccessLog(str(path), BEGIN + 1) as log:
        assert numbers(log.requests()) == [1, 2, 3, 4, 5]


def test_a_file_that_is_compressed_at_the_moment_it_is_to_be_read_is_left_out(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(path, *lines(0, 2))
    listed = access_log._put_aside
    monkeypatch.setattr(access_log, "_put_aside", lambda name: [*listed(name), (f"{name}.1", BEGIN)])
    with AccessLog(str(path), BEGIN) as log:
        assert numbers(log.requests()) == [0, 1]
        path.write_text("")
        append(path, *lines(2, 3))
        assert numbers(log.requests()) == [2]


def test_searching_for_a_time_finds_what_reading_everything_finds(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "_SMALL", 900)
    dice = random.Random(1)
    moments = [moment / 1000 for moment in itertools.accumulate(dice.randint(0, 3000) for _number in range(150))]
    written = [line(BEGIN + moment) for moment in moments]
    for _number in range(5):
        written.insert(dice.randrange(len(written)), "x" * 700 + "\n")
    append(path, *written)
    for since in (*moments, moments[0] - 1, moments[-1] + 1):
        with AccessLog(str(path), BEGIN + since) as log:
            found = [round(request.time - BEGIN, 3) for request in log.requests()]
            assert found == [moment for moment in moments if moment >= since]
            assert log.passed_over <= 5


def test_a_long_log_is_not_read_from_its_beginning(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(path, *lines(0, 20_000))
    read = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: read.append(real(*args)) or read[-1])
    with AccessLog(str(path), BEGIN + 19_900) as log:
        assert numbers(log.requests()) == list(range(19_900, 20_000))
    assert sum(map(len, read)) < path.stat().st_size / 4


def test_a_log_that_can_not_be_read_is_named_with_what_to_do(tmp_path: pathlib.Path) -> None:
    with pytest.raises(LockstepError, match=r"nothing\.log can't be read: No such file.*nginx"):
        AccessLog(str(tmp_path / "nothing.log"), BEGIN)
    with pytest.raises(LockstepError, match="can't be read: Is a directory"):
        AccessLog(str(tmp_path), BEGIN)
