# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a real nginx logs counts for the release it was meant for, once, while its log is rotated."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import time

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.access_log import AccessLog
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Count, total
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import judge
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.watch import Watch, http_probe
from tests.integration.judgement.ground import RULES, Ground
from tests.integration.nginx.scene import Visitors, wait_until
from tests.integration.nginx.switching import SITE

pytestmark = pytest.mark.integration

#: The first slots lead to the new release, the last ones to the old one.
TO_NEW, TO_OLD = 0, 19


def test_each_side_has_its_own_requests_and_errors(ground: Ground) -> None:
    ground.visit(TO_NEW, "/", 30)
    ground.visit(TO_NEW, "/busy", 10)
    ground.visit(TO_OLD, "/", 20)
    ground.visit(TO_OLD, "/nothing/../here", 5)
    figures = ground.figures(ground.source())
    assert total(figures.candidate.minutes) == Count(40, 10, 0)
    assert total(figures.baseline.minutes) == Count(25, 0, 0)
    assert figures.candidate.times.count == 30


def test_a_release_that_died_is_charged_with_what_it_did_not_answer(ground: Ground) -> None:
    source = ground.source()
    ground.new.stop()
    ground.visit(TO_NEW, "/", 120)
    ground.visit(TO_OLD, "/", 120)
    figures = ground.figures(source)
    assert total(figures.candidate.minutes) == Count(120, 120, 0)
    assert total(figures.baseline.minutes) == Count(120, 0, 0)
    verdict = judge(figures, RULES)
    assert verdict.failed
    assert verdict.reasons[0].startswith("errors: 100.0 % of the requests of 1 minute failed, 5 % may")


def test_what_nginx_answers_by_itself_is_nobodys(ground: Ground) -> None:
    source = ground.source()
    ground.visit(TO_NEW, "/assets/dist/green.js", 10)
    ground.visit(TO_NEW, "/assets/none.js", 10)
    pathlib.Path(ground.traffic.folder, "closed").touch()
    ground.visit(TO_NEW, "/", 10)
    figures = ground.figures(source)
    assert total(figures.candidate.minutes) == total(figures.baseline.minutes) == Count(0, 0, 0)


def test_a_release_that_is_slower_than_the_other_fails(ground: Ground) -> None:
    source = ground.source()
    for _round in range(2):
        ground.visit(TO_NEW, "/slow?0.03", 100)
        ground.visit(TO_OLD, "/slow?0.01", 100)
    verdict = judge(ground.figures(source), RULES)
    assert verdict.failed
    assert [ruling.rule for ruling in verdict.rulings if ruling.status == "fail"] == ["latency"]
    assert 2 < verdict.rulings[1].numbers["ratio"] < 4


def test_probes_ask_a_release_directly_and_are_not_logged(ground: Ground) -> None:
    probe = http_probe(f"http://{SITE}/", connect=f"unix:{ground.new.folder}/web.sock")
    watch = Watch(ground.source(), RULES, lasts=0, every=10, probes={"candidate": probe})
    watch.look()
    assert watch.verdict is not None
    found = watch.verdict.numbers["candidate"]
    assert found["probes"] == found["requests"] >= 20
    assert found["errors"] == 0
    assert ground.logged() == 0
    busy = http_probe(f"http://{SITE}/busy", connect=f"unix:{ground.new.folder}/web.sock")
    assert not busy().ok
    ground.new.stop()
    assert not probe().ok


@pytest.mark.parametrize("way", ["renamed", "copied and truncated"])
def test_no_line_is_lost_or_read_twice_while_the_log_is_rotated(ground: Ground, way: str) -> None:
    path = ground.scene.access_log
    found: list[str] = []
    with AccessLog(str(path), time.time(), SITE) as log:

        def look() -> int:
            found.extend(request.path for request in log.requests())
            return len(found)

        count = 0
        for number in range(3):
            with Visitors(lambda: ground.scene.get("/"), clients=4) as visitors:
                visitors.wait_for(50)
                look()
                if way == "renamed":
                    _rename(ground, path, f"{path}.{number}")
                visitors.wait_for(visitors.count + 20)
            assert visitors.failures() == []
            count += visitors.count
            wait_until(lambda wanted=count: look() >= wanted, "every request is found in the log")
            if way != "renamed":
                # What comes while a log is copied and truncated is lost to everybody, so nobody comes then.
                shutil.copy(path, f"{path}.{number}")
                os.truncate(path, 0)
        assert look() == count
        assert log.passed_over == 0


def _rename(ground: Ground, path: pathlib.Path, aside: str) -> None:
    path.rename(aside)
    os.kill(int((ground.scene.folder / "nginx.pid").read_text()), signal.SIGUSR1)
    wait_until(path.exists, "nginx has opened its new log")
