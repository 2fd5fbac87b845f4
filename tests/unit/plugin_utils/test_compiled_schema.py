# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The compiled schema and jsonschema agree on every document, and nothing in the schema is skipped."""

from __future__ import annotations

import copy
import typing as t

import hypothesis
import hypothesis.strategies as st
import jsonschema
import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import validation
from ansible_collections.lockstep.deploy.plugins.plugin_utils.compiled_schema import compile_schema
from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import Lines

VALID: dict[str, t.Any] = {
    "$schema": "deployment.schema.json",
    "plugin": "lockstep.deploy.deployment",
    "project": "shop",
    "environment": "staging",
    "servers": {"web1": {"ansible_host": "10.0.0.1"}, "web2": None},
    "benches": [
        {
            "name": "main",
            "servers": ["web1", "web2"],
            "path": "/home/frappe/main",
            "root": "/srv/lockstep/main",
            "user": "frappe",
            "apps": ["frappe"],
            "bench_command": "/usr/local/bin/bench",
            "python": "python3.11",
            "process_manager": "systemd",
            "supervisor": {"control": ["supervisorctl", "-c", "x"], "conf_dir": "/etc/supervisor/conf.d"},
            "ports": {"first": 21000, "last": 22000},
            "env": {"BENCH_DISABLE_UV": "1"},
            "nginx": {"binary": "/usr/sbin/nginx", "listen": [80, "127.0.0.1:8080", "443 ssl http2"]},
            "database": {"host": "127.0.0.1", "port": 3306, "admin": {"user": "root", "password": "x"}},
        }
    ],
    "apps": [
        {"name": "frappe", "source": "https://github.com/frappe/frappe", "version": "v15.44.2"},
        {"name": "hrms", "source": "./hrms", "requires": {"frappe": ">=15.0.0", "erpnext": None}, "config": {"a": [1]}},
    ],
    "sites": [
        "site1.local",
        {
            "name": "site2.local",
            "bench": "main",
            "server": "web1",
            "apps": ["hrms"],
            "domains": ["shop.example.com", "*.example.com"],
            "config": {"key": None},
            "depends_on": ["site1.local"],
            "health": ["/api/x", {"path": "/y", "status": ["200", "3xx", 404], "contains": "ok", "json": {"a": 1}}],
        },
    ],
    "dependencies": {"hrms": ["frappe>=15"]},
    "strategy": "all-at-once",
    "options": {"batch_size": 2, "wait_time": 0, "run_tests": ["pytest", ["a", "b"]], "health_check_timeout": None},
}

SCALARS: t.Final[st.SearchStrategy[t.Any]] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [2.0, "", "a", "a\n", "..", "a..b", "-x", "a b", "x" * 73, "/x", "/x/../y", "rolling", "1.10", "a'b"]
    ),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "source", "path", "first", "user", "x y", "-"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def places(value: t.Any, path: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


PLACES = list(places(VALID))
VALIDATOR = jsonschema.Draft202012Validator(validation.schema())
IS_VALID = compile_schema(validation.schema())


@st.composite
def documents(draw: st.DrawFn) -> t.Any:
    """The valid document with something replaced, added or taken away."""
    document = copy.deepcopy(VALID)
    for _change in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(PLACES))
        value: t.Any = document
        try:
            for part in path[:-1]:
                value = value[part]
            if not path:
                return draw(VALUES)
            change = draw(st.sampled_from(["replace", "remove", "add"]))
            if change == "remove":
                del value[path[-1]]
            elif change == "add" and isinstance(value, dict):
                value[draw(st.sampled_from(["name", "unknown", "server", "x y", "version"]))] = draw(VALUES)
            else:
                value[path[-1]] = draw(VALUES)
        except (KeyError, IndexError, TypeError):
            continue
    return document


def test_the_published_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(validation.schema())


def test_a_document_that_uses_every_key_is_valid() -> None:
    assert [error.message for error in VALIDATOR.iter_errors(VALID)] == []
    assert IS_VALID(VALID)


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(documents())
def test_the_compiled_schema_agrees_with_jsonschema(document: t.Any) -> None:
    assert IS_VALID(document) == VALIDATOR.is_valid(document)


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(documents())
def test_whatever_jsonschema_refuses_is_reported_in_words(document: t.Any) -> None:
    problems = validation.find_problems(document, Lines())
    assert bool(problems) == (not VALIDATOR.is_valid(document))
    assert all("\n" not in str(problem) for problem in problems)


def test_an_unknown_keyword_is_refused_and_not_skipped() -> None:
    with pytest.raises(ValueError, match="exclusiveMaximum"):
        compile_schema({"type": "integer", "exclusiveMaximum": 2})


def test_every_key_and_option_is_described_for_editors() -> None:
    schema = validation.schema()
    groups = [schema["properties"], schema["$defs"]["options"]["properties"], schema["$defs"]["bench"]["properties"]]
    groups += [schema["$defs"][name]["properties"] for name in ("app", "site_mapping")]
    silent = [
        name
        for group in groups
        for name, member in group.items()
        if "description" not in member and "description" not in schema["$defs"].get(member.get("$ref", "")[8:], {})
    ]
    assert silent == []
    assert all("default" in option for option in schema["$defs"]["options"]["properties"].values())
