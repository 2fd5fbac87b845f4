# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deployment file against its JSON Schema.

Valid files are recognised by the compiled schema, fast. For what isn't valid jsonschema finds out why, and the
findings are put into the words a user needs: what was found, what is expected.
"""

from __future__ import annotations

import difflib
import functools
import json
import pathlib
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.compiled_schema import Check, compile_schema
from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import Lines, VaultedText
from ansible_collections.lockstep.deploy.plugins.plugin_utils.libraries import need
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import without_credentials

SCHEMA_FILE = pathlib.Path(__file__).parent / "schema" / "deployment.schema.json"

# A jsonschema.ValidationError. Its type stubs make every attribute optional, which those of iter_errors never are.
_Error = t.Any

_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}
#: Other ways to write a value that is told once.
_SPELLINGS = ("all_at_once", "blue_green")
_SECRET_BELOW = ("config", "servers", "admin", "env", "key_secret")
_LONGEST_SHOWN = 80


@functools.cache
def schema() -> dict[str, t.Any]:
    """The published schema."""
    found: dict[str, t.Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return found


def option_schemas() -> dict[str, dict[str, t.Any]]:
    """The schema of each option by its name; their defaults are the only place where defaults are written."""
    found: dict[str, dict[str, t.Any]] = schema()["$defs"]["options"]["properties"]
    return found


@functools.cache
def _checks() -> tuple[Check, Check]:
    whole = schema()
    frame = {**whole, "properties": {**whole["properties"], "sites": {"type": "array"}}}
    return compile_schema(frame), compile_schema(whole["properties"]["sites"]["items"], whole)


def find_problems(data: t.Any, lines: Lines) -> list[Problem]:
    """Everything in a document that the schema doesn't allow.

    Args:
        data: The document as read.
        lines: Where its values stand.

    Returns:
        The problems, in the order of the document; none for a valid document.
    """
    frame_is_valid, site_is_valid = _checks()
    sites = data.get("sites") if isinstance(data, dict) else None
    wrong = [at for at, site in enumerate(sites) if not site_is_valid(site)] if isinstance(sites, list) else []
    if not wrong and frame_is_valid(data):
        return []
    # Sites that are known to be valid are left out: jsonschema would take seconds for thousands of them.
    looked_at = {**data, "sites": [data["sites"][at] for at in wrong]} if isinstance(sites, list) else data
    problems = []
    for path, message in _explain(looked_at, schema(), lines, wrong):
        problems.append(Problem(path, message, lines.line(path)))
    return problems


def find_option_problems(name: str, value: t.Any) -> list[str]:
    """What is wrong with one option's value; messages without a place."""
    return _find_in(option_schemas()[name], value)


def find_definition_problems(name: str, value: t.Any) -> list[str]:
    """What is wrong with a value that should be one of the schema's definitions (``path``, ``name``, …)."""
    return _find_in({"$ref": f"#/$defs/{name}"}, value)


def _find_in(against: dict[str, t.Any], value: t.Any) -> list[str]:
    whole = {**against, "$defs": schema()["$defs"]}
    if compile_schema(whole)(value):
        return []
    return [message for _path, message in _explain(value, whole, Lines(), [])]


def _explain(data: t.Any, against: t.Any, lines: Lines, wrong: list[int]) -> t.Iterator[tuple[Path, str]]:
    for error in need("jsonschema").Draft202012Validator(against).iter_errors(data):
        for leaf in _leaves(error):
            path = tuple(leaf.absolute_path)
            if len(path) > 1 and path[0] == "sites" and wrong:
                path = ("sites", wrong[int(path[1])], *path[2:])
            yield from _findings(leaf, path, lines)


def _leaves(error: _Error) -> t.Iterator[_Error]:
    """Of alternatives, the one whose type fits is the one the user meant."""
    if error.validator != "anyOf":
        yield error
        return
    branches: dict[t.Any, list[_Error]] = {}
    for inner in error.context or []:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    meant = [found for found in branches.values() if not any(e.validator == "type" and not e.path for e in found)]
    if len(meant) != 1:
        yield error
        return
    for inner in meant[0]:
        yield from _leaves(inner)


def _findings(error: _Error, path: Path, lines: Lines) -> t.Iterator[tuple[Path, str]]:
    rule: t.Any = error.validator_value
    if error.validator == "additionalProperties" and rule is False:
        known = sorted(error.schema["properties"])
        for key in error.instance:
            if key not in error.schema["properties"]:
                yield (*path, key), f"unknown key{_guess(key, known)}; expected one of {', '.join(known)}"
    elif error.validator == "required":
        for name in rule:
            if name not in error.instance:
                yield path, f"has no {name}; expected one"
    elif "propertyNames" in error.schema_path and isinstance(error.instance, str):
        yield (*path, error.instance), f"found {_shown(error.instance, ())}; expected {_expected(error)}"
    else:
        yield path, f"found {_found(error, path, lines)}; expected {_expected(error)}"


def _guess(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(str(key), known, n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _found(error: _Error, path: Path, lines: Lines) -> str:
    value = error.instance
    if error.validator in ("minItems", "minProperties") or value in ("", [], {}):
        return "an empty text" if value == "" else "nothing in it"
    if error.validator == "maxLength":
        return f"{_shown(value, path)}, which has {len(value)} characters"
    if isinstance(value, (bool, int, float)) and "string" in _wanted_types(error) and not _is_secret(path):
        written = lines.written(path) or json.dumps(value)
        kind = "true or false" if isinstance(value, bool) else "a number"
        return f'{written}, which YAML reads as {kind}: quote it ("{written}")'
    return _shown(value, path)


def _wanted_types(error: _Error) -> list[str]:
    if error.validator == "type":
        rule: t.Any = error.validator_value
        return [rule] if isinstance(rule, str) else list(rule)
    if error.validator == "anyOf":
        return [name for inner in error.context or [] if inner.validator == "type" for name in _wanted_types(inner)]
    return []


def _expected(error: _Error) -> str:
    rule: t.Any = error.validator_value
    if error.validator in ("minItems", "minProperties"):
        return "at least one entry"
    if error.validator in ("enum", "const"):
        values = [value for value in (rule if isinstance(rule, list) else [rule]) if value not in _SPELLINGS]
        return ("one of " if len(values) > 1 else "") + ", ".join(values)
    if "errorMessage" in error.schema:
        return str(error.schema["errorMessage"])
    if error.validator == "uniqueItems":
        return "each entry once"
    if _wanted_types(error):
        return " or ".join(dict.fromkeys(_NAMES[name] for name in _wanted_types(error)))
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "multipleOf": "a multiple of",
    }
    if error.validator in bounds:
        return f"{bounds[str(error.validator)]} {rule}"
    if error.validator == "maxLength":
        return f"at most {rule} characters"
    return "a text without blanks, quotes or a leading '-'"


def _is_secret(path: Path) -> bool:
    return any(part in _SECRET_BELOW for part in path)


def _shown(value: t.Any, path: Path) -> str:
    """A value for a message: short, on one line, and never one that may be a secret."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, VaultedText):
        return "a vaulted value"
    if value is None:
        return "nothing"
    if _is_secret(path):
        return "a value that is not shown here"
    text = without_credentials(value) if isinstance(value, str) else value
    shown = json.dumps(text, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 2] + '…"'
