# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who needs whom: levels, order, cycles and the critical path, without recursion."""

from __future__ import annotations

import typing as t


class CycleError(ValueError):
    """The graph has cycles.

    Args:
        cycles: Each as the names along it, the first again at its end: ``a`` needs ``b`` needs ``a``.
    """

    def __init__(self, cycles: list[list[str]]) -> None:
        self.cycles = cycles
        super().__init__("; ".join(" → ".join(cycle) for cycle in cycles))


class CriticalPath(t.NamedTuple):
    """The chain that decides how long everything takes at least."""

    names: list[str]
    seconds: float


class Graph:
    """A dependency graph, worked on by number: 10,000 nodes with 100,000 edges take tens of milliseconds.

    Args:
        needs: Each name with the names it needs, all of them keys themselves. Where nothing else decides, results
            keep this order.

    Raises:
        KeyError: A needed name is no key.
        CycleError: There are cycles.
    """

    def __init__(self, needs: t.Mapping[str, t.Collection[str]]) -> None:
        self._needs = needs
        self._names = list(needs)
        self._number = {name: at for at, name in enumerate(self._names)}
        self._needed_by: list[list[int]] = [[] for _name in self._names]
        self._levels = self._find_levels()

    def levels(self) -> list[list[str]]:
        """Names by level: those that need nothing first, then those that need only these, and so on."""
        names = self._names
        return [[names[at] for at in level] for level in self._levels]

    def order(self) -> list[str]:
        """All names, each after everything it needs."""
        names = self._names
        return [names[at] for level in self._levels for at in level]

    def needs(self, name: str) -> list[str]:
        """The names that a name needs directly."""
        return list(self._needs[name])

    def closure(self, names: t.Iterable[str]) -> list[str]:
        """The names given and everything they need, directly or not, each after what it needs."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self._needs[name])
        return sorted(found, key=self._position().__getitem__)

    def critical_path(self, weights: t.Mapping[str, float]) -> CriticalPath:
        """The heaviest chain of all."""
        if not self._names:
            return CriticalPath([], 0.0)
        remaining = self._remaining(weights)
        at = max(range(len(remaining)), key=remaining.__getitem__)
        seconds, chain = remaining[at], [self._names[at]]
        while self._needed_by[at]:
            at = max(self._needed_by[at], key=remaining.__getitem__)
            chain.append(self._names[at])
        return CriticalPath(chain, seconds)

    def _find_levels(self) -> list[list[int]]:
        number, needed_by = self._number, self._needed_by
        missing = []
        for at, needed in enumerate(self._needs.values()):
            missing.append(len(needed))
            for name in needed:
                needed_by[number[name]].append(at)
        level = [at for at, count in enumerate(missing) if not count]
        levels, found = [], 0
        while level:
            levels.append(level)
            found += len(level)
            following = []
            for done in level:
                for at in needed_by[done]:
                    missing[at] -= 1
                    if not missing[at]:
                        following.append(at)
            following.sort()
            level = following
        if found < len(missing):
            raise CycleError(self._cycles({name for name, count in zip(self._names, missing, strict=True) if count}))
        return levels

    def _cycles(self, stuck: set[str]) -> list[list[str]]:
        """Cycles among names that wait for each other, no name in two of them."""
        cycles: list[list[str]] = []
        for start in self._names:
            chain: dict[str, int] = {}
            name: str | None = start if start in stuck else None
            while name is not None and name not in chain:
                chain[name] = len(chain)
                name = next((needed for needed in self._needs[name] if needed in stuck), None)
            if name is not None:
                cycle = list(chain)[chain[name] :]
                cycles.append([*cycle, name])
            stuck.difference_update(chain)
        return cycles

    def _position(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.order())}

    def _remaining(self, weights: t.Mapping[str, float]) -> list[float]:
        """For each name, the weight of the heaviest chain that begins with it and ends where nobody waits any more."""
        remaining = [float(weights[name]) for name in self._names]
        needed_by = self._needed_by
        for level in reversed(self._levels):
            for at in level:
                waiting = needed_by[at]
                if waiting:
                    remaining[at] += max([remaining[later] for later in waiting])
        return remaining
