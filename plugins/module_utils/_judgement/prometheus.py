# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same figures from Prometheus, by the user's queries over its HTTP API.

An empty answer is no data, and no data is inconclusive. A counter that was never raised has no series, so a query for
errors that shall be 0 then says so itself: ``sum(increase(…[$window])) or vector(0)``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import string
import typing as t
from dataclasses import dataclass
from urllib.parse import urlencode

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import (
    MINUTE,
    SHARES,
    Count,
    Counted,
    Figures,
    Histogram,
    Quantiles,
    Side,
    Times,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import BASELINE, CANDIDATE, Sides
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import Span

_MOST = 16 << 20
_EXCERPT = 300
#: What numbers come as, and where in each series, by what is asked: one for a moment, or one for each minute.
_NUMBERS = {"query": ("vector", "value"), "query_range": ("matrix", "values")}
PLACEHOLDERS = ("window", "release", "side", "site")


@dataclass(frozen=True)
class Queries:
    """PromQL for one side, with ``$window`` (as ``60s``), ``$release``, ``$side`` and ``$site`` in it.

    Args:
        requests: How many requests there were in the window; one number.
        errors: How many of them failed; one number.
        histogram: How many requests each bucket has in the window, by ``le``. It is what tells noise from a difference,
            so latency can fail only where it is given.
        p50, p95, p99: Percentiles of the window in seconds, where there is no histogram.
    """

    requests: str
    errors: str
    histogram: str | None = None
    p50: str | None = None
    p95: str | None = None
    p99: str | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            query = getattr(self, field.name)
            if query is not None:
                _filled(query, dict.fromkeys(PLACEHOLDERS, "1"))

    def filled(self, **values: str) -> dict[str, str]:
        """The given queries by name, their placeholders replaced; what stands in quotes stays inside them."""
        texts = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
        return {name: _filled(query, texts) for name, query in dataclasses.asdict(self).items() if query is not None}


def _filled(query: str, values: t.Mapping[str, str]) -> str:
    try:
        return string.Template(query).substitute(values)
    except KeyError as error:
        known = ", ".join(f"${name}" for name in PLACEHOLDERS)
        raise LockstepError(f"${error.args[0]} in a query means nothing; there are {known}: {query}") from error
    except ValueError as error:
        raise LockstepError(f"a dollar sign that is meant is written twice: {query}") from error


class PrometheusSource:
    """Figures from Prometheus.

    Args:
        url: Where it answers, ``http://127.0.0.1:9090``.
        queries: The user's queries.
        sides: The two releases; without a baseline none is asked about.
        since: When the candidate's time began, in seconds since 1970.
        site: The site, for ``$site``.
        before: A time in which the baseline served alone.
        authorization: The header of that name.
        timeout: Seconds one query may take.
        verify, ca_file: How its certificate is checked.

    Raises:
        LockstepError: The URL or a query can't be one.
    """

    def __init__(
        self,
        url: str,
        queries: Queries,
        sides: Sides,
        since: float,
        site: str | None = None,
        before: Span | None = None,
        authorization: str | None = None,
        timeout: float = 10.0,
        verify: bool = True,
        ca_file: str | None = None,
    ) -> None:
        self._url = http.check_url(url).rstrip("/")
        self._queries = queries
        self._sides = sides
        self._since = since
        self._site = site
        self._before = before
        self._known_before: tuple[Times, Count] | None = None
        self._headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if authorization:
            self._headers["Authorization"] = authorization
        self._timeout, self._verify, self._ca_file = timeout, verify, ca_file

    def figures(self, at: float, rules: Rules) -> Figures:
        """See :meth:`Source.figures`."""
        baseline = Side() if self._sides.baseline is None else self._side(BASELINE, at, rules)
        return Figures(self._side(CANDIDATE, at, rules), at - self._since, baseline, *self._of_before())

    def _of(self, side: str, seconds: float) -> dict[str, str]:
        release = self._sides.candidate if side == CANDIDATE else self._sides.baseline
        window = f"{math.ceil(seconds)}s"
        return self._queries.filled(window=window, release=release or "", side=side, site=self._site or "")

    def _side(self, side: str, at: float, rules: Rules) -> Side:
        queries = self._of(side, MINUTE)
        requests = self._minutes(queries["requests"], at, rules.minutes)
        errors = self._minutes(queries["errors"], at, rules.minutes)
        minutes = tuple(Count(one, other) for one, other in zip(requests, errors))
        return Side(minutes, self._times(side, at, rules.latency_window))

    def _of_before(self) -> tuple[Times, Count]:
        if self._before is None:
            return Counted(), Count()
        if self._known_before is None:
            end, seconds = self._before.end, self._before.end - self._before.begin
            queries = self._of(BASELINE, seconds)
            count = Count(self._number(queries["requests"], end), self._number(queries["errors"], end))
            self._known_before = self._times(BASELINE, end, seconds), count
        return self._known_before

    def _times(self, side: str, at: float, seconds: float) -> Times:
        queries = self._of(side, seconds)
        if "histogram" in queries:
            return self._histogram(queries["histogram"], at)
        found = {name: self._number(queries[name], at) for name in SHARES if name in queries}
        known = {name: value for name, value in found.items() if value is not None}
        return Quantiles(known, (self._number(queries["requests"], at) or 0.0) if known else 0.0)

    def _histogram(self, query: str, at: float) -> Times:
        buckets: dict[float, float] = {}
        for series in self._ask("query", query, {"time": f"{at:.3f}"}):
            try:
                bound = float(series["metric"]["le"])
            except (KeyError, ValueError) as error:
                raise LockstepError(
                    f"a histogram's buckets are told apart by le: sum by (le) (…) in {query}"
                ) from error
            if bound in buckets:
                raise LockstepError(f"a histogram is wanted, and there are several: sum by (le) (…) in {query}")
            buckets[bound] = _finite(series["value"][1]) or 0.0
        return Histogram.cumulative(buckets)

    def _number(self, query: str, at: float) -> float | None:
        found = self._one(self._ask("query", query, {"time": f"{at:.3f}"}), query)
        return None if found is None else _finite(found["value"][1])

    def _minutes(self, query: str, at: float, minutes: int) -> list[float | None]:
        begin = at - MINUTE * (minutes - 1)
        found = self._one(
            self._ask("query_range", query, {"start": f"{begin:.3f}", "end": f"{at:.3f}", "step": str(MINUTE)}), query
        )
        # Steps without data are left out of the answer.
        values = {
            round((float(time) - begin) / MINUTE): _finite(value) for time, value in (found or {"values": []})["values"]
        }
        return [values.get(number) for number in range(minutes)]

    @staticmethod
    def _one(series: list[t.Any], query: str) -> t.Any:
        if len(series) > 1:
            raise LockstepError(f"one number is wanted and there are {len(series)}: sum(…) in {query}")
        return series[0] if series else None

    def _ask(self, what: str, query: str, times: t.Mapping[str, str]) -> list[t.Any]:
        """The series that answer a query."""
        answer = http.request(
            f"{self._url}/api/v1/{what}",
            method="POST",
            headers=self._headers,
            body=urlencode({"query": query, **times}).encode(),
            timeout=self._timeout,
            verify=self._verify,
            ca_file=self._ca_file,
            max_bytes=_MOST,
        )
        try:
            found = json.loads(answer.text)
            if found["status"] != "success":
                raise LockstepError(f"Prometheus refuses a query: {found['error']}: {query}")
            kind, result = found["data"]["resultType"], found["data"]["result"]
        except (ValueError, KeyError, TypeError) as error:
            said = f"{answer.status} {answer.text[:_EXCERPT]}"
            raise LockstepError(f"{self._url} does not answer as Prometheus does: {said}") from error
        # time() and scalar() are numbers without series.
        if kind == "scalar":
            return [{"metric": {}, "value": result}]
        # Native histograms have no number either.
        expected, field = _NUMBERS[what]
        if kind != expected or any(field not in series for series in result):
            raise LockstepError(
                f"a query gives something else than numbers: {query}",
                hint="a range needs increase(…) around it, and a histogram is wanted as buckets with le",
            )
        return list(result)


def _finite(text: str) -> float | None:
    """A number, or None for what is none: 0 of 0 requests is no rate."""
    value = float(text)
    return value if math.isfinite(value) else None
