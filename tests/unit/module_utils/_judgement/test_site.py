# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user asks of the module is refused in words where it can't be."""

from __future__ import annotations

import pathlib
import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.prometheus import Queries
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.site import judge_site
from tests.support.accesslog import SITE, append, line

DEFAULTS: dict[str, t.Any] = {
    "site": SITE,
    **dict.fromkeys(("release", "baseline", "before_until", "prometheus")),
    "routes": {},
    "period": "last",
    "duration": 180.0,
    "every": 10.0,
    "before": 0.0,
    "rules": {},
}
_ASKED = {"url": "http://127.0.0.1:1", "requests": "a", "errors": "b", "timeout": 1, "verify": True, "ca_file": None}
PROMETHEUS = {**_ASKED, **dict.fromkeys(("histogram", "p50", "p95", "p99", "authorization"))}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"log": "/no/such/log"}, "the access log /no/such/log can't be read: No such file or directory"),
        ({"log": "/no/such/log", "period": "next"}, "can't be read"),
        ({"rules": {"errors": 1}}, "errors: no such rule"),
        ({"duration": 0}, "duration is more than 0 s"),
        ({"before": -1}, "before is not negative"),
        ({"period": "next", "every": 0}, "more than 0 s from one look to the next"),
        ({"routes": {"live": "green"}}, "a route belongs to candidate or baseline"),
        ({"release": "r1", "baseline": "r1"}, "r1 can't be compared with itself"),
        ({"prometheus": {**PROMETHEUS, "url": "ftp://x"}}, "not an http"),
        ({"prometheus": PROMETHEUS}, "no connection to 127.0.0.1:1"),
        ({"prometheus": PROMETHEUS, "period": "next"}, "no connection to 127.0.0.1:1"),
        ({"prometheus": {**PROMETHEUS, "requests": "$x"}}, r"\$x in a query means nothing; there are \$window"),
        ({"prometheus": {**PROMETHEUS, "errors": 'b{c=~"5.$"}'}}, "a dollar sign that is meant is written twice"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: pathlib.Path, options: dict[str, t.Any], problem: str) -> None:
    log = tmp_path / "log"
    log.touch()
    with pytest.raises(LockstepError, match=problem):
        judge_site({**DEFAULTS, "log": str(log), **options})


def test_the_time_before_ends_where_it_is_said_to(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    now = time.time()
    spans = ((-600, 0.1), (-400, 0.01), (-170, 0.1))
    append(log, *[line(now + begin + n / 10, seconds=seconds) for begin, seconds in spans for n in range(300)])
    options = {**DEFAULTS, "log": str(log), "rules": {"error_rate": None}, "before": 300.0}
    assert judge_site(options).failed
    assert judge_site({**options, "before_until": now - 420}).passed


def test_queries_are_filled_in_without_breaking_out_of_their_quotes() -> None:
    queries = Queries('a{r="$release",s="${site}",x=~"y$$"}[$window]', "b", histogram="c[$window]")
    found = queries.filled(release='r"1\\', site="s", side="candidate", window="60s")
    assert found == {"requests": 'a{r="r\\"1\\\\",s="s",x=~"y$"}[60s]', "errors": "b", "histogram": "c[60s]"}
