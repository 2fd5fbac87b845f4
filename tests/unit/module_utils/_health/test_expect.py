# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An answer is compared with what was asked for, and everything that differs is said."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health.expect import Expectation
from ansible_collections.lockstep.deploy.plugins.module_utils._health.http import Response


def answer(body: t.Any = "", status: int = 200, truncated: bool = False, **headers: str) -> Response:
    content = body if isinstance(body, str) else json.dumps(body)
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, found, content.encode(), 0.01, truncated)


@pytest.mark.parametrize(
    ("status", "wanted", "fits"),
    [
        (200, ("200",), True),
        (204, ("2xx",), True),
        (301, ("200", "3xx"), True),
        (500, ("200", "4xx"), False),
        (20, ("2xx",), True),
    ],
)
def test_a_status_is_one_of_those_accepted(status: int, wanted: tuple[str, ...], fits: bool) -> None:
    assert (Expectation(status=wanted).problems(answer(status=status)) == []) is fits


@pytest.mark.parametrize("status", ["20", "2000", "600", "2XX", "abc", "200\n", ""])
def test_what_is_no_status_is_refused(status: str) -> None:
    with pytest.raises(LockstepError, match="is not an HTTP status"):
        Expectation(status=(status,))


def test_everything_that_differs_is_said_at_once() -> None:
    expected = Expectation(
        headers={"X-Own": "1"}, contains="pong", matches=r"v\d+", json={"status": "ok", "items.1.name": "b"}
    )
    assert expected.problems(answer({"status": "bad", "items": [{"name": "a"}]}, 503)) == [
        "status 503 instead of 200",
        "header X-Own is None instead of '1'",
        "'pong' is not in the answer",
        "nothing in the answer matches 'v\\\\d+'",
        "status is 'bad' instead of 'ok'",
        "the answer has no items.1.name",
    ]
    assert expected.problems(answer({"status": "ok", "items": [1, {"name": "b"}], "x": "pong v1"}, x_own="1")) == []


def test_a_value_that_is_null_is_not_a_value_that_is_missing() -> None:
    expected = Expectation(json={"a": None})
    assert expected.problems(answer({"a": None})) == []
    assert expected.problems(answer({})) == ["the answer has no a"]
    assert expected.problems(answer("no json")) == ["the answer has no a"]


def test_a_body_that_was_cut_off_is_said_to_be() -> None:
    assert Expectation(contains="x").problems(answer("abc", truncated=True)) == [
        "'x' is not in the answer in its first 3 bytes"
    ]


def test_a_version_is_read_from_where_it_is_told() -> None:
    header = Expectation(version="1.2", version_header="X-Version")
    assert header.told_version(answer(x_version="1.2")) == "1.2"
    assert header.told_version(answer()) is None
    body = Expectation(version="1.2", version_json="data.version")
    assert body.told_version(answer({"data": {"version": 1.2}})) == "1.2"
    assert body.told_version(answer({"data": {"version": None}})) is None


def test_a_version_without_a_place_and_a_pattern_that_is_none_are_refused() -> None:
    with pytest.raises(LockstepError, match="where it is told"):
        Expectation(version="1")
    with pytest.raises(LockstepError, match="is not a regular expression"):
        Expectation(matches="(")
