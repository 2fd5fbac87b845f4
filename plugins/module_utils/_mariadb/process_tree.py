# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets of a process and all that it started."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import unix_peers


@dataclasses.dataclass(frozen=True)
class Sockets:
    """The open sockets of a process tree at one moment.

    Attributes:
        tcp: Local ports by inode, of those that are connected by TCP.
        server: Inodes of unix sockets that are connected to the server in question.
        unknown: Inodes of sockets of which it isn't known, or not yet, where they lead.
    """

    tcp: t.Mapping[int, int]
    server: frozenset[int]
    unknown: frozenset[int]

    @property
    def ports(self) -> set[int]:
        """Local TCP ports."""
        return set(self.tcp.values())


@dataclasses.dataclass(frozen=True)
class _Stat:
    parent: int
    session: int
    began: str


class ProcessTree:
    """A process, its descendants and, if it leads a session, all of that session.

    Who was once seen in it stays in it, also when its parent ends.

    Args:
        pid: The process.
        listening: Path of the unix socket that the server in question listens at.
    """

    def __init__(self, pid: int, listening: str) -> None:
        self._pid = pid
        self._listening = os.path.normpath(listening)
        stat = _stat(pid)
        self._known = {pid: stat.began} if stat else {}
        self._tcp: dict[int, int] = {}
        self._unix: dict[int, str] = {}

    def sockets(self) -> Sockets | None:
        """What is open now; None when we may not look."""
        members = self._members()
        found: set[int] = set()
        try:
            for pid in members:
                found |= _socket_inodes(pid)
        except PermissionError:
            return None
        if found - self._tcp.keys() - self._unix.keys():
            # Only what is connected is listed with where it leads, so the rest is looked for each time.
            self._tcp.update(_tcp_ports(members[0]))
            self._unix.update(_unix_ends(members[0]))
        self._tcp = {inode: port for inode, port in self._tcp.items() if inode in found}
        self._unix = {inode: path for inode, path in self._unix.items() if inode in found}
        server = frozenset(inode for inode, path in self._unix.items() if path == self._listening)
        return Sockets(dict(self._tcp), server, frozenset(found - self._tcp.keys() - self._unix.keys()))

    def _members(self) -> list[int]:
        stats = {pid: stat for pid in _pids() for stat in (_stat(pid),) if stat is not None}
        members = {pid for pid, began in self._known.items() if pid in stats and stats[pid].began == began}
        members |= {pid for pid, stat in stats.items() if stat.session == self._pid}
        children: dict[int, list[int]] = {}
        for pid, stat in stats.items():
            children.setdefault(stat.parent, []).append(pid)
        waiting = list(members)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in members:
                    members.add(child)
                    waiting.append(child)
        self._known = {pid: stats[pid].began for pid in members}
        return sorted(members)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            # The command's name is in parentheses and may hold anything; see proc(5) for the fields behind it.
            fields = handle.read().rpartition(")")[2].split()
    except OSError:
        return None
    return _Stat(parent=int(fields[1]), session=int(fields[3]), began=fields[19])


def _socket_inodes(pid: int) -> set[int]:
    """Raises PermissionError when the process isn't ours to look into."""
    found: set[int] = set()
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return found
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return found


def _unix_ends(pid: int) -> dict[int, str]:
    """The path at the other end of each connected unix socket, by inode; none where the kernel doesn't tell."""
    try:
        there = unix_peers.paths(pid)
        return {inode: there[peer] for inode, peer in unix_peers.peers().items() if peer in there}
    except OSError:
        return {}


def _tcp_ports(pid: int) -> dict[int, int]:
    """Local ports by inode of all TCP connections in a process's network namespace."""
    found: dict[int, int] = {}
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{name}", encoding="ascii") as handle:
                next(handle)
                for line in handle:
                    fields = line.split()
                    found[int(fields[9])] = int(fields[1].rpartition(":")[2], 16)
        except OSError:
            continue
    return found
