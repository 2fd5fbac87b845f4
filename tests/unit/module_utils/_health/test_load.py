# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What wrk is told, and what is made of its figures."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import load

OUTPUT = """Running 2s test @ http://site1.local
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    43.01ms    5.46ms  48.22ms   95.68%
  183 requests in 2.00s, 20.94KB read
lockstep {"requests":183,"seconds":2.000,"bytes":21446,"p50":43.995,"p95":47.869,"p99":48.001,"max":48.218,\
"status":61,"connect":0,"read":3,"write":0,"timeout":1}
"""
FIGURES = load.parse(OUTPUT)


def test_figures_are_read_from_what_the_script_prints() -> None:
    assert FIGURES.as_dict() == {
        "requests": 183,
        "requests_per_second": 91.5,
        "seconds": 2.0,
        "bytes": 21446,
        "p50_ms": 43.995,
        "p95_ms": 47.869,
        "p99_ms": 48.001,
        "max_ms": 48.218,
        "errors": 61,
        "socket_errors": {"connect": 0, "read": 3, "write": 0, "timeout": 1},
        "error_rate": 34.759,
    }


@pytest.mark.parametrize(
    "output",
    [
        "",
        "unable to connect",
        "lockstep {",
        'lockstep {"requests": 1}',
        'lockstep {"a": 1}',
        "lockstep []",
        "lockstep 5",
        OUTPUT.replace("lockstep {", "lock {"),
    ],
)
def test_output_without_figures_is_an_error(output: str) -> None:
    with pytest.raises(LockstepError, match="did not say what it counted"):
        load.parse(output)


def judged(max_error_rate: float = 5, max_p95: float = 1000, **changes: t.Any) -> dict[str, bool | None]:
    calm = dataclasses.replace(FIGURES, status=0, read=0, timeout=0)
    found = load.judge(dataclasses.replace(calm, **changes), max_error_rate, max_p95)
    return {name: outcome.passed for name, outcome in found.items()}


def test_figures_within_their_bounds_pass() -> None:
    assert judged() == {"load": True, "error_rate": True, "p95": True}


def test_answers_that_fail_and_requests_without_any_count_as_errors() -> None:
    assert judged(status=10)["error_rate"] is False
    assert judged(timeout=10)["error_rate"] is False
    assert judged(status=9)["error_rate"] is True, "9 of 183 are under 5 %"


def test_slow_answers_fail() -> None:
    assert judged(p95=1000.1)["p95"] is False
    assert judged(max_p95=40)["p95"] is False


def test_no_data_is_inconclusive() -> None:
    assert judged(requests=0) == {"load": None, "error_rate": None, "p95": None}
    assert judged(requests=0, connect=4) == {"load": True, "error_rate": False, "p95": None}


def test_paths_can_not_leave_their_text_in_the_script() -> None:
    nasty = '/a"..os.execute("x")..\\"\n]]é'
    script = load.script_of(load.Load("http://s", "127.0.0.1:80", (nasty,), 1, 1))
    line = next(line for line in script.splitlines() if line.startswith("local paths"))
    assert "execute" not in line
    assert line.count('"') == 2
    assert "\\047\\097\\034" in line


@pytest.mark.parametrize("wrong", [{"paths": ()}, {"connections": 0}, {"duration": 0}])
def test_load_that_can_not_be_made_is_refused(wrong: dict[str, t.Any]) -> None:
    given: dict[str, t.Any] = {"paths": ("/",), "connections": 1, "duration": 1, **wrong}
    with pytest.raises(LockstepError):
        load.Load("http://s", "127.0.0.1:80", **given)


def test_a_missing_wrk_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LockstepError, match=r"wrk, .* is not installed on this server\. install the package wrk"):
        load.run(load.Load("http://s", "127.0.0.1:80", ("/",), 1, 1))
