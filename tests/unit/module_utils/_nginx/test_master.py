# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running nginx is found by its own process, and its error log is read from where it was."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import master as module
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.master import Master
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration

BUILT = (
    "nginx version: nginx/1.22.1\nconfigure arguments: --with-cc-opt='-g -O2 --prefix=no' --prefix=/usr/share/nginx "
    "--error-log-path=stderr --pid-path=/run/nginx.pid --with-threads\n"
)


def of(
    monkeypatch: pytest.MonkeyPatch, text: str, prefix: str | None = None, built: str = BUILT
) -> tuple[str, str | None]:
    said = process.Completed(("nginx", "-V"), 0, "", built)
    monkeypatch.setattr(process, "run", lambda *_args, **_options: said)
    found = Master.of(Configuration(f"# configuration file /etc/nginx/nginx.conf:\n{text}\n"), "nginx", prefix)
    return found._pid_file, found.error_log


def test_paths_are_those_of_the_configuration_its_prefix_or_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of(monkeypatch, "") == ("/run/nginx.pid", None)
    assert of(monkeypatch, "pid p; error_log e notice;") == ("/usr/share/nginx/p", "/usr/share/nginx/e")
    assert of(monkeypatch, "pid p; error_log /e;", prefix="/srv/n") == ("/srv/n/p", "/e")
    assert of(monkeypatch, "error_log syslog:server=x;")[1] is None
    plain = of(monkeypatch, "", built="nginx version: nginx/1.27.0\nconfigure arguments:\n")
    assert plain == ("/usr/local/nginx/logs/nginx.pid", "/usr/local/nginx/logs/error.log")


@pytest.mark.parametrize("content", ["", "no number", "our own", "4194304999"])
def test_a_pid_file_that_names_no_nginx_names_nobody(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()) if content == "our own" else content)
    found = Master(str(tmp_path / "pid"), None)
    assert found.pid() is None
    assert not found.workers()
    assert not found.leaving()
    with pytest.raises(LockstepError, match="does not run"):
        found.require()


@pytest.fixture
def found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Master:
    """A master with process id 7 and an error log."""
    monkeypatch.setattr(module.Master, "pid", lambda _self: 7)
    return Master(str(tmp_path / "pid"), str(tmp_path / "error.log"))


def line(pid: int, level: str, text: str) -> str:
    return f"2026/11/20 19:00:00 [{level}] {pid}#{pid}: {text}\n"


def test_only_what_this_master_could_not_do_since_then_counts(found: Master, tmp_path: pathlib.Path) -> None:
    log = tmp_path / "error.log"
    assert found.log_position() == 0
    assert found.emergencies(0) == []
    log.write_text(line(7, "emerg", "long ago"))
    position = found.log_position()
    with log.open("a") as handle:
        handle.write(line(8, "emerg", "another nginx") + line(7, "warn", "only a warning"))
        handle.write(line(7, "emerg", "bind() to 0.0.0.0:80 failed (98: Address already in use)"))
    assert found.emergencies(position) == ["bind() to 0.0.0.0:80 failed (98: Address already in use)"]


def test_a_log_that_was_rotated_is_read_from_its_beginning(found: Master, tmp_path: pathlib.Path) -> None:
    log = tmp_path / "error.log"
    log.write_text("x" * 1000)
    position = found.log_position()
    log.write_text(line(7, "emerg", "after the rotation"))
    assert found.emergencies(position) == ["after the rotation"]
