# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands, systemd and containers are believed by what they say, and silence is no answer."""

from __future__ import annotations

import pathlib
import sys

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome
from ansible_collections.lockstep.deploy.plugins.module_utils._health.probes import Command, Container, Systemd


@pytest.fixture
def program(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty folder in front of PATH for programs of the test's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def says(folder: pathlib.Path, name: str, text: str, rc: int = 0, error: str = "") -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\necho '{error}' >&2\nexit {rc}\n")
    file.chmod(0o755)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_command_passes_by_return_code_and_output() -> None:
    assert Command(python("print('ready v2')"), contains="ready", matches=r"v\d").ask(10).passed
    assert Command(python("raise SystemExit(3)"), rc=(0, 3)).ask(10).passed
    failed = Command(python("import sys; print('why', file=sys.stderr); sys.exit(1)")).ask(10)
    assert (failed.passed, failed.message) == (False, "return code 1 instead of 0")
    assert failed.observed["stderr"] == "why\n"
    assert Command(python("print('no')"), contains="yes").ask(10).passed is False
    assert Command(python("print('no')"), matches="^yes").ask(10).passed is False


def test_a_command_that_takes_too_long_failed_and_one_that_is_missing_said_nothing() -> None:
    late = Command(python("import time; time.sleep(60)")).ask(0.2)
    assert late.passed is False
    assert "ended after 0.2 s" in late.message
    assert Command(("/no/such/program",)).ask(1).passed is None


@pytest.mark.parametrize(
    ("text", "rc", "sub_state", "passed"),
    [
        ("LoadState=loaded\nActiveState=active\nSubState=running", 0, "running", True),
        ("LoadState=loaded\nActiveState=active\nSubState=exited", 0, "running", False),
        ("LoadState=loaded\nActiveState=active\nSubState=exited", 0, "exited", True),
        ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart", 0, "running", False),
        ("LoadState=not-found\nActiveState=inactive\nSubState=dead", 0, "running", False),
        ("", 1, "running", None),
    ],
)
def test_a_unit_passes_only_when_it_is_active_and_in_the_state_asked_for(
    program: pathlib.Path, text: str, rc: int, sub_state: str, passed: bool | None
) -> None:
    says(program, "systemctl", text, rc, "System has not been booted with systemd")
    assert Systemd("web.service", sub_state).ask(10).passed is passed


@pytest.mark.parametrize(
    ("state", "require", "passed"),
    [
        ('{"Status": "running", "Health": {"Status": "healthy"}}', "healthy", True),
        ('{"Status": "running", "Health": {"Status": "starting"}}', "healthy", False),
        ('{"Status": "running", "Health": {"Status": "unhealthy"}}', "healthy", False),
        ('{"Status": "running"}', "healthy", None),
        ('{"Status": "running", "Health": {"Status": "none"}}', "healthy", None),
        ('{"Status": "running"}', "running", True),
        ('{"Status": "exited", "Health": {"Status": "healthy"}}', "healthy", False),
        ('{"Status": "restarting"}', "running", False),
    ],
)
def test_a_container_passes_only_by_its_own_health_check(
    program: pathlib.Path, state: str, require: str, passed: bool | None
) -> None:
    says(program, "docker", state)
    assert Container("web", require).ask(10).passed is passed


def test_a_container_that_is_gone_failed_and_an_engine_that_is_silent_said_nothing(program: pathlib.Path) -> None:
    def ask() -> Outcome:
        return Container("web", engine="podman").ask(10)

    assert ask().passed is None
    says(program, "podman", "", 1, "Error: No such container: web")
    assert ask().passed is False
    says(program, "podman", "", 1, "Cannot connect to the engine")
    assert (ask().passed, ask().message) == (None, "Cannot connect to the engine")
