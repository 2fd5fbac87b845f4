# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change needs of a server's disks and memory, and what there is."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings

_GB = 1_000_000_000
_MB = 1_000_000
# st_blocks counts these, whatever the file system's own blocks are (stat(2)).
_BLOCK = 512
_KIB = 1024
_NAMED = 3


class Need(t.NamedTuple):
    """Bytes that something will take on the file system of a path, which need not exist yet."""

    what: str
    path: str
    size: int


class Reserve(t.NamedTuple):
    """How much more than needed there must be: ``factor`` times the need, and ``left`` bytes left afterwards."""

    factor: float = 1.5
    left: int = 5 * _GB


def existing(path: str) -> str:
    """A path, or the nearest folder above it that is there."""
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    return path


def folder_size(path: str) -> int:
    """Bytes a folder takes on its disk; files with several names count once, links are not followed."""
    seen: set[tuple[int, int]] = set()
    size = 0
    for parent, _folders, files in os.walk(path):
        for name in files:
            try:
                status = os.lstat(os.path.join(parent, name))
            except FileNotFoundError:
                continue
            key = (status.st_dev, status.st_ino)
            if status.st_nlink == 1 or key not in seen:
                size += status.st_blocks * _BLOCK
                seen.add(key)
    return size


def judge_disks(needs: t.Sequence[Need], reserve: Reserve, found: Findings) -> None:
    """Compare what is needed with what is free, for each file system.

    Args:
        needs: Everything that will be written.
        reserve: What must be there beyond it.
        found: Takes one sentence per file system.
    """
    by_device: dict[int, list[Need]] = {}
    for need in needs:
        by_device.setdefault(os.stat(existing(need.path)).st_dev, []).append(need)
    for group in by_device.values():
        place = os.statvfs(existing(group[0].path))
        free = place.f_bavail * place.f_frsize
        total = sum(need.size for need in group)
        wanted = max(int(total * reserve.factor), total + reserve.left)
        enough = free >= wanted
        sentence = (
            f"{'' if enough else 'only '}{size_text(free)} are free on the file system of {group[0].path}, and "
            f"{size_text(wanted)} are needed: {_listed(group)}; {reserve.factor:g} times as much, and "
            f"{size_text(reserve.left)} left over"
        )
        (found.passed if enough else found.failed).append(sentence)


def _listed(needs: t.Sequence[Need]) -> str:
    named = ", ".join(f"{need.what} {size_text(need.size)}" for need in needs[:_NAMED])
    others = needs[_NAMED:]
    return named + (f", {len(others)} more {size_text(sum(need.size for need in others))}" if others else "")


def memory_available() -> int:
    """Bytes that can be had without swapping, as the kernel reckons."""
    with open("/proc/meminfo", encoding="ascii") as handle:
        for line in handle:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * _KIB
    return 0


def memory_of(folder: str) -> int:
    """Bytes of memory that the processes working in a folder take; what they share counts once.

    Processes are found by their working folder, which is in their bench whoever started them. Those of other users
    can only be seen by root.
    """
    inside = folder.rstrip("/") + "/"
    total = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            place = os.readlink(f"/proc/{entry}/cwd") + "/"
        except OSError:
            continue
        if place.startswith(inside):
            total += _memory_of_process(entry)
    return total


def _memory_of_process(pid: str) -> int:
    """Its proportional set size; its resident size where the kernel doesn't tell that."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as handle:
            for line in handle:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * _KIB
        with open(f"/proc/{pid}/statm", encoding="ascii") as handle:
            return int(handle.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def size_text(size: int) -> str:
    """Bytes as a person says them: ``1.3 GB``, ``240 MB``, ``less than 1 MB``."""
    if size >= 10 * _GB:
        return f"{size / _GB:.0f} GB"
    if size >= _GB:
        return f"{size / _GB:.1f} GB"
    return f"{size / _MB:.0f} MB" if size >= _MB else "less than 1 MB"
