# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the server says, or does not say, becomes the result of the wait."""

from __future__ import annotations

import pathlib
import types
import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.lockstep.deploy.plugins.action import await_job

LOST = AnsibleConnectionFailure("ssh: connection reset")


class Server:
    """Answers modules by their name, one after the other."""

    def __init__(self, **answers: list[t.Any]) -> None:
        self.answers = answers
        self.cleaned = 0

    def execute(self, *, module_name: str, module_args: dict[str, t.Any], **_more: t.Any) -> dict[str, t.Any]:
        name = module_name.rpartition(".")[2]
        if module_args.get("mode") == "cleanup":
            self.cleaned += 1
            return {}
        answer = self.answers[name].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> t.Callable[..., dict[str, t.Any]]:
    """Waits for a job of a server."""
    monkeypatch.setattr(await_job.ActionBase, "run", lambda *_arguments: {})
    monkeypatch.setattr(await_job.C, "DEFAULT_LOCAL_TMP", str(tmp_path), raising=False)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)

    def found(server: Server, **arguments: t.Any) -> dict[str, t.Any]:
        task = types.SimpleNamespace(args={"jid": "j1.2", **arguments}, check_mode=False, async_val=0)
        action = t.cast(t.Any, await_job.ActionModule)(task, None, None, None, None, None)
        action._remote_expand_user = str
        action.get_shell_option = lambda _name, default: default
        action._execute_module = server.execute
        return t.cast("dict[str, t.Any]", action.run(None, {}))

    return found


def test_a_lost_connection_is_borne_wherever_it_is_lost(wait: t.Callable[..., dict[str, t.Any]]) -> None:
    server = Server(
        job_info=[LOST, {"state": "running"}, LOST, {"state": "finished"}], async_status=[{"changed": True, "found": 7}]
    )
    assert wait(server) == {"changed": True, "found": 7, "job": "finished", "released": False}
    assert server.cleaned == 1


def test_a_server_that_stays_away_is_unreachable(wait: t.Callable[..., dict[str, t.Any]]) -> None:
    with pytest.raises(AnsibleConnectionFailure):
        wait(Server(job_info=[LOST]), patience=0)


def test_a_process_that_is_gone_is_told_in_plain_words(wait: t.Callable[..., dict[str, t.Any]]) -> None:
    gone = wait(Server(job_info=[{"state": "gone"}]))
    assert gone["failed"]
    assert gone["msg"].startswith("its process on the server is gone and left no result")
    unread = {"failed": True, "cmd": "python x", "data": "", "stderr": "Killed", "msg": "Traceback …"}
    killed = wait(Server(job_info=[{"state": "finished"}], async_status=[unread]))
    assert killed["failed"]
    assert killed["msg"] == gone["msg"]
    assert killed["job"] == "gone"


def test_waits_that_belong_together_end_with_the_first_failure(wait: t.Callable[..., dict[str, t.Any]]) -> None:
    well = Server(job_info=[{"state": "finished"}], async_status=[{"changed": False}])
    assert wait(well, together="a")["job"] == "finished"
    badly = Server(job_info=[{"state": "finished"}], async_status=[{"failed": True, "msg": "no"}])
    assert wait(badly, together="a")["failed"]
    assert wait(Server(job_info=[]), together="a") == {"job": "released", "released": True}
    assert wait(Server(job_info=[{"state": "gone"}]), together="b")["job"] == "gone"
    assert wait(Server(job_info=[{"state": "gone"}]), together="b")["job"] == "gone", "what is gone releases nobody"


def test_what_takes_too_long_fails_and_goes_on(wait: t.Callable[..., dict[str, t.Any]]) -> None:
    server = Server(job_info=[{"state": "running"}])
    found = wait(server, timeout=0)
    assert (found["failed"], found["job"], server.cleaned) == (True, "late", 0)
