# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is needed of disks and memory against what there is."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import resources
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.resources import Need, Reserve

GB = 1_000_000_000


def judge(monkeypatch: pytest.MonkeyPatch, free: int, needs: list[Need]) -> Findings:
    place = types.SimpleNamespace(f_bavail=free // 4096, f_frsize=4096)
    monkeypatch.setattr(resources.os, "statvfs", lambda _path: place)
    found = Findings()
    resources.judge_disks(needs, Reserve(), found)
    return found


@pytest.mark.parametrize(
    ("need", "free", "enough"),
    [(1 * GB, 6.1 * GB, True), (1 * GB, 5.9 * GB, False), (20 * GB, 30.1 * GB, True), (20 * GB, 29.9 * GB, False)],
)
def test_there_must_be_half_more_than_is_needed_and_5_gb_left(
    monkeypatch: pytest.MonkeyPatch, need: int, free: float, enough: bool
) -> None:
    assert judge(monkeypatch, int(free), [Need("the new release", "/", need)]).valid is enough


def test_what_goes_to_one_file_system_is_needed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [Need(f"the backup of site{number}", "/nowhere/yet", 2 * GB) for number in range(5)]
    found = judge(monkeypatch, 14 * GB, needs)
    told = (
        "only 14 GB are free on the file system of /nowhere/yet, and 15 GB are needed: the backup of site0 2.0 GB, the "
        "backup of site1 2.0 GB, the backup of site2 2.0 GB, 2 more 4.0 GB; 1.5 times as much, and 5.0 GB left over"
    )
    assert found.failed == [told]


def test_other_file_systems_are_judged_apart(tmp_path: pathlib.Path) -> None:
    found = Findings()
    if os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    needs = [Need("much", "/dev/shm", 10**18), Need("nothing", str(tmp_path), 0)]
    resources.judge_disks(needs, Reserve(1, 0), found)
    assert (len(found.failed), len(found.passed)) == (1, 1)


def test_a_path_that_is_not_there_yet_lies_where_its_nearest_folder_is(tmp_path: pathlib.Path) -> None:
    assert resources.existing(str(tmp_path / "a" / "b")) == str(tmp_path)
    assert resources.existing("/nowhere") == "/"


def test_a_folder_counts_blocks_once_and_follows_no_links(tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"x" * 1_000_000)
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "one").write_bytes(b"x" * 100_000)
    os.link(folder / "one", folder / "below" / "same")
    (folder / "link").symlink_to(outside)
    assert 100_000 <= resources.folder_size(str(folder)) < 200_000
    assert resources.folder_size(str(tmp_path / "missing")) == 0


def test_the_memory_of_a_folder_is_that_of_the_processes_that_work_in_it(tmp_path: pathlib.Path) -> None:
    other = tmp_path.with_name(tmp_path.name + "-other")
    other.mkdir()
    code = "block = bytearray(b'x') * 50_000_000; print(len(block), flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 50_000_000 < resources.memory_of(str(tmp_path)) < 150_000_000
        assert resources.memory_of(str(other)) == 0
        process.kill()


def test_there_is_memory() -> None:
    assert resources.memory_available() > 0


@given(st.integers(0, 10**15))
def test_sizes_are_told_with_a_unit(size: int) -> None:
    assert resources.size_text(size).endswith((" GB", " MB"))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "less than 1 MB"), (2_400_000, "2 MB"), (1_260_000_000, "1.3 GB"), (5 * GB, "5.0 GB"), (66 * GB, "66 GB")],
)
def test_sizes_are_told_as_people_say_them(size: int, text: str) -> None:
    assert resources.size_text(size) == text
