# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What apps declare: every layout of hooks.py, and the declarations of real apps."""

from __future__ import annotations

import ast
import concurrent.futures
import json
import pathlib
import threading
import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import declarations, requirements
from ansible_collections.lockstep.deploy.plugins.plugin_utils.declarations import DeclarationError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.requirements import Requirement

REAL_APPS: list[dict[str, t.Any]] = json.loads(
    (pathlib.Path(__file__).parent / "fixtures" / "frappe_apps.json").read_text(encoding="utf-8")
)


def names(source: str) -> list[str]:
    return [need.name for need in declarations.required_apps(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", []),
        ("# required_apps = ['erpnext']", []),
        ("# required_apps = [\n# 'erpnext'\n# ]", []),
        ("required_apps = []", []),
        ("required_apps = None", []),
        ("required_apps = ['erpnext']", ["erpnext"]),
        ('required_apps = ["frappe/erpnext"]', ["erpnext"]),
        ('required_apps = [\n    "payments",\n    # "hrms",\n    "erpnext",\n]\n', ["payments", "erpnext"]),
        ("required_apps = ('erpnext',)", ["erpnext"]),
        ("required_apps = 'erpnext',", ["erpnext"]),
        ("required_apps: list[str] = ['erpnext']", ["erpnext"]),
        ("required_apps = ['erp' 'next', 'pay' + 'ments']", ["erpnext", "payments"]),
        ("required_apps = ['erpnext'] + ['payments']", ["erpnext", "payments"]),
        ("base = ['erpnext']\nrequired_apps = base + ['payments']", ["erpnext", "payments"]),
        ("base = ['erpnext']\nrequired_apps = [*base, 'payments']", ["erpnext", "payments"]),
        ("required_apps = ['erpnext']\nrequired_apps += ['payments']", ["erpnext", "payments"]),
        ("required_apps = ['erpnext']\nrequired_apps.append('payments')", ["erpnext", "payments"]),
        ("required_apps = ['erpnext']\nrequired_apps.extend(('payments',))", ["erpnext", "payments"]),
        ("required_apps = list(('erpnext',))", ["erpnext"]),
        ("org = 'frappe'\nrequired_apps = [org + '/erpnext']", ["erpnext"]),
        ("required_apps = ['x']\nrequired_apps = ['erpnext']", ["erpnext"]),
        ("if x:\n    required_apps = ['a']\nelse:\n    required_apps = ['b']", ["a", "b"]),
        ("try:\n    import y\nexcept ImportError:\n    required_apps = ['a']", ["a"]),
        ("def f():\n    required_apps = ['a']", []),
        ("class C:\n    required_apps = ['a']", []),
        ("required_apps = ['https://github.com/frappe/erpnext.git']", ["erpnext"]),
        ("app_name = 'x'\nrequired_apps = ['erpnext>=15.0.0']\nscheduler_events = {'all': []}", ["erpnext"]),
    ],
)
def test_required_apps_in_any_layout(source: str, expected: list[str]) -> None:
    assert names(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("required_apps = [", "no valid Python: '[' was never closed in line 1"),
        ("required_apps = ['a'\nb = 2", "which is no valid Python"),
        ("required_apps = find()", "which is computed in line 1; expected a list of texts"),
        ("x = 1\nrequired_apps = [app for app in x]", "which is computed in line 2"),
        ("required_apps = [f'{x}']", "which is computed in line 1"),
        ("required_apps = 'erpnext'", "which is no list of texts"),
        ("required_apps = {'erpnext': 1}", "which is computed in line 1"),
        ("required_apps = ['a b']", "'a b' does not name an app"),
        ("required_apps = [1]", "which is no list of texts"),
        ("required_apps = ['a>=x']", "no version range"),
        ("\0", "which is no valid Python"),
    ],
)
def test_what_can_not_be_read_is_one_clear_error(source: str, expected: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declarations.required_apps(source, "app/hooks.py")
    assert expected in raised.value.message
    assert "app/hooks.py" in raised.value.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('__version__ = "15.44.2"', "15.44.2"),
        ("__version__: str = '16.0.0-dev'", "16.0.0-dev"),
        ("import frappe\n\n__version__ = '0.0.1'\n", "0.0.1"),
        ("__version__ = version = '1.2.3'", "1.2.3"),
        ("__version__ = find_version()", None),
        ("", None),
        ("syntax error here", None),
    ],
)
def test_versions(source: str, expected: str | None) -> None:
    assert declarations.version_of(source) == expected


def test_a_pyproject_declares_version_and_ranges() -> None:
    found = declarations.read_project(
        '[project]\nname = "hrms"\nversion = "15.1.0"\n'
        '[tool.bench.frappe-dependencies]\nfrappe = ">=15.0.0, <16.0.0"\nindia-compliance = ">=15.0.0"\n'
    )
    assert found.version == "15.1.0"
    assert found.requires == (Requirement("frappe", ">=15.0.0,<16.0.0"), Requirement("india_compliance", ">=15.0.0"))
    assert declarations.read_project('[project]\ndynamic = ["version"]').version is None
    assert declarations.read_project("") == declarations.Project(None, ())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[project", "which is no valid TOML"),
        (
            "[tool.bench.frappe-dependencies]\nfrappe = 1",
            "frappe-dependencies.frappe in pyproject.toml, which is no text",
        ),
        ("[tool.bench.frappe-dependencies]\nfrappe = 'x'", "frappe-dependencies.frappe in pyproject.toml: 'x' is no"),
    ],
)
def test_a_broken_pyproject_is_one_clear_error(source: str, expected: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declarations.read_project(source)
    assert expected in raised.value.message


@pytest.mark.parametrize("app", REAL_APPS, ids=lambda app: f"{app['app']}@{app['ref']}")
def test_declarations_of_real_apps_are_read(app: dict[str, t.Any]) -> None:
    hooks = f"required_apps = {app['required_apps']!r}"
    if app["required_apps_form"] == "commented-out":
        hooks = "# required_apps = ['frappe']"
    assert names(hooks) == [requirements.app_name(name.split("/")[-1]) for name in app["required_apps"]]
    ranges = app["frappe_dependencies"] or {}
    lines = [f'{name} = "{limits}"' for name, limits in ranges.items()]
    found = declarations.read_project("\n".join(["[tool.bench.frappe-dependencies]", *lines]))
    assert {need.name: need.range for need in found.requires} == ranges


def test_what_is_nested_too_deeply_is_no_declaration() -> None:
    deep = "required_apps = " + "+".join(["['a']"] * 100_000)
    with pytest.raises(DeclarationError, match=r"found hooks.py, which is no valid Python"):
        declarations.required_apps(deep)


def test_several_apps_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[int] = []
    inside = threading.Semaphore(1)

    def parse(source: str) -> ast.Module:
        at_once.append(inside.acquire(blocking=False))
        time.sleep(0)  # others may go on here
        try:
            return ast.Module(body=[], type_ignores=[])
        finally:
            inside.release()

    monkeypatch.setattr(declarations.ast, "parse", parse)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(declarations.required_apps, ["required_apps = []"] * 200))
    assert at_once == [True] * 200, "the parser of Python 3.11 is not for several threads"
