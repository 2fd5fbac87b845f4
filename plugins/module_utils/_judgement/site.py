# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site judged as the module ``judge`` is asked to."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import Verdict
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.prometheus import PrometheusSource, Queries
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import Sides
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import LogSource, Source, Span
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.watch import Watch, review

_QUERIES = ("requests", "errors", "histogram", "p50", "p95", "p99")


def judge_site(options: t.Mapping[str, t.Any]) -> Verdict:
    """Judge a site.

    Args:
        options: The module's.

    Raises:
        LockstepError: An option can't be as given, or the source can't be read.
    """
    if options["duration"] <= 0 or options["before"] < 0:
        raise LockstepError("duration is more than 0 s, and before is not negative")
    rules = Rules.from_mapping(options["rules"])
    now = time.time()
    if options["period"] == "last":
        begin = now - options["duration"]
        return review(_source(options, begin), rules, begin, now)
    source = _source(options, now)
    # A watch takes a source that fails for one without data; here that is the user's mistake.
    source.figures(now, rules)
    return Watch(source, rules, lasts=options["duration"], every=options["every"]).run()


def _source(options: t.Mapping[str, t.Any], since: float) -> Source:
    sides = Sides(options["release"], options["baseline"], options["routes"])
    before = _before(options, since)
    asked = options["prometheus"]
    if asked is None:
        return LogSource(sides, since, options["site"], before, options["log"])
    return PrometheusSource(
        asked["url"],
        Queries(**{name: asked[name] for name in _QUERIES}),
        sides,
        since,
        options["site"],
        before,
        authorization=asked["authorization"],
        timeout=asked["timeout"],
        verify=asked["verify"],
        ca_file=asked["ca_file"],
    )


def _before(options: t.Mapping[str, t.Any], since: float) -> Span | None:
    if not options["before"]:
        return None
    end = since if options["before_until"] is None else min(options["before_until"], since)
    return Span(end - options["before"], end)
