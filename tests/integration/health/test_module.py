# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as a playbook uses it."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml

from tests.integration.health.servers import Answer, Site

pytestmark = pytest.mark.integration

_CLONE = pathlib.Path(__file__).parents[3]


def run(*arguments: str, **options: t.Any) -> tuple[int, dict[str, t.Any], str]:
    """Run the module once; return code, its result, everything printed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,", "-c", "local", *arguments),
            *("-m", "lockstep.deploy.health_check", "-a", json.dumps(options)),
            *("-e", json.dumps({"ansible_python_interpreter": sys.executable})),
        ],
        cwd=_CLONE,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    result, _end = json.JSONDecoder().raw_decode(done.stdout.partition(" => ")[2])
    return done.returncode, result, done.stdout + done.stderr


def test_all_checks_are_reported_and_one_that_fails_fails_the_task() -> None:
    with Site({"/": Answer("v2", headers={"X-Version": "2"})}).on_port() as port:
        url = f"http://127.0.0.1:{port}/"
        checks = [
            {"name": "right", "type": "http", "url": url, "version": "2", "version_header": "X-Version"},
            {"name": "open", "type": "tcp", "connect": f"127.0.0.1:{port}", "kind": "startup"},
            {"name": "quick", "type": "performance", "url": url, "max_p95": 5, "requests": 5},
            {"name": "says", "type": "command", "argv": ["echo", "hello"], "contains": "hello", "rc": [0]},
        ]
        rc, result, _said = run(checks=checks, health_check_timeout=60)
        assert (rc, result["changed"], result["health"]["overall_status"]) == (0, False, "passed")
        assert [one["name"] for one in result["health"]["checks"]] == ["right", "open", "quick", "says"]
        wrong = {"name": "old", "type": "http", "url": url, "status": ["404"], "attempts": 2, "interval": 0.01}
        rc, result, _said = run("--check", checks=[*checks, wrong])
    assert rc != 0
    assert result["msg"] == "health is failed: old: status 200 instead of 404"
    assert (result["health"]["total_checks"], result["health"]["passed"], result["health"]["failed"]) == (5, 4, 1)
    assert result["health"]["checks"][4]["attempts"] == 2


def test_what_can_not_be_known_fails_unless_told_otherwise() -> None:
    checks = [{"name": "rows", "type": "sql", "query": "SELECT 1", "attempts": 1}]
    rc, result, _said = run(checks=checks)
    assert rc != 0
    assert result["msg"] == "health is inconclusive: rows: there is no database to ask"
    for tolerated in ("failed", "never"):
        rc, result, _said = run(checks=checks, fail_on=tolerated)
        assert (rc, result["health"]["overall_status"]) == (0, "inconclusive")


def test_a_check_that_makes_no_sense_is_refused_by_name() -> None:
    rc, result, _said = run(checks=[{"name": "odd", "type": "tcp", "connect": "x:1", "url": "http://x/"}])
    assert rc != 0
    assert result["msg"] == "check odd: url can't be used with type tcp."
    rc, result, _said = run(checks=[{"type": "http"}])
    assert rc != 0
    assert "url" in result["msg"]


def test_secrets_are_not_shown() -> None:
    site = Site({"/": Answer("ok")})
    with site.on_port() as port:
        check = {"type": "http", "url": f"http://127.0.0.1:{port}/", "authorization": "token topsecret"}
        rc, _result, said = run("-vvv", checks=[check])
    assert rc == 0
    assert site.seen[0][2]["authorization"] == "token topsecret"
    assert "topsecret" not in said


def test_the_options_documented_are_the_options_there_are() -> None:
    prefix = "ansible_collections.lockstep.deploy.plugins"
    module = importlib.import_module(f"{prefix}.modules.health_check")
    check = importlib.import_module(f"{prefix}.module_utils._health.check")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]["checks"]["suboptions"]
    assert set(documented) == set(module._CHECK)
    usable = set().union(*check.OPTIONS.values()) | {"name", "type", "kind"}
    assert set(documented) == usable | {"attempts", "interval", "timeout", "successes"}
    for name, option in documented.items():
        assert option["type"] == module._CHECK[name]["type"], name
