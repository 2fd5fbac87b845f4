# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lower part of a terminal that is drawn anew while other output goes on above it."""

from __future__ import annotations

import io
import os
import sys
import time
import typing as t

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import told
from ansible_collections.lockstep.deploy.plugins.plugin_utils.progress import Progress, text_seconds

_RUNNER = "AWX_ISOLATED_DATA_DIR"
"""Set by ansible-runner, which gives its jobs a terminal that nobody looks at."""
_BAR = 30
_MOST_LINES = 12
_AT_LEAST_SECONDS = 0.2
"""Between two drawings, since making the text costs milliseconds of the controller."""


def is_watched() -> bool:
    """Whether standard output is a terminal that can be drawn anew, and that somebody looks at."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and _RUNNER not in os.environ


class View(t.Protocol):
    """Makes the region's text for a terminal of some size."""

    def __call__(self, width: int, height: int) -> str: ...


class Region:
    """Keeps a text at the bottom of the terminal.

    Whoever writes to standard output or standard error meanwhile writes above it, line by line.

    Args:
        view: Makes the text; called with the lock held.
        lock: Held while anything is written. It has to be the one that Ansible holds while it forks: a fork in the
            middle of a write would leave the child with a lock that nobody opens.
    """

    def __init__(self, view: View, lock: t.ContextManager[t.Any]) -> None:
        self._view = view
        self._lock = lock
        self._terminal: t.TextIO = sys.stdout
        self._replaced: list[tuple[str, t.TextIO]] = []
        self._drawn = ""
        self._drawn_at = 0.0

    def start(self) -> None:
        """Take over the terminal; standard error only if it is one too."""
        with self._lock:
            if self._replaced:
                return
            self._terminal = sys.stdout
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if stream.isatty():
                    self._replaced.append((name, stream))
                    setattr(sys, name, Above(self, stream))
            self._draw()

    def stop(self) -> None:
        """Take the text away and give the terminal back."""
        with self._lock:
            for name, stream in self._replaced:
                proxy = getattr(sys, name)
                if isinstance(proxy, Above):
                    proxy.end()
                setattr(sys, name, stream)
            self._replaced = []
            self._terminal.write(self._erase())
            self._terminal.flush()

    def refresh(self) -> None:
        """Draw it anew, unless that was done a moment ago."""
        with self._lock:
            if self._replaced and time.monotonic() - self._drawn_at >= _AT_LEAST_SECONDS:
                self._draw()

    def write_above(self, stream: t.TextIO, text: str) -> None:
        """Write whole lines above the region."""
        with self._lock:
            drawn = self._drawn
            self._terminal.write(self._erase())
            self._terminal.flush()
            stream.write(text)
            stream.flush()
            self._terminal.write(drawn)
            self._terminal.flush()
            self._drawn = drawn

    def lock(self) -> t.ContextManager[t.Any]:
        """For those who write through the region."""
        return self._lock

    def _draw(self) -> None:
        width, height = _size(self._terminal)
        text = self._view(width, height)
        self._terminal.write(self._erase() + text)
        self._terminal.flush()
        self._drawn = text
        self._drawn_at = time.monotonic()

    def _erase(self) -> str:
        lines = self._drawn.count("\n")
        self._drawn = ""
        return f"\x1b[{lines}A\r\x1b[J" if lines else ""


class Above:
    """Stands for a stream while the region is there: keeps what is no whole line yet."""

    def __init__(self, region: Region, stream: t.TextIO) -> None:
        self._region = region
        self._stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        """Write above the region."""
        with self._region.lock():
            whole, newline, self._begun = (self._begun + text).rpartition("\n")
            if newline:
                self._region.write_above(self._stream, whole + newline)
        return len(text)

    def writelines(self, lines: t.Iterable[str]) -> None:
        """Write several texts."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Lines are written at once; what is no line yet waits for its end."""
        self._stream.flush()

    def end(self) -> None:
        """Write what is left, though it is no whole line."""
        if self._begun:
            self._region.write_above(self._stream, self._begun + "\n")
            self._begun = ""

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._stream, name)


def render(progress: Progress, title: str, now: float, elapsed: float, size: tuple[int, int], color: bool) -> str:
    """The region's text: percentage, stage, counts, time left, and what runs.

    Args:
        progress: How far it is.
        title: What goes on where no units do.
        now: The time, of the clock that progress was fed with.
        elapsed: Seconds since the beginning.
        size: Columns and lines of the terminal.
        color: Whether to use colours.
    """
    width, height = size
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=max(20, width - 1), no_color=not color, highlight=False)
    units = bool(progress.units)
    percentage = progress.percentage()
    head = Table.grid(padding=(0, 1))
    head.add_column(justify="right", width=4)
    head.add_column(width=min(_BAR, width // 3))
    head.add_column(no_wrap=True, overflow="ellipsis")
    stage = progress.stage() if units and progress.count("running") else title
    head.add_row(f"{percentage}%", ProgressBar(total=100, completed=percentage), Text(stage, style="bold"))
    console.print(head)
    left = told.time_left(progress.seconds_left(now)) if units else ""
    status = f"{told.counts(progress)}, " if units else ""
    console.print(Text(f"     {status}{text_seconds(elapsed)} so far{left}", no_wrap=True, overflow="ellipsis"))
    console.print(_running(progress, now, max(1, min(_MOST_LINES, height // 2 - 3))))
    return out.getvalue()


def _running(progress: Progress, now: float, most: int) -> Table:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(no_wrap=True, overflow="ellipsis")
    rows.add_column(no_wrap=True, overflow="ellipsis", style="cyan")
    rows.add_column(no_wrap=True, justify="right")
    tasks = progress.running(now)
    for task in tasks[:most]:
        rows.add_row(f"     {task.unit}", task.phase or "", text_seconds(task.seconds))
    if len(tasks) > most:
        rows.add_row(f"     and {len(tasks) - most} more", "", "")
    return rows


def _size(stream: t.TextIO) -> tuple[int, int]:
    try:
        found = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    return found.columns or 80, found.lines or 24
