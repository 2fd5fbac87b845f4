# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client that reads and writes while a deployment runs, and knows afterwards what it was promised."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
import typing as t

from tests.support.bench import Answer, ask

READ = "/api/method/custom_app.api.count"

#: Answers that say plainly that writes are blocked for now; anything else that is not 200 is a failure.
_REFUSED = 503


class Kind(t.NamedTuple):
    """A way to write a number, and to ask which numbers are there."""

    write: str
    read: str


#: Into a table that the next version leaves alone, and into one that its migration changes.
UNTOUCHED = Kind("/api/method/custom_app.api.write", "/api/method/custom_app.api.read")
TOUCHED = Kind("/api/method/custom_app.api.annotate", "/api/method/custom_app.api.annotations")


@dataclasses.dataclass
class SiteTraffic:
    """What happened to one site's requests.

    Attributes:
        reads: How many were answered with 200.
        failed_reads: What went wrong with the others.
        acknowledged: Numbers whose write was answered with 200.
        refused: Writes that got 503.
        failed_writes: What else went wrong with writes.
        blocked: The longest time (s) between two acknowledged writes.
    """

    reads: int = 0
    failed_reads: list[str] = dataclasses.field(default_factory=list)
    acknowledged: list[int] = dataclasses.field(default_factory=list)
    refused: int = 0
    failed_writes: list[str] = dataclasses.field(default_factory=list)
    blocked: float = 0.0


class Client:
    """A reader and a writer per site, until stopped.

    Args:
        port: nginx.
        sites: The sites to read.
        kind: How it writes.
        pause: Seconds between two requests of one thread.
    """

    def __init__(self, port: int, sites: t.Iterable[str], kind: Kind = UNTOUCHED, pause: float = 0.05) -> None:
        self._port = port
        self._kind = kind
        self._pause = pause
        self.sites = {site: SiteTraffic() for site in sites}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count(int(time.time()) % 1_000_000 * 1000)

    def __enter__(self) -> Client:
        for site in self.sites:
            self._start(self._read, site)
            self._start(self._write, site)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def lost(self, site: str) -> list[int]:
        """Acknowledged writes that the site doesn't have."""
        answer = ask(self._port, site, self._kind.read)
        assert answer.status == 200, f"{site} does not say what it has: {answer}"
        return sorted(set(self.sites[site].acknowledged) - set(answer.message))

    def _start(self, work: t.Callable[[str], None], site: str) -> None:
        thread = threading.Thread(target=work, args=(site,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _read(self, site: str) -> None:
        seen = self.sites[site]
        while not self._stop.wait(self._pause):
            answer = self._ask(site, READ)
            if isinstance(answer, Answer) and answer.status == 200:
                seen.reads += 1
            else:
                seen.failed_reads.append(_told(answer))

    def _write(self, site: str) -> None:
        seen = self.sites[site]
        last = time.monotonic()
        while not self._stop.wait(self._pause):
            number = next(self._numbers)
            answer = self._ask(site, self._kind.write, method="POST", data={"number": number})
            if isinstance(answer, Answer) and answer.status == 200:
                now = time.monotonic()
                seen.blocked = max(seen.blocked, now - last)
                last = now
                seen.acknowledged.append(number)
            elif isinstance(answer, Answer) and answer.status == _REFUSED:
                seen.refused += 1
            else:
                seen.failed_writes.append(_told(answer))

    def _ask(self, site: str, path: str, **options: t.Any) -> Answer | OSError:
        try:
            return ask(self._port, site, path, **options)
        except OSError as error:
            return error


def _told(answer: Answer | OSError) -> str:
    return f"{answer.status} {answer.body[:200]}" if isinstance(answer, Answer) else repr(answer)
