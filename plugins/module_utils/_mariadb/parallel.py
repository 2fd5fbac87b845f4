# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Child processes that work side by side and end together when one of them fails."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import threading
import typing as t

Result = t.TypeVar("Result")


class _Ended(Exception):
    """The crew was ended while this job was at work; somebody else has the reason."""


class Crew:
    """The children of several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        self._ended = False

    def start(self, spawn: t.Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Start a child, unless the crew has been ended."""
        with self._lock:
            if self._ended:
                raise _Ended
            child = spawn()
            self._children.append(child)
            return child

    def end(self) -> None:
        """Kill every child and start no more."""
        with self._lock:
            self._ended = True
            for child in self._children:
                if child.poll() is None:
                    child.kill()

    def collect(self) -> None:
        """Wait for every child and close what leads to it, so that none is left behind."""
        for child in self._children:
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        continue
            child.wait()


def side_by_side(jobs: t.Sequence[t.Callable[[Crew], Result]], workers: int) -> list[Result]:
    """Run jobs in threads, a few at a time, in the order given.

    Args:
        jobs: Each starts its children through the crew it is given.
        workers: How many run at once.

    Returns:
        The results in the order of the jobs.

    Raises:
        Exception: What the first job that failed raised. By then no child is left.
    """
    crew = Crew()
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        running = [pool.submit(job, crew) for job in jobs]
        try:
            failed = _first_failure(running)
        except BaseException:
            crew.end()
            raise
        if failed is not None:
            crew.end()
    crew.collect()
    if failed is not None:
        raise failed
    return [future.result() for future in running]


def _first_failure(running: t.Sequence[concurrent.futures.Future[t.Any]]) -> BaseException | None:
    for future in concurrent.futures.as_completed(running):
        error = future.exception()
        if error is not None:
            return error
    return None


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def default_workers() -> int:
    """How many children dump or load at once: more than four wait for the disk, and take cores from the site."""
    return min(4, cores())


def balanced(weights: t.Mapping[str, int], count: int) -> list[list[str]]:
    """Names in groups of about equal weight, heaviest first within and among groups.

    Args:
        weights: Of each name.
        count: Groups at most; none is empty.
    """
    found: list[tuple[int, list[str]]] = [(0, []) for _ignored in range(max(1, min(count, len(weights))))]
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        at = min(range(len(found)), key=lambda index: found[index][0])
        weight, names = found[at]
        found[at] = (weight + weights[name], [*names, name])
    return [names for _ignored, names in sorted(found, key=lambda group: -group[0]) if names]
