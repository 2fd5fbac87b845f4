# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Visitors of a site on two releases until somebody ends that, by playbook, while all of them read and write."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import typing as t

import pytest

from tests.integration.stage import Playing, Stage, stage
from tests.support.client import Client
from tests.support.daemons import wait_until

pytestmark = pytest.mark.integration

SITE = "shared.local"
ADDITIVE = {"frappe": "v15.9.0", "erpnext": "v15.9.0", "custom_app": "v1.0.0-additive"}
VERSION = "/api/method/custom_app.api.version"
DEPLOY, SPLIT, STATUS = "playbooks/deploy.yml", "playbooks/split.yml", "playbooks/status.yml"
TRAFFIC = "playbooks/traffic.yml"
HELD = {
    "traffic_strategy": "a_b_test",
    "steps": [50],
    "step_wait": 0,
    "on_inconclusive": "go_on",
    "wait_time": 0,
    # It is additive, which is looked at after the migration, too.
    "rehearsal": "never",
}

Done = subprocess.CompletedProcess[str]


class Shared:
    """A site whose deployments hold a share of its visitors.

    Args:
        on: Its bench.
    """

    def __init__(self, on: Stage) -> None:
        self.stage = on
        self.inventory = on.deployment(ADDITIVE)

    def play(self, playbook: str, *arguments: str, **variables: t.Any) -> Done:
        return self.stage.play(playbook, *arguments, inventory=self.inventory, **variables)

    def journal(self) -> dict[str, t.Any]:
        path = self.stage.folder / "state" / "units" / SITE / "journal.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def version(self) -> str:
        return str(self.stage.bench.get(SITE, VERSION).message)

    def is_held(self) -> bool:
        """Whether the deployment that runs waits for a word."""
        journal = self.journal()
        steps = journal.get("steps") or [{}]
        held = steps[-1].get("phase") == "shift" and steps[-1]["intent"].get("holding")
        return journal.get("status") == "open" and bool(held)

    @contextlib.contextmanager
    def deployment(self) -> t.Iterator[Playing]:
        """A deployment that holds half of the visitors."""
        with self.stage.playing(DEPLOY, self.inventory, **HELD) as found:
            wait_until(lambda: self.is_held() or found.has_ended(), 180, "half of the visitors are held")
            assert not found.has_ended(), found.output()
            yield found

    def shown(self) -> tuple[str, dict[str, t.Any]]:
        """What the playbook prints and writes of the site."""
        path = self.stage.folder / "split.json"
        done = self.play(SPLIT, split_file=str(path))
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout, json.loads(path.read_text())[SITE]["split"]


@pytest.fixture(scope="module")
def shared() -> t.Iterator[Shared]:
    """A site that nobody deployed to."""
    with stage("lks-", sites=(SITE,)) as found:
        yield Shared(found)


def require_nothing_lost(client: Client) -> None:
    seen = client.sites[SITE]
    assert (seen.failed_reads, seen.failed_writes, client.lost(SITE)) == ([], [], [])
    assert len(seen.acknowledged) > 10


def require_both_sides(text: str) -> None:
    for side in ("new", "old"):
        assert re.search(
            rf"{re.escape(SITE)}:   {side} \S+ \(.*\): [1-9]\d* requests, 0 errors \(0 %\), p50 \d+ ms", text
        ), text


def test_a_share_is_seen_while_it_is_held_and_all_go_back_by_a_word(shared: Shared) -> None:
    nobody, split = shared.shown()
    assert "Sites whose visitors are shared: none of 1." in nobody
    assert split["state"] == "none"
    with Client(shared.stage.bench.http_port, [SITE], pause=0.05) as client, shared.deployment() as deployment:
        wait_until(lambda: client.sites[SITE].reads > 100, 60, "visitors came")
        text, split = shared.shown()
        assert (split["percent"], split["holding"], split["state"]) == (50, True, "held")
        assert split["candidate"]["versions"]["custom_app"] == "1.0.1"
        assert split["live"]["versions"]["custom_app"] == "0.9.0"
        assert split["sides"]["candidate"]["requests"] > 10
        assert split["sides"]["live"]["requests"] > 10
        assert split["judgement"]["status"] == "inconclusive"
        assert "too little to tell them apart: errors: traffic for" in text
        told = shared.play(STATUS)
        assert re.search(rf"shared: {SITE}, 50 % of its visitors are on release \S+ since .*, held until", told.stdout)

        closed = shared.play(TRAFFIC, state="maintenance", sites=SITE, allow="127.0.0.1", reason="wrong prices")
        assert closed.returncode == 0, closed.stdout[-4000:]
        assert "its share of 50 % is paused: nothing is judged until it is live again" in closed.stdout
        opened = shared.play(TRAFFIC, state="live", sites=SITE)
        assert opened.returncode == 0, opened.stdout[-4000:]
        assert shared.is_held(), "whoever closes a site ends nothing"

        unnamed = shared.play(SPLIT, end="back", reason="it sells less")
        assert unnamed.returncode != 0
        assert "Say which sites" in unnamed.stdout
        checked = shared.play(SPLIT, "--check", "--diff", end="back", sites=SITE, reason="it sells less")
        assert checked.returncode == 0, checked.stdout
        assert "-visitors on the new release: 50 %\n+visitors on the new release: 0 %" in checked.stdout
        assert shared.is_held(), "a check ends nothing"

        ended = shared.play(SPLIT, end="back", sites=SITE, reason="it sells less", deployed_by="ada")
        assert ended.returncode == 0, ended.stdout[-4000:]
        assert f"{SITE}: all of its visitors are on release {split['live']['release']}" in ended.stdout
        assert deployment.end() == 2, deployment.output()[-4000:]
        assert "ada ended it: it sells less" in deployment.output()
        require_both_sides(deployment.output())
        assert shared.version() == "0.9.0"
    require_nothing_lost(client)
    assert shared.journal()["status"] == "restored"

    late = shared.play(SPLIT, end="promote", sites=SITE, reason="it sells more")
    assert late.returncode != 0
    assert "no share of its visitors is held: all of them are on release" in late.stdout
    assert "is restored" in late.stdout


def test_all_visitors_get_to_the_new_release_by_a_word_and_the_deployment_ends_well(shared: Shared) -> None:
    with Client(shared.stage.bench.http_port, [SITE], pause=0.05) as client, shared.deployment() as deployment:
        wait_until(lambda: client.sites[SITE].reads > 100, 60, "visitors came")
        ended = shared.play(SPLIT, end="promote", sites="all", reason="it sells more")
        assert ended.returncode == 0, ended.stdout[-4000:]
        assert deployment.end() == 0, deployment.output()[-4000:]
        require_both_sides(deployment.output())
        assert shared.version() == "1.0.1"
    require_nothing_lost(client)
    again = shared.play(SPLIT, end="promote", sites=SITE, reason="it sells more")
    assert again.returncode == 0, again.stdout[-4000:]
    assert re.search(rf"^{re.escape(SITE)}\s+: ok=\d+\s+changed=0", again.stdout, re.MULTILINE)
    gone = shared.play("playbooks/rollback.yml", deployment_id="last", reason="the test says so")
    assert gone.returncode == 0, gone.stdout[-4000:]
    assert shared.version() == "0.9.0"


def test_a_word_that_nobody_would_hear_is_refused_and_only_a_rollback_helps(shared: Shared) -> None:
    with shared.deployment() as deployment:
        deployment.kill()
        lock = shared.stage.folder / "state" / "locks" / f"{SITE}.flock"
        os.kill(int(lock.read_text()), signal.SIGKILL)
        refused = shared.play(SPLIT, end="promote", sites=SITE, reason="it sells more")
        assert refused.returncode != 0
        deployment_id = shared.journal()["deployment_id"]
        assert f"the process of deployment {deployment_id} is gone" in refused.stdout
        assert f"playbooks/rollback.yml -e deployment_id={deployment_id}" in refused.stdout
        told = shared.play(STATUS).stdout
        assert re.search(r"50 % of its visitors are on release \S+, which nobody watches any more", told), told
        back = shared.play("playbooks/rollback.yml", deployment_id=deployment_id, reason="nobody watches")
        assert back.returncode == 0, back.stdout[-4000:]
        assert shared.version() == "0.9.0"
