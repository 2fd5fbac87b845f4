# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a release is taken back by itself."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


@dataclass(frozen=True)
class Rules:
    """The rules; the defaults are those of the deployment guidelines.

    Args:
        error_rate: The share of requests that may fail; above it in each of ``minutes`` minutes in a row, and surely
            above it in all of them together (Wilson), the release fails; not if as many failed in the time before it
            came. None switches the rule off.
        minutes: How many minutes in a row.
        min_requests: Requests a minute must have; one with fewer says nothing.
        latency_ratio: How many times the baseline's median the candidate's may be; above it, and where chance explains
            that poorly (Mann-Whitney), the release fails. None switches the rule off.
        significance: What chance must be less likely than (p, two-sided). A watch shares it among its looks.
        min_times: Requests either side must have; fewer say nothing.
        min_slowdown: Seconds the medians must differ by. nginx's times have steps of a millisecond, so from 1 to 2 is
            no doubling.
        latency_window: How far back times are looked at, in seconds. Nothing is said of a release that is younger: a
            median of so long a time bears cold caches at its beginning.
        unhealthy: How long health checks may fail, in seconds. None switches the rule off.
        gone: How long a critical dependency may be away, in seconds, so that one lost connection is no rollback.
            None switches the rule off.
    """

    error_rate: float | None = 0.05
    minutes: int = 3
    min_requests: int = 100
    latency_ratio: float | None = 1.5
    significance: float = 0.01
    min_times: int = 200
    min_slowdown: float = 0.002
    latency_window: float = 180.0
    unhealthy: float | None = 300.0
    gone: float | None = 10.0

    def __post_init__(self) -> None:
        for problem, wrong in (
            ("error_rate is a share between 0 and 1", self.error_rate is not None and not 0 <= self.error_rate < 1),
            ("minutes is at least 1", self.minutes < 1),
            ("min_requests is at least 1", self.min_requests < 1),
            ("latency_ratio is at least 1", self.latency_ratio is not None and self.latency_ratio < 1),
            ("significance lies between 0 and 1", not 0 < self.significance < 1),
            ("min_times is at least 20", self.min_times < 20),
            ("latency_window is at least 1 s", self.latency_window < 1),
            ("min_slowdown is not negative", self.min_slowdown < 0),
            ("unhealthy and gone are not negative", min(self.unhealthy or 0, self.gone or 0) < 0),
        ):
            if wrong:
                raise LockstepError(f"the rules can't be as given: {problem}")

    @classmethod
    def from_mapping(cls, data: t.Mapping[str, t.Any]) -> Rules:
        """Rules from a user's mapping; what is missing is as above.

        Raises:
            LockstepError: A rule is unknown or can't be as given.
        """
        known = {field.name: field for field in dataclasses.fields(cls)}
        strange = sorted(set(data) - set(known))
        if strange:
            raise LockstepError(f"{', '.join(strange)}: no such rule; there are {', '.join(known)}")
        given = {name: _number(name, value, known[name].default) for name, value in data.items()}
        return cls(**given)

    @property
    def reach(self) -> float:
        """How far back they look, in seconds."""
        return max(self.minutes * 60.0, self.latency_window)


_OPTIONAL = ("error_rate", "latency_ratio", "unhealthy", "gone")


def _number(name: str, value: t.Any, default: t.Any) -> t.Any:
    if value is None or value is False:
        if name in _OPTIONAL:
            return None
        raise LockstepError(f"the rule {name} can't be switched off")
    try:
        number = float(value)
        if isinstance(value, bool) or not math.isfinite(number) or (isinstance(default, int) and number % 1):
            raise ValueError(value)
        return type(default)(number)
    except (TypeError, ValueError) as error:
        raise LockstepError(f"the rule {name} can't be {value!r}") from error
