# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a release runs, each listener asked on its own port or socket, and who keeps it from being stopped."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import processes as processes_module
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import PORT_NAMES, Release

REALTIME = {
    "older": "/usr/bin/node /b/apps/frappe/socketio.js",
    "newer": "/usr/local/bin/bench socketio",
}


class Scene:
    """A release whose listeners the test opens and closes."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._open = contextlib.ExitStack()
        self._bound = {name: self._bind() for name in PORT_NAMES}
        self.web = folder / "web.sock"
        (folder / "config").mkdir()
        (folder / "locks").mkdir()
        self.stopped: list[str] = []
        self.retained: set[str] = set()
        ports = {name: bound.getsockname()[1] for name, bound in self._bound.items()}
        self.release = Release("cafe0123", str(folder), 1, ports, [], adopted=False, ready=True)
        self._file = folder / "config" / "supervisor.conf"
        self.processes = Processes(t.cast(t.Any, self._context(folder)))

    def _context(self, folder: pathlib.Path) -> types.SimpleNamespace:
        return types.SimpleNamespace(
            state_dir=str(folder),
            layout=types.SimpleNamespace(name="shop"),
            record=types.SimpleNamespace(is_retained=lambda release: release in self.retained),
            runtime=lambda _release: types.SimpleNamespace(socket=lambda _name: str(self.web)),
            bench=lambda _release: types.SimpleNamespace(sites_folder=str(folder / "none")),
            unit_folder=lambda name: str(folder / "units" / name),
            group=lambda release: f"lockstep-shop-{release.id}",
            supervision=types.SimpleNamespace(
                running=lambda _group: True,
                idle=lambda _group: ["lockstep-shop-cafe0123-redis-cache-0 FATAL Exited too quickly"],
                start=lambda _group: None,
                stop=self.stopped.append,
            ),
        )

    def bench_made(self, realtime: str | None) -> None:
        program = f"[program:shop-node-socketio]\ncommand={realtime}\n" if realtime else ""
        self._file.write_text(f"[program:shop-redis-cache]\ncommand=redis-server /b/config/redis.conf\n{program}")

    def listen(self, *names: str) -> None:
        for name in names:
            if name == "web":
                web = self._open.enter_context(socket.socket(socket.AF_UNIX))
                web.bind(str(self.web))
                web.listen()
            else:
                self._bound[name].listen()

    def _bind(self) -> socket.socket:
        bound = self._open.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        return bound

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> t.Iterator[Scene]:
    found = Scene(tmp_path)
    yield found
    found.close()


def test_a_bench_without_node_has_no_realtime_and_runs_without_it(scene: Scene) -> None:
    scene.bench_made(None)
    scene.listen("web", "redis_cache", "redis_queue")
    assert scene.processes.running(scene.release)
    assert scene.processes.start(scene.release) is False


@pytest.mark.parametrize("realtime", REALTIME.values(), ids=REALTIME)
def test_a_bench_with_realtime_runs_when_that_answers_too(scene: Scene, realtime: str) -> None:
    scene.bench_made(realtime)
    scene.listen("web", "redis_cache", "redis_queue")
    assert not scene.processes.answers(scene.release)
    scene.listen("socketio")
    assert scene.processes.answers(scene.release)


def test_what_bench_made_is_not_known_so_everything_has_to_answer(scene: Scene) -> None:
    scene.listen("web", "redis_cache", "redis_queue")
    assert not scene.processes.answers(scene.release)


def test_what_does_not_answer_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "_START_TIMEOUT", 0.0)
    scene.bench_made(REALTIME["newer"])
    scene.listen("web", "redis_queue")
    ports = scene.release.ports
    with pytest.raises(LockstepError) as raised:
        scene.processes.start(scene.release)
    said = (
        f"redis_cache on port {ports['redis_cache']} does not answer; socketio on port {ports['socketio']} does not "
        "answer; lockstep-shop-cafe0123-redis-cache-0 FATAL Exited too quickly"
    )
    assert said in str(raised.value)


def test_a_release_that_nobody_needs_is_stopped_also_when_only_part_of_it_answers(scene: Scene) -> None:
    scene.bench_made(None)
    assert scene.processes.stop_if_unused(scene.release) is False
    scene.listen("redis_queue")
    assert scene.processes.stop_if_unused(scene.release) is True
    assert scene.stopped == ["lockstep-shop-cafe0123"]


def test_a_release_whose_retention_is_not_over_is_not_stopped(scene: Scene) -> None:
    scene.listen("redis_queue")
    scene.retained.add(scene.release.id)
    assert scene.processes.stop_if_unused(scene.release) is False
    scene.retained.clear()
    assert scene.processes.stop_if_unused(scene.release) is True


def test_a_folder_that_is_no_site_of_ours_is_one_by_any_name(tmp_path: pathlib.Path) -> None:
    sites = tmp_path / "sites"
    for name in ("site1.local", "site1.local (copy)", ".site1.old", "assets"):
        (sites / name).mkdir(parents=True)
        if name != "assets":
            (sites / name / "site_config.json").write_text("{}")
    (sites / "passive.local").symlink_to(sites / "site1.local")
    context: t.Any = types.SimpleNamespace(bench=lambda _release: Bench(str(tmp_path), "frappe", "bench"))
    release: t.Any = None
    assert Processes(context).active_sites(release) == [".site1.old", "site1.local", "site1.local (copy)"]


@pytest.mark.parametrize(
    ("more", "awaited"),
    [
        ({}, []),
        ({"rollback_reason": "wrong tax"}, ["site1.local"]),
    ],
    ids=["confirmed", "on its way back"],
)
def test_a_site_that_goes_back_needs_its_release_of_before(
    scene: Scene, more: dict[str, str], awaited: list[str]
) -> None:
    journal = Journal(scene.processes._context.unit_folder("site1.local"))
    journal.open(
        unit="site1.local", driver="frappe_site", deployment_id="d1", data={"before": scene.release.id, "after": "x"}
    )
    journal.end(journal.begin("confirm", 60), "completed")
    journal.data.update(more)
    journal.save()
    assert scene.processes.awaiting(scene.release) == awaited
    assert scene.processes.awaiting(scene.release, leaving=True) == ["site1.local"], "it must not be removed yet"
    journal.close("live")
    assert scene.processes.awaiting(scene.release, leaving=True) == []
