# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The owner of a folder in which root works can lead root nowhere else."""

from __future__ import annotations

import os
import pathlib
import pwd
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, beneath, entries, folders, snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

USER = "nobody"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led to files of others")


class Home:
    """A folder of an unprivileged user, and one that only root may change.

    Args:
        folder: Where both are.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.account = pwd.getpwnam(USER)
        self.theirs, self.roots = folder / "home", folder / "etc"
        self.victim = self.roots / "passwd"
        self.theirs.mkdir()
        self.roots.mkdir()
        self.victim.write_text("root's")
        self.give(self.theirs)

    def give(self, path: pathlib.Path) -> None:
        """Let the user have made it."""
        os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)

    def plant(self, name: str, target: pathlib.Path) -> pathlib.Path:
        """A link of that user."""
        link = self.theirs / name
        link.symlink_to(target)
        self.give(link)
        return link

    def folder(self, name: str) -> pathlib.Path:
        """A folder of that user."""
        made = self.theirs / name
        made.mkdir()
        self.give(made)
        return made

    def require_untouched(self) -> None:
        assert os.listdir(self.roots) == ["passwd"]
        assert self.victim.read_text() == "root's"
        assert {self.victim.stat().st_uid, self.roots.stat().st_uid} == {0}


@pytest.fixture
def home(tmp_path: pathlib.Path) -> t.Iterator[Home]:
    found = Home(tmp_path)
    yield found
    found.require_untouched()


def test_a_file_that_is_given_away_does_not_replace_what_a_link_names(tmp_path: pathlib.Path) -> None:
    (tmp_path / "victim").write_text("old")
    (tmp_path / "config").symlink_to(tmp_path / "victim")
    with pytest.raises(LockstepError, match="is a symlink: not written"):
        atomic.write_text(str(tmp_path / "config"), "new", owner=pwd.getpwuid(os.geteuid()).pw_name)
    assert (tmp_path / "victim").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["config", "victim"]


@as_root
@pytest.mark.parametrize("owner", [USER, None])
@pytest.mark.parametrize("name", ["passwd", "new"])
def test_nothing_is_written_through_a_planted_link(home: Home, owner: str | None, name: str) -> None:
    home.plant("config", home.roots)
    home.plant("file", home.roots / name)
    for path in (home.theirs / "config" / name, home.theirs / "file"):
        with pytest.raises((LockstepError, OSError)):
            atomic.write_text(str(path), "new", owner=owner)


@as_root
def test_a_given_file_belongs_to_its_user_with_the_mode_asked_for(home: Home) -> None:
    atomic.write_text(str(home.theirs / "file"), "new", mode=0o640, owner=USER)
    status = (home.theirs / "file").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (home.account.pw_uid, home.account.pw_gid, 0o640)


@as_root
def test_a_link_of_a_user_to_what_is_theirs_is_followed(home: Home) -> None:
    home.folder("disk")
    home.plant("files", pathlib.Path("disk"))
    atomic.write_text(str(home.theirs / "files" / "one"), "new", owner=USER)
    assert (home.theirs / "disk" / "one").read_text() == "new"
    home.plant("link", home.theirs / "disk" / "one")
    with beneath.reading(str(home.theirs / "link")) as handle:
        assert handle.read() == "new"


@as_root
def test_no_other_users_secrets_are_read_through_a_planted_link(home: Home) -> None:
    home.victim.write_text('{"secret": 1}')
    with pytest.raises(LockstepError, match="not followed"):
        atomic.read_json(str(home.plant("config.json", home.victim)))
    home.victim.write_text("root's")


@as_root
def test_links_that_lead_to_each_other_end(home: Home) -> None:
    home.plant("a", home.theirs / "b")
    home.plant("b", home.theirs / "a")
    with pytest.raises(LockstepError, match="could not be written"):
        atomic.write_text(str(home.theirs / "a" / "file"), "new")


@as_root
def test_nothing_is_exchanged_through_a_planted_link(home: Home) -> None:
    home.plant("sites", home.roots)
    (home.theirs / "passwd").write_text("theirs")
    with pytest.raises(LockstepError, match="not followed"):
        atomic.exchange(str(home.theirs / "passwd"), str(home.theirs / "sites" / "passwd"))


@as_root
def test_no_link_is_made_or_removed_through_a_planted_one(home: Home, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "etc2"
    place.mkdir()
    (place / "link").symlink_to("x")
    home.plant("sites", place)
    for act in (
        lambda path: folders.link(path + "2", "x", USER),
        folders.remove_link,
        lambda path: atomic.replace_symlink("y", path),
        lambda path: folders.give(path, USER),
    ):
        with pytest.raises(LockstepError, match="not followed"):
            act(str(home.theirs / "sites" / "link"))
    assert (os.listdir(place), os.readlink(place / "link")) == (["link"], "x")


@as_root
def test_no_folder_is_made_or_removed_through_a_planted_link(home: Home, tmp_path: pathlib.Path) -> None:
    home.plant("spare", home.roots)
    with pytest.raises(LockstepError, match="not followed"):
        folders.ensure(str(home.theirs / "spare" / "site"), USER)
    with pytest.raises(LockstepError, match="not followed"):
        folders.remove_tree(str(home.theirs / "spare" / "passwd"), str(tmp_path))
    folders.remove_tree(str(home.theirs / "spare"), str(home.theirs))
    assert os.listdir(home.theirs) == []


@as_root
def test_what_is_put_in_place_of_a_new_folder_is_not_given_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = os.mkdir

    def exchanged(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.rename(home.roots, name, dst_dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", exchanged)
    with pytest.raises(LockstepError, match="exchanged"):
        folders.ensure(str(home.theirs / "data"), USER)
    os.rename(home.theirs / "data", home.roots)


@as_root
def test_a_folder_for_root_alone_must_be_roots(home: Home) -> None:
    home.folder("backups")
    with pytest.raises(LockstepError, match="belongs to user"):
        folders.ensure(str(home.theirs / "backups"), mode=0o700)
    with pytest.raises(LockstepError, match="belongs to user"):
        folders.require_ours(str(home.theirs / "backups"))
    assert not folders.ensure(str(home.theirs / "backups"), USER)


def test_missing_folders_are_made_one_by_one(tmp_path: pathlib.Path) -> None:
    assert folders.ensure(str(tmp_path / "a" / "b" / "c"), mode=0o750)
    assert not folders.ensure(str(tmp_path / "a" / "b" / "c"), mode=0o750)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o750
    (tmp_path / "file").write_text("")
    for path in ("file", "file/below"):
        with pytest.raises(LockstepError, match="can't be made"):
            folders.ensure(str(tmp_path / path))


def test_links_in_a_tree_are_removed_and_not_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("kept")
    (tmp_path / "tree" / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree" / "deep" / "file").write_text("")
    folders.remove_tree(str(tmp_path / "tree"), str(tmp_path))
    folders.remove_tree(str(tmp_path / "tree"), str(tmp_path))
    assert os.listdir(tmp_path) == ["kept"]
    assert (tmp_path / "kept" / "file").read_text() == "kept"


@pytest.mark.parametrize("at", ["temporary file", "folder", "file"])
def test_a_restore_writes_through_no_link(tmp_path: pathlib.Path, at: str) -> None:
    source, copy, elsewhere = tmp_path / "files", tmp_path / "copy", tmp_path / "elsewhere"
    (source / "deep").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "one").write_text("theirs")
    (source / "deep" / "one").write_text("saved")
    snapshot.refresh(str(source), str(copy))
    (source / "deep" / "one").unlink()
    if at == "temporary file":
        (source / "deep" / "one.lockstep").symlink_to(elsewhere / "one")
    elif at == "file":
        (source / "deep" / "one").symlink_to(elsewhere / "one")
    else:
        (source / "deep").rmdir()
        (source / "deep").symlink_to(elsewhere)
    assert snapshot.put_back(str(copy), str(source), None) == ["deep/one"]
    assert (source / "deep" / "one").read_text() == "saved"
    assert not (source / "deep" / "one").is_symlink()
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == {"one": "theirs"}
    assert os.listdir(source / "deep") == ["one"]


@as_root
def test_files_and_folders_that_come_back_are_their_users(home: Home, tmp_path: pathlib.Path) -> None:
    (home.folder("deep") / "one").write_text("saved")
    (home.theirs / "deep" / "one").chmod(0o4755)
    snapshot.refresh(str(home.theirs), str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "deep" / "one").stat().st_mode & 0o7777 == 0o755, "no program that runs as root"
    folders.remove_tree(str(home.theirs / "deep"), str(home.theirs))
    snapshot.put_back(str(tmp_path / "copy"), str(home.theirs), USER)
    for path in (home.theirs / "deep", home.theirs / "deep" / "one"):
        assert path.stat().st_uid == home.account.pw_uid


@as_root
def test_a_snapshot_takes_nothing_that_its_owner_may_not_read(home: Home, tmp_path: pathlib.Path) -> None:
    with pytest.raises(LockstepError, match="not followed"):
        snapshot.refresh(str(home.plant("files", home.roots)), str(tmp_path / "copy"))
    with pytest.raises(LockstepError, match="not followed"):
        snapshot.put_back(str(home.roots), str(home.theirs / "files"), USER)


def test_moved_folders_are_merged_and_replace_links(tmp_path: pathlib.Path) -> None:
    source, target, elsewhere = tmp_path / "source", tmp_path / "target", tmp_path / "elsewhere"
    for path in (source / "both", source / "linked", target / "both", elsewhere):
        path.mkdir(parents=True)
    for path in (source / "both" / "new", source / "linked" / "new", target / "both" / "old"):
        path.write_text(path.name)
    (target / "linked").symlink_to(elsewhere)
    (target / "both" / "new").symlink_to(elsewhere / "new")
    with beneath.folder(str(source)) as inside, beneath.folder(str(target)) as place:
        for name in ("both", "linked"):
            entries.move(name, inside, place)
    assert os.listdir(source) == os.listdir(elsewhere) == []
    assert sorted(os.listdir(target / "both")) == ["new", "old"]
    assert not (target / "linked").is_symlink()
    assert (target / "linked" / "new").read_text() == (target / "both" / "new").read_text() == "new"


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="needs a second file system")
def test_folders_move_to_another_file_system(tmp_path: pathlib.Path) -> None:
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "deep" / "file").write_text("kept")
    (tmp_path / "source" / "deep" / "link").symlink_to("file")
    (tmp_path / "other").mkdir()
    place = pathlib.Path("/dev/shm") / f"lockstep-{os.getpid()}"
    place.mkdir()
    try:
        with beneath.folder(str(tmp_path)) as inside, beneath.folder(str(place)) as target:
            entries.move("source", inside, target)
        assert (place / "source" / "deep" / "link").read_text() == "kept"
        assert os.listdir(tmp_path) == ["other"]
    finally:
        folders.remove_tree(str(place), "/dev/shm")
