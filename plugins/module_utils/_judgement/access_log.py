# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The access log that our nginx writes (``_nginx/config.py``), line by line while it grows.

Nothing here holds up nginx or rewrites its files, whatever logrotate does to them meanwhile: a file that was renamed is
read to its end beside its successor, one that was copied and truncated is read on in its copy. What can't be understood
is counted and passed over, since one broken line says nothing of the others.
"""

from __future__ import annotations

import glob
import json
import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

PATH = "/var/log/nginx/lockstep-access.log"

_CHUNK = 1 << 20
# nginx writes a line in one piece and ends it; more than this without an end is no line of it.
_LONGEST = 1 << 20
# So many bytes before where reading stopped tell a file from another that took its place.
_MARK = 256
# Below this a file is read from its beginning: searching would cost more.
_SMALL = 1 << 16
_TRY = re.compile(r"\d+\.\d+")
# Processes of nginx write side by side, each with its own idea of now.
_DISORDER = 2.0


class Request(t.NamedTuple):
    """What a line says of one request.

    Attributes:
        time: When it had been answered, in seconds since 1970.
        site: The site it was for.
        path: Its path, without the query.
        status: What was answered.
        seconds: What the release took, and where none was asked, from its first byte to the last one of the answer. How
            long visitors take to send a request, or to take its answer, says nothing of a release; whoever sends slowly
            on purpose would have it taken back.
        passed_on: Whether a release was asked, or tried to be; else nginx answered by itself.
        release: The release that answered; empty where none did.
        route: Where it was passed on to (``live``, ``slots/07``); empty in logs of before there were any.
        probe: Whether this server asked it itself, to see whether the site is well.
    """

    time: float
    site: str
    path: str
    status: int
    seconds: float
    passed_on: bool
    release: str
    route: str
    probe: bool = False


def parse(line: bytes) -> Request | None:
    """The request a line speaks of; None where it is none of ours, or only a part of one."""
    try:
        # A path may hold any byte, and nginx escapes only what JSON reserves.
        found = json.loads(line.decode("utf-8", "replace"))
        return Request(
            float(found["time"]),
            str(found["site"]),
            str(found["path"]),
            int(found["status"]),
            _seconds(str(found["upstream_seconds"]), float(found["seconds"])),
            found["upstream_seconds"] not in ("", "-"),
            str(found["release"]),
            str(found.get("route", "")),
            bool(found.get("probe")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _seconds(upstream: str, whole: float) -> float:
    """What a release took: nginx names each try of its own (``0.001, 0.002 : 0.003``)."""
    tries = _TRY.findall(upstream)
    return sum(map(float, tries)) if tries else whole


class _File:
    """One file of the log, open, and how far it was read."""

    def __init__(self, path: str) -> None:
        try:
            self._handle = open(path, "rb", buffering=0)  # noqa: SIM115 - it stays open while it is watched
        except OSError as error:
            raise _unreadable(path, error) from error
        self.offset = 0
        self._mark = b""

    def close(self) -> None:
        self._handle.close()

    def identity(self) -> tuple[int, int]:
        found = os.fstat(self._handle.fileno())
        return found.st_dev, found.st_ino

    def size(self) -> int:
        return os.fstat(self._handle.fileno()).st_size

    def _read(self, size: int, offset: int) -> bytes:
        return os.pread(self._handle.fileno(), size, offset)

    def continues(self, other: _File) -> bool:
        """Whether this file holds what was read of another one, up to where that ended."""
        return self._read(len(other._mark), other.offset - len(other._mark)) == other._mark

    def resume(self, other: _File) -> None:
        """Go on here where the other one ended."""
        self.offset, self._mark = other.offset, other._mark

    def restart(self) -> None:
        """Go back to the beginning."""
        self.offset, self._mark = 0, b""

    def lines(self) -> t.Iterator[bytes]:
        """What was added since the last call, whole lines only."""
        rest = b""
        while True:
            chunk = self._read(_CHUNK, self.offset + len(rest))
            whole, newline, rest_of = (rest + chunk).rpartition(b"\n")
            if newline:
                self._advance(whole + newline)
                yield from whole.split(b"\n")
            rest = rest_of
            if len(rest) > _LONGEST:
                self._advance(rest)
                rest = b""
            if len(chunk) < _CHUNK:
                return

    def _advance(self, read: bytes) -> None:
        self.offset += len(read)
        self._mark = (self._mark + read[-_MARK:])[-_MARK:]

    def seek(self, time: float) -> None:
        """Go to a line of a little before a time, without reading what stands before it."""
        low, high = 0, self.size()
        while high - low > _SMALL:
            middle = (low + high) // 2
            found = self._time_after(middle)
            # What can't be understood is read rather than left out.
            if found is not None and found < time - _DISORDER:
                low = middle
            else:
                high = middle
        self._start_at(low)

    def _start_at(self, offset: int) -> None:
        """Begin with the first line that begins at an offset or after it."""
        begin = self._read(_SMALL, offset - 1).find(b"\n") if offset else 0
        self.offset = offset + max(begin, 0)
        length = min(_MARK, self.offset)
        self._mark = self._read(length, self.offset - length)

    def _time_after(self, offset: int) -> float | None:
        """When the first request was answered whose line begins after an offset."""
        for line in self._read(_SMALL, offset).split(b"\n")[1:-1]:
            request = parse(line)
            if request is not None:
                return request.time
        return None


class AccessLog:
    """The requests of visitors in a log from a time on, each once.

    Args:
        path: The file nginx writes now.
        since: The first moment of interest, in seconds since 1970.
        site: Only requests of this site; None for all.

    Attributes:
        passed_over: Lines that could not be understood.

    Raises:
        LockstepError: It can't be read.
    """

    def __init__(self, path: str, since: float, site: str | None = None) -> None:
        self.path = path
        self.passed_over = 0
        self._since = since
        # A quotation mark inside a value is escaped, so nothing but the field can look like this.
        self._needle = b"" if site is None else b'"site":%s' % json.dumps(site, ensure_ascii=False).encode()
        self._files = [self._opened(path, since)]
        self._files[:0] = self._rotated_since()

    def __enter__(self) -> AccessLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.close()

    @staticmethod
    def _opened(path: str, since: float) -> _File:
        found = _File(path)
        found.seek(since)
        return found

    def _rotated_since(self) -> list[_File]:
        """Files that were written to since then and were put aside meanwhile, the oldest first."""
        mine = self._files[-1].identity()
        found = []
        for path, modified in _put_aside(self.path):
            file = _still_there(path) if modified >= self._since - _DISORDER else None
            if file is not None and file.identity() != mine:
                file.seek(self._since)
                found.append(file)
            elif file is not None:
                file.close()
        return found

    def requests(self) -> t.Iterator[Request]:
        """The requests that were not returned yet, in about the order they were answered.

        Raises:
            LockstepError: The log can't be read.
        """
        self._follow()
        last = self._files[-1]
        for file in list(self._files):
            before = file.offset
            yield from self._requests_in(file)
            # nginx writes into a renamed file until it is told to open a new one, so it is looked at once more.
            if file is not last and file.offset == before and last.offset:
                file.close()
                self._files.remove(file)

    def _requests_in(self, file: _File) -> t.Iterator[Request]:
        for line in file.lines():
            if self._needle not in line:
                continue
            request = parse(line)
            if request is None:
                self.passed_over += 1
            elif request.time >= self._since and not request.probe:
                yield request

    def _follow(self) -> None:
        """Notice what was done to the file that is written now."""
        current = self._files[-1]
        if not current.continues(current):
            self._truncated(current)
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            # Renamed, and nginx was not told yet.
            return
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if (found.st_dev, found.st_ino) != current.identity():
            self._files.append(_File(self.path))

    def _truncated(self, current: _File) -> None:
        """Its content was copied and then removed: what wasn't read yet is at the end of the copy."""
        for path, _modified in reversed(_put_aside(self.path)):
            copy = _still_there(path)
            if copy is not None and copy.identity() != current.identity() and copy.continues(current):
                copy.resume(current)
                self._files.insert(-1, copy)
                break
            if copy is not None:
                copy.close()
        current.restart()


def _put_aside(path: str) -> list[tuple[str, float]]:
    """The files that logrotate made of a log (``.1``, ``-20261128``), the oldest first, without compressed ones."""
    found = []
    for name in glob.glob(f"{glob.escape(path)}[.-]*"):
        if name.endswith((".gz", ".xz", ".bz2", ".zst")):
            continue
        try:
            found.append((name, os.stat(name).st_mtime))
        except OSError:
            # Compressed or removed at this moment.
            continue
    return sorted(found, key=lambda item: item[1])


def _still_there(path: str) -> _File | None:
    """A file that was put aside; None for one that was compressed or removed at this moment."""
    try:
        return _File(path)
    except LockstepError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _unreadable(path: str, error: OSError) -> LockstepError:
    return LockstepError(
        f"the access log {path} can't be read: {error.strerror}",
        hint="it is written by nginx once a site was switched to; its group, adm on Debian, and root may read it",
    )
