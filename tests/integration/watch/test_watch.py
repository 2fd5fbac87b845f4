# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites that are watched after their deployment, by playbook, while their users read and write."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import sqlite3
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from tests.integration.frappe.strategies import ADDITIVE, UNHEALTHY, visited
from tests.integration.stage import Playing, Stage, stage
from tests.support.client import Client
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration

SITES = GOOD, BAD = ("good.local", "bad.local")
VERSION = "/api/method/custom_app.api.version"
DEPLOY, WATCH, STATUS, BACK = (f"playbooks/{name}.yml" for name in ("deploy", "watch", "status", "rollback"))
#: What is decided by errors alone is decided within a minute.
RULES = {"minutes": 1, "min_requests": 20, "latency_ratio": None}
LONG = 900


class Watched:
    """Two sites of one bench, and what is on record of them.

    Args:
        on: Their bench.
    """

    def __init__(self, on: Stage) -> None:
        self.stage = on

    def inventory(self, tags: t.Mapping[str, str]) -> pathlib.Path:
        options = {"wait_time": 0, "rehearsal": "never", "rules": RULES}
        benches = {self.stage.bench.name: self.stage.options(keep_releases=5)}
        return self.stage.deployment(tags, options=options, benches=benches)

    def record(self, site: str, name: str = "watch") -> dict[str, t.Any]:
        path = self.stage.folder / "state" / "units" / site / f"{name}.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def statuses(self) -> dict[str, str]:
        return {site: self.record(site)["status"] for site in SITES}

    def process(self, site: str) -> int:
        """The one that watches it."""
        return int((self.stage.folder / "state" / "units" / site / "watch.flock").read_text())

    def versions(self) -> list[str]:
        return [str(self.stage.bench.get(site, VERSION).message) for site in SITES]

    def await_watch(self, run: Playing, deployment_id: str = "") -> None:
        """Until both sites are watched, after the deployment or anew."""

        def is_watched() -> bool:
            found = [self.record(site) for site in SITES]
            return all(one.get("status") == "watching" and one["deployment_id"] != deployment_id for one in found)

        wait_until(lambda: is_watched() or run.has_ended(), 240, "the sites are watched")
        assert not run.has_ended(), run.output()[-6000:]

    def completed(self, inventory: pathlib.Path) -> str:
        """The deployment that the first site is on; both are deployed to, if nobody did that yet."""
        if self.record(GOOD, "journal").get("status") != "live":
            done = self.stage.play(DEPLOY, inventory=inventory, watch_for=0)
            assert done.returncode == 0, done.stdout[-6000:]
            assert "Watching" not in done.stdout, "with 0 nothing is watched"
        return str(self.record(GOOD, "journal")["deployment_id"])

    def ledger(self) -> dict[str, t.Any]:
        """The newest deployment in the ledger."""
        with sqlite3.connect(self.stage.folder / "data" / "lockstep" / "ledger.db") as connection:
            connection.row_factory = sqlite3.Row
            return dict(connection.execute("SELECT * FROM deployments ORDER BY id DESC LIMIT 1").fetchone())

    def client(self) -> Client:
        return Client(self.stage.bench.http_port, SITES, pause=0.5)


@pytest.fixture(scope="module")
def watched() -> t.Iterator[Watched]:
    """Two sites that nobody deployed to."""
    with stage("lkw-", sites=SITES) as found:
        yield Watched(found)


def require_nothing_lost(client: Client) -> None:
    for site, seen in client.sites.items():
        assert (seen.failed_reads[:3], seen.failed_writes[:3], client.lost(site)) == ([], [], [])
        assert len(seen.acknowledged) > 10


def lasted(record: t.Mapping[str, t.Any]) -> float:
    return (clock.parse(record["ended"]) - clock.parse(record["began"])).total_seconds()


def test_a_release_that_gets_bad_after_its_deployment_is_taken_back_by_itself(watched: Watched) -> None:
    inventory = watched.inventory(UNHEALTHY)
    with watched.client() as client, watched.stage.playing(DEPLOY, inventory, watch_for=LONG) as run:
        watched.await_watch(run)
        assert {watched.record(site, "journal")["status"] for site in SITES} == {"live"}
        assert watched.ledger()["status"] == "completed", "it is, whatever becomes of the watch"
        assert "ended completed: 3 on the new release" in run.output()
        assert "Watching good.local, bad.local for 15 min under the rules of deployment" in run.output()
        assert "then its sites are watched for 15 min, and the run ends after that" in run.output(), "the plan says so"
        with visited(watched.stage, BAD):
            assert run.end(300) == 2, run.output()[-6000:]
    assert watched.versions() == ["0.9.0"] * 2, run.output()[-6000:]
    require_nothing_lost(client)
    found = {site: watched.record(site) for site in SITES}
    assert watched.statuses() == {GOOD: "ended", BAD: "failed"}
    assert max(lasted(record) for record in found.values()) < 200, "nobody waited for the end of the watch"
    assert found[GOOD]["reasons"] == [f"the watch of {BAD} failed"]
    reason = found[BAD]["reasons"][0]
    assert re.match(r"errors: \d+\.\d % of the requests of 1 minute failed, 5 % may; with 95 % confidence", reason)
    assert found[BAD]["figures"]["looks"]["fail"] == 1
    assert {watched.record(site, "journal")["status"] for site in SITES} == {"restored"}
    assert watched.record(BAD, "journal")["data"]["rollback_reason"] == f"the watch of {BAD}: {reason}"
    entry = watched.ledger()
    assert (entry["status"], entry["reason"]) == ("rolled_back", f"the watch of {BAD}: {reason}")
    verdict = run.output().partition("PLAY [Tell the verdict of the watch]")[2]
    assert "ended rolled_back: 3 back on the release before" in verdict
    assert f"Failed: {BAD} in watch: errors: " in verdict
    jobs = watched.stage.folder / "state" / "jobs"
    assert list(jobs.iterdir()) == [], "the process that watched wrote there, and that is gone"


def test_a_release_that_does_well_is_watched_to_the_end_and_stays(watched: Watched) -> None:
    inventory = watched.inventory(ADDITIVE)
    with watched.client() as client, watched.stage.playing(DEPLOY, inventory, watch_for=75) as run:
        watched.await_watch(run)
        told = watched.stage.play(STATUS, inventory=inventory)
        for site in SITES:
            assert re.search(rf"watched: {re.escape(site)}, until 20\S+ \S+ UTC", told.stdout), told.stdout[-3000:]
        assert run.end() == 0, run.output()[-6000:]
    require_nothing_lost(client)
    assert watched.statuses() == dict.fromkeys(SITES, "passed"), [watched.record(site) for site in SITES]
    assert min(lasted(watched.record(site)) for site in SITES) >= 75
    assert re.search(rf"{GOOD}: watched for [^,]+, every rule was satisfied at the end: ", run.output())
    assert watched.versions() == ["1.0.1"] * 2
    assert watched.ledger()["status"] == "completed"


def test_a_watch_ends_where_another_deployment_comes_and_its_controller_may_die(watched: Watched) -> None:
    inventory = watched.inventory(ADDITIVE)
    first = watched.completed(inventory)
    unclear = watched.stage.play(WATCH, inventory=inventory, deployment_id="last")
    assert unclear.returncode != 0
    assert "Say for how long" in unclear.stdout
    with watched.stage.playing(WATCH, inventory, deployment_id=first, watch_for=LONG) as run:
        watched.await_watch(run)
        done = watched.stage.play(DEPLOY, inventory=watched.inventory(UNHEALTHY), only=[BAD], watch_for=0)
        assert done.returncode == 0, done.stdout[-6000:]
        wait_until(lambda: watched.record(BAD)["status"] != "watching", 60, "it hears of the deployment")
        assert watched.statuses() == {GOOD: "watching", BAD: "superseded"}
        assert watched.record(BAD, "journal")["deployment_id"] != first
        run.interrupt()
    told = watched.stage.play(STATUS, inventory=inventory)
    assert re.search(rf"watched: {GOOD}, until ", told.stdout), told.stdout[-3000:]
    assert f"watched: {BAD}" not in told.stdout, "its newest deployment was not watched"
    assert watched.record(GOOD, "journal")["status"] == "live"

    os.kill(watched.process(GOOD), signal.SIGKILL)
    told = watched.stage.play(STATUS, inventory=inventory)
    assert re.search(rf"the process is gone that was to watch {GOOD} until ", told.stdout), told.stdout[-3000:]
    assert re.search(rf"watch\.yml -e deployment_id={first}, to watch it again", told.stdout), told.stdout[-3000:]


def test_a_watch_takes_the_place_of_another_and_tells_when_its_process_was_killed(watched: Watched) -> None:
    inventory = watched.inventory(ADDITIVE)
    first = watched.completed(inventory)
    with watched.stage.playing(WATCH, inventory, deployment_id=first, watch_for=LONG) as run:
        wait_until(lambda: watched.record(GOOD)["status"] == "watching" or run.has_ended(), 90, "it is watched")
        run.kill()
    again = watched.stage.play(WATCH, inventory=inventory, deployment_id=first, watch_for=1)
    assert again.returncode == 0, again.stdout[-4000:]
    assert watched.record(GOOD)["status"] in ("passed", "inconclusive")
    assert f"{GOOD}: watched for " in again.stdout
    assert watched.stage.bench.get(GOOD, VERSION).message == "1.0.1", "too little to judge by is no failure"

    with watched.stage.playing(WATCH, inventory, deployment_id=first, watch_for=LONG) as run:
        before = watched.record(GOOD)["began"]
        wait_until(lambda: watched.record(GOOD)["began"] != before or run.has_ended(), 90, "it is watched")
        os.kill(watched.process(GOOD), signal.SIGKILL)
        assert run.end(60) == 2, "nobody waits for a process that is gone"
        assert f"could not be watched to the end on: {GOOD}" in run.output()
    assert watched.record(GOOD, "journal")["status"] == "live", "that says nothing of the release"
    assert watched.stage.bench.get(GOOD, VERSION).message == "1.0.1"
