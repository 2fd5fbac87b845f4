# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shipped source is unpacked with the rights of the bench's user, and as a whole."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import tarfile
import tempfile
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, Layout
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.release import Builder

APP = App("frappe", "0123456789" * 4)


class Server:
    """A bench's folders, which belong to another user where root runs the test, and one shipped source."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self.layout = Layout(name="b", root=str(folder / "bench"), state_dir=str(folder / "state"))
        self.source = pathlib.Path(self.layout.source(APP))
        self.builder = Builder(t.cast(t.Any, types.SimpleNamespace(layout=self.layout, user=self.user.pw_name)))
        self.victim = folder / "etc"
        self.victim.mkdir(mode=0o700)
        os.makedirs(self.layout.root)
        os.chown(self.layout.root, self.user.pw_uid, self.user.pw_gid)
        archive = pathlib.Path(self.layout.archive(APP))
        archive.parent.mkdir(parents=True, mode=0o700)
        (folder / "HEAD").write_text("ref: refs/heads/lockstep\n")
        with tarfile.open(archive, "w") as tar:
            tar.add(folder / "HEAD", "HEAD")
        archive.chmod(0o600)

    def make(self, place: pathlib.Path) -> None:
        """A folder of the user, with what is missing above it."""
        for folder in reversed([one for one in (place, *place.parents) if not one.exists()]):
            folder.mkdir()
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    def plant(self, place: pathlib.Path) -> None:
        """Let the user put a link to a folder of somebody else in a place."""
        self.make(place.parent)
        place.symlink_to(self.victim)

    def unpack(self) -> None:
        for app in self.builder.missing_sources([APP]):
            self.builder._unpack(app)


@pytest.fixture
def server() -> t.Iterator[Server]:
    # Not pytest's own folder: other users can't enter that.
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield Server(folder)
    shutil.rmtree(folder)


def test_a_source_is_its_users_and_the_archive_is_gone(server: Server) -> None:
    server.unpack()
    assert (server.source / ".git" / "HEAD").read_text() == "ref: refs/heads/lockstep\n"
    assert {path.stat().st_uid for path in (server.source, server.source / ".git" / "HEAD")} == {server.user.pw_uid}
    assert not os.path.exists(server.layout.archive(APP))
    assert os.listdir(server.source.parent) == ["frappe"]


def test_what_an_unpacking_that_was_killed_left_is_no_source(server: Server) -> None:
    partial = pathlib.Path(f"{server.source}.partial")
    server.make(partial / ".git" / "objects")
    server.unpack()
    assert os.listdir(server.source / ".git") == ["HEAD"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led to folders of others")
def test_a_link_of_the_benchs_user_leads_root_nowhere(server: Server) -> None:
    before = server.victim.stat()
    server.plant(server.source)
    server.unpack()
    assert server.source.is_dir()
    assert not server.source.is_symlink()
    assert os.listdir(server.victim) == []
    assert (server.victim.stat().st_uid, server.victim.stat().st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led to folders of others")
def test_nor_does_one_further_up(server: Server) -> None:
    server.plant(pathlib.Path(server.layout.root, "sources"))
    with pytest.raises(LockstepError, match="failed with return code"):
        server.unpack()
    assert os.listdir(server.victim) == []
