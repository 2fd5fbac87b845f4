# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of several units that could start goes first, so that the last one ends as early as it can."""

from __future__ import annotations

import heapq
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

Edges = t.Mapping[str, t.Sequence[str]]
"""Units by unit: what it needs, or what follows it."""


def inverted(edges: Edges) -> dict[str, list[str]]:
    """The same edges the other way round."""
    found: dict[str, list[str]] = {name: [] for name in edges}
    for name, others in edges.items():
        for other in others:
            found[other].append(name)
    return found


def ranks(seconds: t.Mapping[str, float], needs: Edges, window: int) -> dict[str, float]:
    """Which of the units that could start goes first: the one with the least rank.

    The longest remaining path first is good, but doesn't see that units compete for the window. Laying the resulting
    schedule out once more from its end, and taking that order where it is shorter, removes most of what is left to
    the lower bound (forward-backward improvement, Tormos and Lova 2001; measured in tests/benchmarks/simulate.py).

    Args:
        seconds: How long each unit is expected to take; only the proportions matter.
        needs: What each has to wait for.
        window: How many may be in flight; 0 for any number.

    Raises:
        LockstepError: Units wait for each other in a circle, which is named.
    """
    followers = inverted(needs)
    remaining = _longest_remaining(seconds, needs, followers)
    if window == 1:
        # One at a time takes as long in any order, and users have put first whom they want to be first.
        return dict.fromkeys(seconds, 0.0)
    by_path = {name: -ahead for name, ahead in remaining.items()}
    if not window or window >= len(seconds):
        return by_path
    ends = _ends(seconds, needs, followers, by_path, window)
    from_the_end = _ends(seconds, followers, needs, {name: -end for name, end in ends.items()}, window)
    by_latest = {name: -end for name, end in from_the_end.items()}
    shorter = max(_ends(seconds, needs, followers, by_latest, window).values()) < max(ends.values())
    return by_latest if shorter else by_path


def _ends(
    seconds: t.Mapping[str, float],
    needs: Edges,
    followers: Edges,
    ranks: t.Mapping[str, float],
    window: int,
) -> dict[str, float]:
    """The seconds at which each unit would end if all took as long as expected."""
    open_needs = {name: len(needed) for name, needed in needs.items()}
    ready = [(ranks[name], name) for name, count in open_needs.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    ends: dict[str, float] = {}
    now = 0.0
    while ready or running:
        while ready and len(running) < window:
            name = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + seconds[name], name))
        now, name = heapq.heappop(running)
        ends[name] = now
        for follower in followers[name]:
            open_needs[follower] -= 1
            if not open_needs[follower]:
                heapq.heappush(ready, (ranks[follower], follower))
    return ends


def _longest_remaining(seconds: t.Mapping[str, float], needs: Edges, followers: Edges) -> dict[str, float]:
    """The seconds from the start of each unit to the end of the last one that waits for it.

    Raises:
        LockstepError: Units wait for each other in a circle, which is named.
    """
    remaining: dict[str, float] = {}
    open_followers = {name: len(found) for name, found in followers.items()}
    last = [name for name, count in open_followers.items() if not count]
    while last:
        name = last.pop()
        remaining[name] = seconds[name] + max((remaining[other] for other in followers[name]), default=0.0)
        for needed in needs[name]:
            open_followers[needed] -= 1
            if not open_followers[needed]:
                last.append(needed)
    if len(remaining) < len(seconds):
        circle = _circle({name: found for name, found in needs.items() if name not in remaining})
        raise LockstepError(f"units wait for each other in a circle: {' -> '.join(circle)}", left="nothing was changed")
    return remaining


def _circle(needs: Edges) -> list[str]:
    """One circle among units that could not be put in order, the first unit repeated at the end."""
    followers = inverted({name: [other for other in needed if other in needs] for name, needed in needs.items()})
    path = [next(iter(needs))]
    while path[-1] not in path[:-1]:
        path.append(next(iter(followers[path[-1]])))
    return path[path.index(path[-1]) :][::-1]
