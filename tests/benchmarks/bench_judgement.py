# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what is worse is taken back and what is not is kept, and how fast the log is read."""

from __future__ import annotations

import pathlib
import random
import tempfile
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.watching import LOOKS
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.access_log import AccessLog
from tests.support.accesslog import line
from tests.support.visitors import BEGIN, Release, failures

_MINUTE = 60.0
_THOUSANDS = 2000 / 3
"""Requests a minute that make 2,000 in the three minutes a look looks back."""
_LINES = 200_000
_HOUR = 3600.0

Case = t.Callable[[], float]


def _share(
    candidate: Release, baseline: Release | None, lasts: float, every: float, runs: int = 100, before: int = 0
) -> float:
    """The share of watches that take a release back."""
    return failures(candidate, baseline, lasts, every, runs, before) / runs


def worse(lasts: float, every: float) -> dict[str, Case]:
    """What must be taken back. A log-normal sigma of 1 is the widest that is promised."""
    return {
        "8 % errors": lambda: _share(Release(400, 0.08), None, lasts, every),
        "doubled, 200 a side": lambda: _share(Release(80, slower=2), Release(80), lasts, every),
        "doubled, 200 before": lambda: _share(Release(80, slower=2), None, lasts, every, before=200),
        "+60 %, 2,000 a side": lambda: _share(Release(_THOUSANDS, slower=1.6), Release(_THOUSANDS), lasts, every),
    }


#: What must be kept, over 30 looks.
NO_WORSE: dict[str, Case] = {
    "4 % errors": lambda: _share(Release(400, 0.04), None, 1800, _MINUTE),
    # It happens in 4 of 1,000 watches, which 100 of them would not tell from 2 of 100.
    "+30 %, 2,000 a side": lambda: _share(
        Release(_THOUSANDS, slower=1.3), Release(_THOUSANDS), 1800, _MINUTE, runs=400
    ),
    "unchanged": lambda: _share(Release(400, 0.01), Release(400, 0.01), 1800, _MINUTE),
    "unchanged, few requests": lambda: _share(Release(70, 0.01), Release(70, 0.01), 1800, _MINUTE),
    "unchanged, 200 before": lambda: _share(Release(80, 0.01), None, 1800, _MINUTE, before=200),
}


#: What must be kept for an hour after its deployment, looked at as often as sites are then.
FOR_AN_HOUR: dict[str, Case] = {
    "unchanged": lambda: _share(Release(400, 0.01), None, _HOUR, _HOUR / LOOKS, before=3000),
    "unchanged, few requests": lambda: _share(Release(70, 0.01), Release(70, 0.01), _HOUR, _HOUR / LOOKS),
    "unchanged, 200 before": lambda: _share(Release(80, 0.01), None, _HOUR, _HOUR / LOOKS, before=200),
}


def measure() -> dict[str, float]:
    """Judge made-up visitors, and read a long log.

    Returns:
        ``detection_rate`` within ten minutes, ``detection_rate_one_look`` by the first look that can know, and
        ``false_alarm_rate`` over 30 looks and ``false_alarm_rate_hour`` over those of an hour, of the worst case each;
        ``log_lines_per_s``.
    """
    return {
        "detection_rate": min(_rates("within ten minutes", worse(600, _MINUTE))),
        "detection_rate_one_look": min(_rates("by one look", worse(3 * _MINUTE, 3 * _MINUTE))),
        "false_alarm_rate": max(_rates("over 30 looks", NO_WORSE)),
        "false_alarm_rate_hour": max(_rates("within an hour", FOR_AN_HOUR)),
        "log_lines_per_s": _lines_per_second(),
    }


def _rates(when: str, cases: t.Mapping[str, Case]) -> list[float]:
    """The share of watches that ended with the release being taken back."""
    found = {name: case() for name, case in cases.items()}
    for name, rate in found.items():
        print(f"{name:26} {100 * rate:5.1f} % taken back {when}")
    return list(found.values())


def _lines_per_second() -> float:
    """A log of one busy site, all of which counts."""
    dice = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        path = pathlib.Path(folder, "access.log")
        with path.open("w", encoding="utf-8") as handle:
            for number in range(_LINES):
                handle.write(line(BEGIN + number / 1000, path=f"/app/{dice.random()}", seconds=round(dice.random(), 3)))
        begin = time.process_time()
        with AccessLog(str(path), BEGIN) as log:
            assert sum(1 for _request in log.requests()) == _LINES
        return round(_LINES / (time.process_time() - begin))
