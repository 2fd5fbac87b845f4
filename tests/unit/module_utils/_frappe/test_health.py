# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users' own tests find, and what is told when one fails."""

from __future__ import annotations

import os
import pathlib
import pwd
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import Transport

USER = pwd.getpwuid(os.geteuid())


def program(path: pathlib.Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Bench:
    release = tmp_path / "release"
    program(release / "env" / "bin" / "python", "echo the python of the release > which")
    return Bench(str(release), USER.pw_name, program(tmp_path / "tools" / "bench", 'echo "$LOCKSTEP_SITE $@" > asked'))


def run(bench: Bench, monkeypatch: pytest.MonkeyPatch, *tests: list[str]) -> None:
    options = types.SimpleNamespace(smoke_tests=(), tests=tests, timeout=30.0)
    deployment: t.Any = types.SimpleNamespace(
        context=None, site=types.SimpleNamespace(name="site1.local"), options=options, after=None
    )
    direct = types.SimpleNamespace(direct=lambda: Transport("site1.local", f"unix:{bench.path}/web.sock"))
    monkeypatch.setattr(SiteHealth, "_on", lambda _self, _release: direct)
    SiteHealth(deployment).run_tests(bench)


def test_commands_find_bench_and_the_python_of_the_release(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run(bench, monkeypatch, ["bench", "version"], ["python", "-V"])
    release = pathlib.Path(bench.path)
    assert (release / "asked").read_text() == "site1.local version\n"
    assert (release / "which").read_text() == "the python of the release\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["sh", "-c", "echo no cart; exit 3"],
            "the test sh -c 'echo no cart; exit 3' failed with return code 3: no cart",
        ),
        (["nowhere", "-x"], "the test nowhere -x failed: nowhere can't be started"),
    ],
)
def test_a_failure_says_which_test_it_was_and_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, command: list[str], said: str
) -> None:
    with pytest.raises(LockstepError) as caught:
        run(bench, monkeypatch, ["true"], command, ["touch", "later"])
    assert caught.value.message.startswith(said)
    assert caught.value.hint is not None
    assert f"it ran as {USER.pw_name} in the folder of the new release" in caught.value.hint
    assert not (pathlib.Path(bench.path) / "later").exists()
