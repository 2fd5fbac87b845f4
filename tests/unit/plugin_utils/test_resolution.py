# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which apps need which: united, checked, and said who requires what."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import deployment, options, resolution
from ansible_collections.lockstep.deploy.plugins.plugin_utils.declarations import Declaration
from ansible_collections.lockstep.deploy.plugins.plugin_utils.pinning import Pinned
from ansible_collections.lockstep.deploy.plugins.plugin_utils.requirements import Requirement, parse
from ansible_collections.lockstep.deploy.plugins.plugin_utils.resolution import Resolution
from ansible_collections.lockstep.deploy.plugins.plugin_utils.sources import Resolved

Declared = tuple[str | None, dict[str, str]]
REAL = {
    (app["app"], app["ref"]): app
    for app in json.loads((pathlib.Path(__file__).parent / "fixtures" / "frappe_apps.json").read_text(encoding="utf-8"))
    if not app["repo"].startswith("styloworldllp")
}


def resolve(
    declared: dict[str, Declared],
    explicit: dict[str, t.Any] | None = None,
    installed: dict[str, str | None] | None = None,
    sources: dict[str, str] | None = None,
) -> Resolution:
    """Resolve apps that declare a version and ranges."""
    data = {
        "apps": [{"name": name, "source": (sources or {}).get(name, f"/srv/{name}")} for name in declared],
        "sites": ["a"],
        "dependencies": explicit or {},
    }
    pinned = {
        name: Pinned(
            name,
            Resolved("v1", "0" * 40),
            Declaration(
                name, version, tuple(Requirement(parse(other).name, limits) for other, limits in needs.items())
            ),
        )
        for name, (version, needs) in declared.items()
    }
    return resolution.resolve(deployment.load(data, options.read({})), pinned, installed or {})


def real(*chosen: tuple[str, str]) -> dict[str, Declared]:
    """Real apps, with what hooks.py and pyproject.toml of that branch declare."""
    found: dict[str, Declared] = {}
    for name, ref in chosen:
        app = REAL[name, ref]
        needs = {parse(other).name: "" for other in app["required_apps"]} | (app["frappe_dependencies"] or {})
        found[name] = (app["version"], needs)
    return found


def messages(found: Resolution) -> list[str]:
    return [str(problem) for problem in found.problems]


def order(found: Resolution) -> list[str]:
    assert found.graph is not None
    return found.graph.order()


def test_declared_and_explicit_requirements_are_united() -> None:
    found = resolve(
        {
            "frappe": ("15.0.0", {}),
            "erpnext": ("15.1.0", {"frappe": ">=15.0.0"}),
            "shop": ("1.0.0", {"payments": ""}),
            "payments": ("0.0.1", {}),
        },
        explicit={"shop": ["erpnext"], "erpnext": {"frappe": "<16.0.0"}},
    )
    assert messages(found) == []
    assert found.requires["shop"] == {"erpnext": "", "payments": ""}
    assert found.requires["erpnext"] == {"frappe": "<16.0.0,>=15.0.0"}
    assert order(found) == ["frappe", "erpnext", "payments", "shop"]
    assert found.as_plan() == {"resolved": order(found), "missing": [], "conflicts": []}


def test_the_framework_comes_first_though_nobody_says_so() -> None:
    found = resolve({"shop": ("1.0.0", {}), "frappe": ("15.0.0", {}), "addon": ("1.0.0", {"shop": ""})})
    assert order(found) == ["frappe", "shop", "addon"]
    assert found.graph is not None
    assert (found.graph.needs("shop"), found.graph.needs("addon")) == (["frappe"], ["shop"])


def test_missing_apps_are_told_with_who_needs_them() -> None:
    found = resolve(
        {"frappe": ("15.0.0", {}), "a": ("1.0.0", {"payments": ""}), "b": ("1.0.0", {"payments": "", "x": ""})}
    )
    assert found.missing == ["payments", "x"]
    assert messages(found) == [
        'deployment_config: apps[1]: found no app "payments", and a and b require it; expected it among the apps',
        'deployment_config: apps[2]: found no app "x", and b requires it; expected it among the apps',
    ]
    assert found.as_plan()["resolved"] == []


def test_an_installed_app_is_not_missing_and_its_version_counts() -> None:
    declared: dict[str, Declared] = {"frappe": ("15.0.0", {}), "a": ("1.0.0", {"payments": ">=1.0.0"})}
    assert messages(resolve(declared, installed={"payments": "1.2.0"})) == []
    [conflict] = messages(resolve(declared, installed={"payments": "0.0.1"}))
    assert "found payments 0.0.1; a requires >=1.0.0" in conflict


@pytest.mark.parametrize("installed", [{}, {"frappe": "15.0.0"}])
@pytest.mark.parametrize("needs", [{}, {"frappe": ">=15.0.0"}])
def test_the_framework_must_be_listed_even_where_a_bench_has_it(
    installed: dict[str, str | None], needs: dict[str, str]
) -> None:
    message = messages(resolve({"a": ("1.0.0", needs)}, installed=installed))[0]
    if needs and not installed:
        assert message.endswith('found no app "frappe", and a requires it; expected it among the apps')
        return
    assert (
        message == 'deployment_config: apps: found no app "frappe", and every app needs it; expected it among the apps'
    )


def test_a_conflict_says_who_requires_what_and_what_is_there() -> None:
    found = resolve(
        {
            "frappe": ("15.44.2", {}),
            "a": ("1.0.0", {"frappe": ">=16.0.0,<17.0.0"}),
            "b": ("1.0.0", {"frappe": ">=15.0.0"}),
        }
    )
    said = "found frappe 15.44.2; a requires >=16.0.0,<17.0.0; expected a version that all of them accept"
    assert messages(found) == [f"deployment_config: apps[0]: {said}"]
    assert found.conflicts == [
        {
            "app": "frappe",
            "version": "15.44.2",
            "required": {"a": ">=16.0.0,<17.0.0", "b": ">=15.0.0"},
            "refused": ["a"],
        }
    ]


def test_a_cycle_through_declarations_is_printed() -> None:
    found = resolve({"frappe": ("1.0.0", {}), "a": ("1.0.0", {"b": ""}), "b": ("1.0.0", {})}, explicit={"b": ["a"]})
    assert messages(found) == ["deployment_config: apps[1]: found the cycle a → b → a; expected no app to need itself"]


def test_an_app_is_found_by_the_name_of_its_repository() -> None:
    found = resolve(
        {"frappe": ("1.0.0", {}), "compliance": ("1.0.0", {}), "a": ("1.0.0", {"resilient-tech/india-compliance": ""})},
        sources={"compliance": "https://github.com/resilient-tech/india-compliance"},
    )
    assert messages(found) == []
    assert found.requires["a"] == {"compliance": ""}


def test_a_version_that_is_not_said_is_a_warning() -> None:
    found = resolve({"frappe": (None, {}), "a": ("1.0.0", {"frappe": ">=15.0.0"})})
    assert messages(found) == []
    assert found.warnings == ["frappe says no version, so a requires >=15.0.0 could not be checked"]


def test_real_apps_of_version_15_fit_together() -> None:
    apps = real(("frappe", "version-15"), ("hrms", "version-15"), ("payments", "version-15"), ("lms", "main"))
    apps |= {"erpnext": ("15.40.0", {})} | real(("india_compliance", "version-15"))
    found = resolve(apps)
    assert messages(found) == []
    assert order(found).index("erpnext") < order(found).index("hrms")
    assert order(found)[0] == "frappe"


def test_real_apps_of_develop_fit_a_development_version() -> None:
    apps = real(("frappe", "develop"), ("hrms", "develop"), ("telephony", "develop"), ("helpdesk", "develop"))
    assert messages(resolve(apps | {"erpnext": ("16.0.0-dev", {})})) == []


def test_real_apps_that_do_not_fit_are_refused() -> None:
    found = resolve(real(("frappe", "version-15"), ("telephony", "develop"), ("helpdesk", "main")))
    assert [conflict["app"] for conflict in found.conflicts] == ["frappe"]
    assert "found frappe 15.44.2; helpdesk requires >=15.109.0,<17.0.0" in messages(found)[0]
    webshop = REAL["webshop", "stored (develop-ish)"]
    apps = real(("frappe", "develop"), ("payments", "develop")) | {
        "webshop": (None, dict.fromkeys(webshop["required_apps"], "") | webshop["frappe_dependencies"]),
        "erpnext": ("16.1.0", {}),
    }
    found = resolve(apps)
    assert found.missing == ["builder"]
    assert [conflict["refused"] for conflict in found.conflicts] == [["webshop"]]


@pytest.mark.parametrize("limits", ["", ">=1.0.0"])
def test_an_app_that_could_not_be_pinned_is_not_held_against_others(limits: str) -> None:
    data = {"apps": [{"name": "frappe", "source": "/x"}, {"name": "a", "source": "/a"}], "sites": []}
    found = resolution.resolve(
        deployment.load({**data, "dependencies": {"a": {"frappe": limits}}}, options.read({})), {}, {}
    )
    assert messages(found) == []
