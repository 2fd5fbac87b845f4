# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two releases that serve one site at once, each told what the other one's cache was told to forget.

Each has a Redis of its own. Who changes a document makes the release that served him forget it; in the other one it
would be what it was until somebody clears the cache. So whatever is removed from one is removed from the other. Redis
notifies of keys that are gone only where they were there, so commands are followed instead (MONITOR).
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
import time
import typing as t
import uuid

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import cache
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.redis import Connection

#: A key, and a field, that nobody has: what is removed along with it was removed by a relay, which goes no further.
_MARK = b"lockstep:relayed"

#: How Frappe removes what it cached (frappe/utils/redis_wrapper.py). It lists keys (KEYS) to remove all of them.
_REMOVING = frozenset({b"DEL", b"UNLINK", b"HDEL"})
_LISTING = b"KEYS"
_EMPTYING = frozenset({b"FLUSHALL", b"FLUSHDB"})
_HEARD = _REMOVING | _EMPTYING | {_LISTING}

#: ``+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"``; what a script does is told with ``lua`` for an address.
_COMMAND = re.compile(rb'\+[\d.]+ \[\d+ (.*?)\] "(\w+)"')
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_SPECIAL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}

_AGAIN = 1.0  # seconds after which a Redis that did not answer is asked again
_AT_MOST = 5.0  # seconds that the end waits for what was removed before
#: Seconds after which a removal is repeated. Frappe makes some before the writer's transaction is committed, and who
#: reads in the other release meanwhile caches once more what was before. Most requests commit soon after; a job does
#: not always.
_REPEATED = (0.2, 1.0, 5.0, 30.0)
#: The same for what a function returned (Frappe's ``redis_cache``). Frappe asks whether there is any, and then for it:
#: a removal in between fails the request. Its keys begin with the function's name, and expire.
_OF_FUNCTIONS = (5.0,)
_FUNCTION = re.compile(rb"[^|]*\|[a-z_]\w*(?:\.[\w<>]+)+(?:::|\*)")
_SHORTEST = 0.01  # seconds that a Redis is listened to before what is due is done
_MOST_WAITING = 50_000
_CHUNK = 65536
#: Bytes of one command as Redis tells it, four for each that can't be printed. What takes more is not waited for.
_LONGEST = 64 << 20


class Own(t.NamedTuple):
    """Which keys are a site's.

    Attributes:
        start: What they begin with.
        kept: What those of them begin with that are no cache, and stay where they are.
    """

    start: bytes
    kept: tuple[bytes, ...]

    def has(self, key: bytes) -> bool:
        """Whether a key, or a pattern of keys, is of the site's cache."""
        return key.startswith(self.start) and not key.startswith(self.kept)


def removal(line: bytes, own: Own) -> list[bytes] | None:
    """The command that removes the same elsewhere; None if a line of MONITOR's tells of no removal, or of a relay's.

    Args:
        line: The line, without its end.
        own: Which keys are the site's.

    Returns:
        A command of Redis; for whatever a pattern fits, ``KEYS`` and the pattern.
    """
    found = _COMMAND.match(line)
    if found is None or found[1] == b"lua":
        return None
    verb = found[2].upper()
    if verb not in _HEARD:
        # Most of them are, and what is stored may be long.
        return None
    rest = [_plain(word) for word in _WORD.findall(line, found.end())]
    if verb in _EMPTYING:
        return [_LISTING, own.start + b"*"]
    if not rest or _MARK in rest:
        return None
    if verb == _LISTING:
        return [verb, rest[0]] if own.has(rest[0]) else None
    if verb == b"HDEL":
        return [verb, *rest, _MARK] if own.has(rest[0]) else None
    keys = [key for key in rest if own.has(key)] if verb in _REMOVING else []
    return [verb, *keys, _MARK] if keys else None


def _plain(word: bytes) -> bytes:
    """A word as it was before Redis made it fit to print."""

    def one(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes.fromhex(code[1:].decode()) if len(code) > 1 else _SPECIAL.get(code, code)

    return _ESCAPED.sub(one, word)


class CacheRelay:
    """Carries what is removed from either cache to the other, as long as its context lasts.

    While one of them can't be reached nothing can be carried, so all that the other knows of the site is forgotten when
    it can again. It is forgotten in the beginning, too, for what happened before.

    Args:
        one: The address of a Redis.
        other: The address of another one.
        own: Which keys are carried.
    """

    def __init__(self, one: str, other: str, own: Own) -> None:
        self._ways = [_Way(one, other, own), _Way(other, one, own)]

    @classmethod
    def between(cls, one: Bench, other: Bench, site: str, database: str) -> CacheRelay:
        """The relay between two releases that serve a site.

        Args:
            one: A release.
            other: Another one.
            site: The site.
            database: The name of its database.

        Raises:
            LockstepError: They can't be asked which keys are no cache.
        """
        kept = {key for bench in (one, other) for key in cache.kept_keys(bench, site, database)}
        own = Own(cache.own_keys(database).encode(), tuple(key.encode() for key in sorted(kept)))
        return cls(cache.address(one), cache.address(other), own)

    def __enter__(self) -> CacheRelay:
        for way in self._ways:
            way.start()
        for way in self._ways:
            way.begun.wait()
        return self

    def __exit__(self, *_error: object) -> None:
        for way in self._ways:
            way.end()


class Repeated:
    """Removals that are made again later, each of them once for each time it is due."""

    def __init__(self, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: list[dict[tuple[bytes, ...], float]] = [{} for _after in _REPEATED]

    def add(self, command: t.Sequence[bytes]) -> None:
        """A removal that was made just now.

        Raises:
            LockstepError: There are too many; all of the cache has to be forgotten instead.
        """
        now, moments = self._clock(), _moments(command)
        for after, waiting in zip(_REPEATED, self._waiting):
            if after not in moments:
                continue
            # The last one counts, and is at the end of the line.
            waiting.pop(tuple(command), None)
            waiting[tuple(command)] = now + after
            if len(waiting) > _MOST_WAITING:
                raise LockstepError("more was removed from a cache than can be remembered")

    def due(self) -> t.Iterator[list[bytes]]:
        """Those whose time has come."""
        now = self._clock()
        for waiting in self._waiting:
            ripe = list(itertools.takewhile(lambda entry: entry[1] <= now, waiting.items()))
            for command, _moment in ripe:
                del waiting[command]
                yield list(command)

    def patience(self) -> float:
        """Seconds until the next one is due, or until somebody has to look again; never none at all."""
        moments = [next(iter(waiting.values())) for waiting in self._waiting if waiting]
        return min(_AGAIN, max(_SHORTEST, min(moments) - self._clock())) if moments else _AGAIN

    def left(self) -> list[list[bytes]]:
        """Those whose last time has not come."""
        return [list(command) for command in dict.fromkeys(itertools.chain(*self._waiting))]


def _moments(command: t.Sequence[bytes]) -> tuple[float, ...]:
    """Seconds after which a removal is repeated."""
    keys = [key for key in command[1:] if key != _MARK]
    return _OF_FUNCTIONS if all(map(_FUNCTION.match, keys)) else _REPEATED


class _Way(threading.Thread):
    """From one cache to the other, however often either is lost.

    Attributes:
        begun: Set when it carries, or could not the first time.
    """

    def __init__(self, source: str, target: str, own: Own) -> None:
        super().__init__(daemon=True)
        self.begun = threading.Event()
        self._source, self._target, self._own = source, target, own
        self._over = threading.Event()
        # Said to the source when it is over: all that was removed before has been heard of by then.
        self._last = f"lockstep:{uuid.uuid4().hex}".encode()

    def end(self) -> None:
        """Carry what was removed until now, and nothing more."""
        self._over.set()
        with contextlib.suppress(LockstepError), Connection(self._source) as connection:
            connection.call("ECHO", self._last)
        self.join()

    def run(self) -> None:
        try:
            while not self._over.is_set():
                # Whether a release can live without its Redis is not for us to judge.
                with contextlib.suppress(LockstepError):
                    self._carry()
                self.begun.set()
                self._over.wait(_AGAIN)
        finally:
            # Visitors must not wait for ever for one that was never begun.
            self.begun.set()

    def _carry(self) -> None:
        """Carry what is removed until it is over.

        Raises:
            LockstepError: One of them is lost, or tells of too much.
        """
        with Connection(self._source) as source, Connection(self._target) as target:
            repeated = Repeated()
            source.send("MONITOR")
            lines = self._lines(source, repeated.patience)
            answer = next(lines, b"")
            if answer != b"+OK":
                raise LockstepError(f"Redis at {source.where} does not tell what it is told: {answer!r}")
            self._remove(target, [_LISTING, self._own.start + b"*"])
            self.begun.set()
            for line in lines:
                command = removal(line, self._own) if line else None
                if command is not None:
                    self._remove(target, command)
                    repeated.add(command)
                for again in repeated.due():
                    self._remove(target, again)
            for again in repeated.left():
                self._remove(target, again)

    def _lines(self, source: Connection, patience: t.Callable[[], float]) -> t.Iterator[bytes]:
        """What a Redis tells, line by line, until the last that matters; an empty one while it tells nothing.

        Args:
            source: The Redis.
            patience: Says for how many seconds it may tell nothing until an empty line comes.
        """
        parts: list[bytes] = []
        length = 0
        deadline: float | None = None
        while deadline is None or time.monotonic() < deadline:
            if self._over.is_set() and deadline is None:
                deadline = time.monotonic() + _AT_MOST
            source.socket.settimeout(patience())
            try:
                part = source.socket.recv(_CHUNK)
            except socket.timeout:
                yield b""
                continue
            except OSError as error:
                raise LockstepError(f"Redis at {source.where} has gone: {error}") from error
            if not part:
                raise LockstepError(f"Redis at {source.where} has gone")
            # Ends of lines within a command are told as others.
            *lines, rest = part.split(b"\n")
            for line in lines:
                whole = b"".join([*parts, line]).rstrip(b"\r")
                parts, length = [], 0
                if self._last in whole:
                    return
                yield whole
            parts.append(rest)
            length += len(rest)
            if length > _LONGEST:
                # Whoever begins anew forgets all that may have been told in it.
                raise LockstepError(f"Redis at {source.where} tells of a command of more than {_LONGEST} bytes")

    def _remove(self, target: Connection, command: t.Sequence[bytes]) -> None:
        if command[0] == _LISTING:
            cache.forget(target, command[1], [key.decode() for key in self._own.kept])
        else:
            target.call(*command)
