# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prometheus, which mtail tells of the same log, says the same as the log."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Figures, total
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import judge
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.prometheus import PrometheusSource, Queries
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import Sides
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import Span
from tests.integration.judgement.ground import NEW, OLD, RULES, Ground
from tests.integration.nginx.scene import wait_until
from tests.integration.nginx.switching import SITE
from tests.support.monitoring import ERRORS, HISTOGRAM, REQUESTS, Mtail, Prometheus

pytestmark = pytest.mark.integration

QUERIES = Queries(REQUESTS, ERRORS, HISTOGRAM)
TO_NEW, TO_OLD = 0, 19


@pytest.fixture
def prometheus(ground: Ground) -> t.Iterator[Prometheus]:
    ground.visit(TO_NEW, "/assets/none.js", 1)
    with (
        Mtail(ground.scene.folder, ground.scene.access_log) as mtail,
        Prometheus(ground.scene.folder, mtail.port) as found,
    ):
        yield found


def source(ground: Ground, prometheus: Prometheus, queries: Queries = QUERIES, **options: t.Any) -> PrometheusSource:
    return PrometheusSource(prometheus.url, queries, Sides(NEW, OLD), ground.since, SITE, **options)


def seen(ground: Ground, prometheus: Prometheus, count: float) -> None:
    """Wait until Prometheus knows of so many requests."""
    asked = source(ground, prometheus, Queries("sum(lockstep_requests_total)", "vector(0)"))
    wait_until(
        lambda: (ground.figures(asked).candidate.minutes[-1].requests or 0) >= count, f"{count} requests are known"
    )


def test_both_sources_agree(ground: Ground, prometheus: Prometheus) -> None:
    # A counter's first value is no increase: each is there before what is counted.
    for slot in (TO_NEW, TO_OLD):
        ground.visit(slot, "/slow?0.001", 1)
        ground.visit(slot, "/busy", 1)
    seen(ground, prometheus, 4)
    log = ground.source()
    ground.figures(log)
    for slot, seconds, good, bad in ((TO_NEW, 0.03, 240, 56), (TO_OLD, 0.01, 240, 4)):
        ground.visit(slot, f"/slow?{seconds}", good)
        ground.visit(slot, "/busy", bad)
    seen(ground, prometheus, 544)
    ours, theirs = ground.figures(log), ground.figures(source(ground, prometheus))
    for one, other in ((ours.candidate, theirs.candidate), (ours.baseline, theirs.baseline)):
        assert total(other.minutes).rate == pytest.approx(total(one.minutes).rate, abs=0.005)
    # Its percentiles are as wide as its buckets are.
    assert 0.02 <= (ours.candidate.times.percentile(0.5) or 0) <= 0.05
    assert 0.02 <= (theirs.candidate.times.percentile(0.5) or 0) <= 0.05
    for figures in (ours, theirs):
        verdict = judge(figures, RULES)
        assert {ruling.rule: ruling.status for ruling in verdict.rulings} == {"errors": "fail", "latency": "fail"}


def test_no_answer_is_no_data_and_nothing_passes_by_it(ground: Ground, prometheus: Prometheus) -> None:
    ground.visit(TO_NEW, "/", 1)
    seen(ground, prometheus, 1)
    ground.visit(TO_NEW, "/", 150)
    seen(ground, prometheus, 151)

    def judged(queries: Queries) -> tuple[str, Figures]:
        figures = ground.figures(source(ground, prometheus, queries))
        ruling = judge(figures, RULES).ruling("errors")
        assert ruling is not None
        return ruling.status, figures

    status, figures = judged(QUERIES)
    assert status == "inconclusive"
    assert figures.candidate.minutes[-1].errors is None
    assert judged(Queries(REQUESTS, f"{ERRORS} or vector(0)"))[0] == "pass"
    status, figures = judged(Queries("sum(no_such_series)", f"{ERRORS} or vector(0)"))
    assert status == "inconclusive"
    assert figures.candidate.minutes[-1].requests is None
    assert judged(Queries(f"{REQUESTS} / 0 * 0", "vector(0)"))[0] == "inconclusive"


def test_the_old_release_is_compared_in_the_time_before(ground: Ground, prometheus: Prometheus) -> None:
    ground.visit(TO_OLD, "/slow?0.001", 1)
    seen(ground, prometheus, 1)
    ground.visit(TO_OLD, "/slow?0.01", 220)
    seen(ground, prometheus, 221)
    switched = time.time()
    found = PrometheusSource(
        prometheus.url, QUERIES, Sides(NEW, OLD), switched, SITE, before=Span(switched - 60, switched)
    )
    figures = found.figures(switched, RULES)
    assert 0.005 < (figures.before.percentile(0.5) or 0) <= 0.02
    assert (figures.before_count.requests or 0) > 200


def test_queries_that_do_not_give_what_is_wanted_are_refused_with_the_remedy(
    ground: Ground, prometheus: Prometheus
) -> None:
    ground.visit(TO_NEW, "/", 1)
    ground.visit(TO_NEW, "/busy", 1)
    seen(ground, prometheus, 2)
    bucket = 'label_replace(vector(1), "le", "0.1", "", "")'
    for queries, problem in (
        (Queries("sum(", "vector(0)"), r"Prometheus refuses a query: .*parse error: unclosed left parenthesis: sum\("),
        (Queries("lockstep_requests_total", "vector(0)"), r"one number is wanted and there are 2: sum\(…\)"),
        (Queries("vector(1)", "vector(0)", "lockstep_requests_total"), r"buckets are told apart by le: sum by \(le\)"),
        (Queries("vector(1)", "vector(0)", f'{bucket} or label_replace({bucket}, "x", "y", "", "")'), "are several"),
        (Queries("vector(1)", "vector(0)", "lockstep_request_seconds_bucket[1m]"), r"than numbers: lockstep.*\[1m\]"),
    ):
        with pytest.raises(LockstepError, match=problem):
            ground.figures(source(ground, prometheus, queries))


def test_who_is_no_prometheus_is_told(ground: Ground) -> None:
    found = PrometheusSource(f"http://127.0.0.1:{ground.scene.port}", QUERIES, Sides(NEW, OLD), ground.since, SITE)
    with pytest.raises(LockstepError, match="does not answer as Prometheus does: 404"):
        ground.figures(found)
    nobody = PrometheusSource("http://127.0.0.1:1", QUERIES, Sides(NEW, OLD), ground.since, SITE)
    with pytest.raises(LockstepError, match=r"no connection to 127\.0\.0\.1:1: Connection refused"):
        ground.figures(nobody)
