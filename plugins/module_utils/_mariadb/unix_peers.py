# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which unix socket is connected to which, as the kernel's socket diagnosis tells."""

from __future__ import annotations

import os
import socket
import struct

# linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x001 | 0x300
_DONE, _ERROR = 3, 2
_ALL_STATES = 0xFFFFFFFF
_SHOW_PEER = 4
_ATTRIBUTE_PEER = 2

_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBHIIIQ")
_MESSAGE = struct.Struct("=BBBBIQ")
_ATTRIBUTE = struct.Struct("=HH")


def peers() -> dict[int, int]:
    """The inode at the other end of each connected unix socket, by inode.

    Raises:
        OSError: The kernel does not tell.
    """
    query = _QUERY.pack(socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _SHOW_PEER, 0)
    header = _HEADER.pack(_HEADER.size + len(query), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
    found: dict[int, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.send(header + query)
        while True:
            data = netlink.recv(1 << 18)
            while data:
                length, kind, *_ignored = _HEADER.unpack_from(data)
                if kind == _ERROR:
                    raise OSError(-struct.unpack_from("=i", data, _HEADER.size)[0], "socket diagnosis")
                if kind == _DONE:
                    return found
                _read(data[_HEADER.size : length], found)
                data = data[_aligned(length) :]


def _read(message: bytes, found: dict[int, int]) -> None:
    inode = _MESSAGE.unpack_from(message)[4]
    at = _MESSAGE.size
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind == _ATTRIBUTE_PEER:
            found[inode] = struct.unpack_from("=I", message, at + _ATTRIBUTE.size)[0]
        at += max(_aligned(length), _ATTRIBUTE.size)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def paths(pid: int) -> dict[int, str]:
    """The path of each unix socket in a process's network namespace, by inode; empty for those without one.

    A connection that a server accepted has the path the server listens at; one that waits to be accepted has no inode
    yet, and is left out.
    """
    found: dict[int, str] = {}
    with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="surrogateescape") as handle:
        next(handle)
        for line in handle:
            fields = line.rstrip("\n").split(None, 7)
            if fields[6] != "0":
                found[int(fields[6])] = os.path.normpath(fields[7]) if len(fields) > 7 else ""
    return found
