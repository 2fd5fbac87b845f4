# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Something that is done again and again while a run goes on."""

from __future__ import annotations

import threading
import time
import typing as t


class Ticker:
    """Calls something again and again from a thread of its own until it is stopped.

    It is called when that long nobody said :meth:`wait_anew`.

    Args:
        call: What to call.
        seconds: How often.
    """

    def __init__(self, call: t.Callable[[], None], seconds: float) -> None:
        self._call = call
        self._seconds = seconds
        self._over = threading.Event()
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it has."""
        if self._thread is None:
            self._over.clear()
            self._thread = threading.Thread(target=self._run, name="lockstep-progress", daemon=True)
            self._thread.start()

    def wait_anew(self) -> None:
        """Let the time begin anew."""
        self._due = time.monotonic() + self._seconds

    def stop(self) -> None:
        """End, and wait until it has."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        self.wait_anew()
        while not self._over.wait(max(0.0, self._due - time.monotonic())):
            if time.monotonic() >= self._due:
                self.wait_anew()
                self._call()
