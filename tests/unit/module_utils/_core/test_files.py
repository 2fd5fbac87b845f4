# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files are the old or the new one, and snapshots are what was there."""

from __future__ import annotations

import errno
import os
import pathlib
import threading

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, folders, snapshot
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


def test_a_link_to_a_file_stays_a_link_when_the_file_is_replaced(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "config").write_text("old")
    (tmp_path / "config").symlink_to(tmp_path / "data" / "config")
    atomic.write_text(str(tmp_path / "config"), "new", mode=0o640)
    assert (tmp_path / "config").is_symlink()
    assert (tmp_path / "data" / "config").read_text() == "new"
    assert (tmp_path / "data" / "config").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_loses_nothing_and_leaves_no_litter(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LockstepError, match="No space left on device"):
        atomic.write_text(str(tmp_path / "config"), "new")
    assert (tmp_path / "config").read_text() == "old"
    assert os.listdir(tmp_path) == ["config"]


def test_who_reads_during_exchanges_always_finds_one_of_the_two(tmp_path: pathlib.Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config").write_text(name)
    stop, failed, found = threading.Event(), [], set()

    def read() -> None:
        while not stop.is_set():
            try:
                found.add((tmp_path / "one" / "config").read_text())
            except OSError as error:
                failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ignored in range(400):
        atomic.exchange(str(tmp_path / "one"), str(tmp_path / "other"))
    stop.set()
    reader.join()
    assert not failed
    assert found == {"one", "other"}


def test_broken_json_is_an_error_and_missing_json_is_not(tmp_path: pathlib.Path) -> None:
    assert atomic.read_json(str(tmp_path / "none"), {"a": 1}) == {"a": 1}
    (tmp_path / "cut").write_text('{"a": ')
    with pytest.raises(LockstepError, match="can't be read as JSON"):
        atomic.read_json(str(tmp_path / "cut"))


def test_only_what_lies_inside_is_removed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    with pytest.raises(LockstepError, match="not removed"):
        folders.remove_tree(str(tmp_path / "ours" / ".." / "theirs"), str(tmp_path / "ours"))
    (tmp_path / "ours" / "link").symlink_to(tmp_path / "theirs")
    folders.remove_tree(str(tmp_path / "ours" / "link"), str(tmp_path / "ours"))
    assert (tmp_path / "theirs").is_dir()


def test_a_snapshot_follows_its_source_and_links_what_an_older_one_has(tmp_path: pathlib.Path) -> None:
    source, first, second = tmp_path / "files", tmp_path / "first", tmp_path / "second"
    (source / "deep").mkdir(parents=True)
    (source / "kept.pdf").write_text("kept")
    (source / "deep" / "changed.pdf").write_text("before")
    snapshot.refresh(str(source), str(first))
    (source / "deep" / "changed.pdf").write_text("afterwards")
    (source / "new.pdf").write_text("new")
    snapshot.refresh(str(source), str(second), str(first))
    assert (second / "deep" / "changed.pdf").read_text() == "afterwards"
    assert (first / "deep" / "changed.pdf").read_text() == "before"
    assert (second / "kept.pdf").stat().st_ino == (first / "kept.pdf").stat().st_ino
    assert (second / "kept.pdf").stat().st_ino != (source / "kept.pdf").stat().st_ino
    (source / "new.pdf").unlink()
    assert "new.pdf" not in snapshot.refresh(str(source), str(second), str(first))
    assert not (second / "new.pdf").exists()


def test_files_that_changed_or_went_come_back_and_later_ones_stay(tmp_path: pathlib.Path) -> None:
    source, copy = tmp_path / "files", tmp_path / "copy"
    source.mkdir()
    for name in ("same", "changed", "gone"):
        (source / name).write_text(name)
    snapshot.refresh(str(source), str(copy))
    (source / "changed").write_text("something else")
    (source / "gone").unlink()
    (source / "later").write_text("later")
    assert snapshot.put_back(str(copy), str(source), None) == ["changed", "gone"]
    assert {path.name: path.read_text() for path in source.iterdir()} == {
        "same": "same",
        "changed": "changed",
        "gone": "gone",
        "later": "later",
    }
