# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as a playbook uses it, on a log that was written meanwhile."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest

from tests.support.accesslog import SITE, append, line

pytestmark = pytest.mark.integration

_CLONE = pathlib.Path(__file__).parents[3]


def run(*arguments: str, **options: t.Any) -> tuple[int, dict[str, t.Any], str]:
    """Run the module once; return code, its result, everything printed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,", "-c", "local", *arguments),
            *("-m", "lockstep.deploy.judge", "-a", json.dumps({"site": SITE, **options})),
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


@pytest.fixture
def log(tmp_path: pathlib.Path) -> pathlib.Path:
    """Ten minutes of two releases with 120 requests a minute each; the new one fails in every tenth of its own."""
    path = tmp_path / "log"
    now = time.time()
    lines = []
    for number in range(1200):
        at = now - 600 + number / 2
        lines.append(line(at, release="r1", seconds=0.05))
        bad = {"status": 500} if number % 10 == 0 else {}
        lines.append(line(at, release="r2", seconds=0.052, **bad))
    append(path, *lines)
    return path


def test_one_site_is_judged_by_its_last_minutes_and_nothing_is_changed(log: pathlib.Path) -> None:
    before = log.read_bytes()
    options = {"log": str(log), "duration": 540, "release": "r2", "baseline": "r1"}
    rc, result, _said = run("--check", **options)
    assert rc == 0
    assert (result["changed"], result["status"]) == (False, "fail")
    assert result["reasons"] == [f"errors: {result['rules']['errors']['reason']}"]
    assert result["rules"]["errors"]["numbers"]["rate"] == pytest.approx(0.1)
    assert result["rules"]["latency"]["status"] == "pass"
    assert result["numbers"]["candidate"]["users"]["p95"] == 0.052
    assert log.read_bytes() == before
    rc, result, _said = run(**options, rules={"error_rate": 0.2})
    assert (rc, result["status"]) == (0, "pass")


def test_the_task_fails_where_that_is_wanted(log: pathlib.Path) -> None:
    bad = {"log": str(log), "release": "r2", "baseline": "r1", "duration": 300}
    for wanted in ("fail", "inconclusive"):
        rc, result, _said = run(**bad, fail_on=wanted)
        assert rc != 0
        assert result["msg"].startswith("site1.local: fail: errors: 10.0, 10.0, 10.0 % of the requests")
    unknown = {"log": str(log), "site": "other.local"}
    assert run(**unknown, fail_on="fail")[0] == 0
    rc, result, _said = run(**unknown, fail_on="inconclusive")
    assert rc != 0
    assert result["status"] == "inconclusive"


def test_latency_is_compared_with_a_time_before(log: pathlib.Path) -> None:
    now = time.time()
    append(log, *[line(now - 100 + number / 5, release="r3", seconds=0.2) for number in range(500)])
    options = {"log": str(log), "release": "r3", "duration": 180, "before": 300, "rules": {"error_rate": False}}
    rc, result, _said = run(**options)
    assert (rc, result["status"]) == (0, "fail")
    assert result["rules"]["latency"]["numbers"]["compared_with"] == "time before"
    assert result["rules"]["latency"]["numbers"]["ratio"] == pytest.approx(0.2 / 0.052, abs=0.2)


def test_the_next_seconds_are_watched(log: pathlib.Path) -> None:
    rc, result, _said = run(log=str(log), period="next", duration=2, every=1, rules={"latency_ratio": False})
    assert (rc, result["status"]) == (0, "inconclusive")
    assert result["reasons"][0].startswith("errors: traffic for 2 s and not for 3 minutes")


def test_what_can_not_be_is_refused(log: pathlib.Path) -> None:
    rc, result, _said = run(log="/no/such/log")
    assert rc != 0
    assert result["msg"].startswith("the access log /no/such/log can't be read: No such file or directory")
    assert "nginx" in result["hint"]
    rc, result, _said = run(log=str(log), period="sometime")
    assert rc != 0
    assert "period" in result["msg"]


def test_the_authorization_is_not_shown(log: pathlib.Path) -> None:
    asked = {"url": "http://127.0.0.1:1", "requests": "a", "errors": "b", "authorization": "Bearer topsecret"}
    rc, _result, said = run("-vvv", log=str(log), prometheus=asked)
    assert rc != 0
    assert "topsecret" not in said
