# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens to nginx while it is changed, the configuration of before is in force, and the error says why."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.server import Nginx
from tests.integration.nginx.scene import BINARY, Scene, wait_until
from tests.integration.nginx.test_server import Before
from tests.support.disks import small_disk

pytestmark = pytest.mark.integration


@pytest.fixture
def first(scene: Scene) -> Before:
    """A scene that serves site1.local."""
    scene.apply(scene.site("site1.local"))
    return Before(scene)


def more(scene: Scene) -> None:
    scene.apply(scene.site("site1.local"), scene.site("site2.local"))


def test_an_upstream_in_another_file_that_can_not_be_resolved(scene: Scene, first: Before) -> None:
    other = scene.conf_dir / "somebody.conf"
    other.write_text("server { listen unix:/tmp/x; location / { proxy_pass http://nowhere.invalid; } }\n")
    ours, serving = (scene.conf_dir / config.FILE).read_text(), scene.nginx.serving()
    with pytest.raises(LockstepError, match=r"host not found in upstream .nowhere\.invalid.*somebody\.conf:1"):
        more(scene)
    assert ((scene.conf_dir / config.FILE).read_text(), scene.nginx.serving()) == (ours, serving)
    other.unlink()
    scene.nginx.recover()
    first.assert_back()
    more(scene)


def test_a_disk_without_room_for_the_file(scene: Scene) -> None:
    with small_disk(scene.conf_dir, "200k") as disk:
        scene.apply(scene.site("site1.local"))
        first = Before(scene)
        disk.fill()
        with pytest.raises(LockstepError, match=r"00-lockstep\.conf could not be written: No space left") as caught:
            more(scene)
        assert caught.value.left == "the files from before are back"
        disk.empty()
        first.assert_back()
        more(scene)
        scene.apply()  # nothing of a disk that goes away is read any more


def test_a_disk_without_room_for_what_to_put_back(scene: Scene) -> None:
    with small_disk(scene.folder / "state", "200k") as disk:
        scene.apply(scene.site("site1.local"))
        first = Before(scene)
        disk.fill()
        with pytest.raises(LockstepError, match="No space left") as caught:
            more(scene)
        assert caught.value.left == "the files from before are back"
        disk.empty()
        first.assert_back()
        more(scene)


def test_a_master_that_was_killed_alone_leaves_workers_that_serve_what_they_did(scene: Scene, first: Before) -> None:
    master, serving = scene.nginx.master(), scene.nginx.serving()
    orphans = master.workers()
    os.kill(master.require(), signal.SIGKILL)
    wait_until(lambda: master.pid() is None, "the master is gone")
    try:
        with pytest.raises(LockstepError, match="nginx does not run") as caught:
            more(scene)
        assert "start it" in str(caught.value.hint)
        first.assert_back()
        assert scene.get("/lockstep-generation").text.strip() == serving
    finally:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def deadly(scene: Scene) -> t.Iterator[Nginx]:
    """The same nginx by a program whose reload kills its master instead, as the kernel does."""
    program = scene.folder / "nginx"
    kill = f'kill -9 "$(cat {scene.folder}/nginx.pid)"'
    program.write_text(f'#!/bin/sh\ncase "$*" in *"-s reload"*) {kill};; *) exec {BINARY} "$@";; esac\n')
    program.chmod(0o755)
    orphans = scene.nginx.master().workers()
    yield Nginx(
        binary=str(program),
        conf=str(scene.conf),
        conf_dir=str(scene.conf_dir),
        state=str(scene.folder / "state"),
        generation_socket=str(scene.run / "nginx" / "generation.sock"),
    )
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)


def test_a_master_that_is_killed_by_the_reload(scene: Scene, first: Before, deadly: Nginx) -> None:
    wanted = scene.rendered(scene.site("site2.local"))
    with pytest.raises(LockstepError, match="nginx's master process is gone") as caught:
        deadly.apply({config.FILE: wanted.text}, wanted.generation)
    assert caught.value.left == "the configuration from before is in force"
    first.assert_back()
