# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments that several modules share, and how they become what the driver works with."""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, app_of, valid_name
from ansible_collections.lockstep.deploy.plugins.module_utils._health import site as site_health

UNIT_OPTIONS: dict[str, t.Any] = {
    "unit": {"type": "str", "required": True},
    "deployment_id": {"type": "str", "required": True},
}

APPS_OPTIONS: dict[str, t.Any] = {
    "apps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "commit": {"type": "str", "required": True},
            "version": {"type": "str"},
        },
    },
}

SITES_OPTIONS: dict[str, t.Any] = {
    "sites": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "domains": {"type": "list", "elements": "str", "default": []},
        },
    },
}


def sites_of(params: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """The ``sites`` option: domains by site."""
    return {valid_name("site", item["name"]): item["domains"] for item in params["sites"]}


def version_diff(unit: str, to_do: t.Mapping[str, t.Any], more: str = "") -> dict[str, t.Any]:
    """The ``diff`` of a module that takes a unit from some app versions to others, and does ``more`` (lines)."""
    sides = {name: _lines(to_do[name]) for name in ("before", "after")}
    sides["after"] += more
    header = {"before_header": unit, "after_header": unit}
    return {"diff": {**sides, **header}} if sides["before"] != sides["after"] else {}


def _lines(versions: t.Mapping[str, str | None]) -> str:
    return "".join(f"{app} {version or 'unknown'}\n" for app, version in versions.items())


def apps_of(params: t.Mapping[str, t.Any]) -> list[App]:
    """The ``apps`` option."""
    return [app_of(item) for item in params["apps"]]


def _words(command: t.Any) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def _smoke_test(given: t.Any) -> dict[str, t.Any] | list[str]:
    """A smoke test of the deployment file: a request as a mapping, a command as a list of words."""
    if isinstance(given, str) and given.startswith("/"):
        return {"path": given}
    return dict(given) if isinstance(given, dict) else _words(given)


def site_options(params: t.Mapping[str, t.Any]) -> Options:
    """The options of a site's deployment from a module's arguments.

    Raises:
        LockstepError: What is expected of a smoke test can't be as it is given, or one option excludes another.
    """
    smoke = [_smoke_test(one) for one in params["smoke_tests"]]
    requests = [one for one in smoke if isinstance(one, dict)]
    for request in requests:
        site_health.check_endpoint(request)
    if params["green_database"] == "clone" and params["steps"]:
        raise LockstepError(
            "visitors can't be shared out between two databases, which both would take writes",
            left="nothing was changed",
            hint="set green_database: shared, or leave the steps out",
        )
    return Options(
        apps=params["site_apps"],
        config=json.loads(params["config"] or "{}"),
        freeze=params["freeze"],
        backup=params["backup"],
        tests=[*(one for one in smoke if isinstance(one, list)), *(_words(test) for test in params["tests"])],
        endpoints=params["health"],
        timeout=params["timeout"],
        drain_timeout=params["drain_timeout"],
        wait_time=params["wait_time"],
        health_check_timeout=params["health_check_timeout"],
        rehearsal=params["rehearsal"],
        steps=params["steps"],
        step_wait=params["step_wait"],
        sticky=params["sticky"],
        hold=params["hold"],
        rules=params["rules"],
        on_inconclusive=params["on_inconclusive"],
        analysed=params["analysed"],
        blue_retention=params["blue_retention"],
        green_database=params["green_database"],
        smoke_tests=requests,
    )


def report(driver: str, journal: Journal, state: str, after: int = 0) -> dict[str, t.Any]:
    """What the ledger reads of a module's result: see the ``lockstep`` return value."""
    if not journal.content:
        return {"driver": driver, "state": state, "events": []}
    found = {
        "unit": journal.content["unit"],
        "driver": driver,
        "deployment_id": journal.deployment_id,
        "state": state,
        "events": journal.events(after),
    }
    for name in ("versions", "freeze_seconds", "reason", "loss", "obstacle"):
        if name in journal.data:
            found[name] = journal.data[name]
    if state == "restored" and "keep_data" in journal.data:
        found["data"] = "kept" if journal.data["keep_data"] else "restored"
    return found
