# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strategies that move traffic, run by the playbook as a user runs them, while every site is read and written."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import threading
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.manifest import Manifest
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ledger import Ledger
from tests.integration.frappe.ground import BREAKS_PATCH
from tests.integration.stage import NEW, Stage
from tests.support.asking import ask
from tests.support.client import Client, SiteTraffic

DEPLOY = "playbooks/deploy.yml"
VERSION = "/api/method/custom_app.api.version"

#: Each run has sites of its own, all of them on one bench.
BLUE_GREEN = ("bg1.local", "bg2.local")
TO_ALL = ("all1.local", "all2.local")
SENT_BACK = ("err1.local", "err2.local")
UNREHEARSED = ("reh1.local", "reh2.local")
AMID = ("mid1.local", "mid2.local", "mid3.local")
CLONED = ("clo1.local",)
SITES = (*BLUE_GREEN, *CLONED, *TO_ALL, *SENT_BACK, *UNREHEARSED, *AMID)

_OLD = {"frappe": "v15.9.0", "erpnext": "v15.9.0"}
ADDITIVE: t.Mapping[str, str] = {**_OLD, "custom_app": "v1.0.0-additive"}
#: Its migration adds nothing, and one of its addresses answers with errors.
UNHEALTHY: t.Mapping[str, str] = {**_OLD, "custom_app": "v1.0.0-unhealthy"}

#: A bench keeps what the runs before went to, or back from.
_KEPT_RELEASES = 4
_PAUSE = 0.15


@dataclasses.dataclass
class Run:
    """One deployment and what was seen of it.

    Attributes:
        sites: Its sites, in the file's order.
        done: The playbook's end and output.
        traffic: What happened to each site's requests.
        lost: Acknowledged writes that each site doesn't have afterwards.
        versions: What each site answers afterwards.
        journals: What the server's own records say of each site; empty for one that was never touched.
    """

    sites: tuple[str, ...]
    done: subprocess.CompletedProcess[str]
    traffic: dict[str, SiteTraffic]
    lost: dict[str, list[int]]
    versions: list[str]
    journals: dict[str, dict[str, t.Any]]

    @property
    def failed_reads(self) -> int:
        return sum(len(seen.failed_reads) for seen in self.traffic.values())

    @property
    def lost_writes(self) -> int:
        return sum(len(numbers) for numbers in self.lost.values())

    @property
    def freezes(self) -> dict[str, float]:
        """How long writes were blocked (s), by site; none for one that was not thawed on the new release."""
        found = {site: journal.get("data", {}).get("freeze_seconds") for site, journal in self.journals.items()}
        return {site: seconds for site, seconds in found.items() if seconds is not None}

    def step(self, site: str, phase: str) -> dict[str, t.Any]:
        """The last step of that phase in the site's journal."""
        return next(step for step in reversed(self.journals[site]["steps"]) if step["phase"] == phase)

    def phases(self, site: str) -> dict[str, str]:
        """How each phase of a site ended, in the order they began."""
        return {step["phase"]: step["status"] for step in self.journals[site].get("steps", [])}

    def began(self, site: str, phase: str) -> float:
        """When, in seconds of a clock that all sites share."""
        return float(self.step(site, phase)["started"])

    def ended(self, site: str, phase: str) -> float:
        step = self.step(site, phase)
        return float(step["started"] + step["seconds"])

    def told(self) -> str:
        """The end of the output, for a test that fails."""
        return f"ended with {self.done.returncode}: {self.done.stdout[-6000:]}{self.done.stderr[-2000:]}"


def blue_green(stage: Stage) -> Run:
    """Two sites to the next version, whose migration changes rows."""
    return _run(stage, BLUE_GREEN, NEW, strategy="blue-green")


def blue_green_with_a_clone(stage: Stage) -> Run:
    """One site to the next version, whose migration changes rows, of a clone of its database."""
    return _run(stage, CLONED, NEW, strategy="blue-green", green_database="clone")


def refused_clone(stage: Stage, **variables: t.Any) -> Run:
    """The same in a way that can't be."""
    return _run(stage, CLONED, NEW, green_database="clone", **variables)


def canary_to_all(stage: Stage) -> Run:
    """Two sites in two waves, the visitors of each share by share, to a release that only adds things."""
    return _run(stage, TO_ALL, ADDITIVE, strategy="canary", traffic_strategy="gradual", steps="5,25,50,100")


def canary_sent_back(stage: Stage) -> Run:
    """The same to a release that serves some visitors with errors."""
    with visited(stage, SENT_BACK[0]):
        return _run(
            stage,
            SENT_BACK,
            UNHEALTHY,
            strategy="canary",
            traffic_strategy="canary",
            steps="50",
            step_wait=240,
            rules={"minutes": 1, "min_requests": 20},
        )


def blue_green_unrehearsed(stage: Stage) -> Run:
    """Two sites to the next version, whose migration fails on the copy of the second one."""
    stage.bench.sql(UNREHEARSED[1], BREAKS_PATCH)
    return _run(stage, UNREHEARSED, NEW, strategy="blue-green")


def blue_green_failing_amid(stage: Stage) -> Run:
    """Three sites to the next version, the second of which fails a test of the user's when the first one is through."""
    test = ["sh", "-c", f'test "$LOCKSTEP_SITE" != {AMID[1]}']
    return _run(stage, AMID, NEW, strategy="blue-green", run_tests=[test])


@contextlib.contextmanager
def visited(stage: Stage, site: str) -> t.Iterator[None]:
    """Visitors who ask a site for its version again and again, whatever they are answered."""
    over = threading.Event()

    def visit() -> None:
        while not over.wait(_PAUSE):
            with contextlib.suppress(OSError):
                ask(stage.bench.http_port, site, VERSION)

    visitors = [threading.Thread(target=visit, daemon=True) for _ignored in range(2)]
    for visitor in visitors:
        visitor.start()
    try:
        yield
    finally:
        over.set()
        for visitor in visitors:
            visitor.join(60)


def left_of_rehearsals(stage: Stage) -> list[str]:
    """Whatever of them is still there: schemas, accounts, folders and links."""
    sql = stage.services.mariadb.sql
    found = [row[0] for row in sql("SHOW DATABASES LIKE '\\\\_lockstep%'")]
    found += [row[0] for row in sql("SELECT User FROM mysql.global_priv WHERE User LIKE '\\\\_lockstep%'")]
    context = stage.context()
    folders = [pathlib.Path(context.layout.rehearsals), pathlib.Path(context.layout.clones)]
    folders += [pathlib.Path(context.bench(release).sites_folder) for release in context.record.releases()]
    return found + [str(path) for folder in folders for path in folder.glob("*_green_*")]


def greens(stage: Stage, sites: t.Iterable[str]) -> list[str]:
    """Links of sites in releases that don't serve them."""
    context = stage.context()
    found = []
    for site in sites:
        live = context.live_release(site).id
        others = [release for release in context.record.releases() if release.id != live]
        paths = [os.path.join(context.bench(release).sites_folder, site) for release in others]
        found += [path for path in paths if os.path.lexists(path)]
    return found


def ledger_of(stage: Stage) -> dict[str, t.Any]:
    """What the controller's ledger says of the deployment that was the last."""
    ledger = Ledger.existing(environ=stage.environment())
    assert ledger is not None
    with contextlib.closing(ledger):
        latest = ledger.history("shop", "staging", limit=1)[0]
        return dict(ledger.deployment(latest["deployment_id"]) or {})


def manifest_of(stage: Stage, site: str) -> dict[str, t.Any]:
    """What the server's manifest says is live."""
    manifest = Manifest(str(stage.folder / "state"), "shop", "staging")
    return dict(manifest.unit(site) or {})


def _run(stage: Stage, sites: tuple[str, ...], tags: t.Mapping[str, str], **variables: t.Any) -> Run:
    benches = {stage.bench.name: stage.options(keep_releases=_KEPT_RELEASES)}
    options = {"wait_time": 0, "step_wait": 1, "on_inconclusive": "go_on"}
    inventory = stage.deployment(tags, sites=list(sites), benches=benches, options=options)
    with Client(stage.bench.http_port, sites, pause=_PAUSE) as client:
        done = stage.play(DEPLOY, inventory=inventory, **variables)
    return Run(
        sites=sites,
        done=done,
        traffic=client.sites,
        lost={site: client.lost(site) for site in sites},
        versions=[stage.bench.get(site, VERSION).message for site in sites],
        journals={site: _journal(stage, site) for site in sites},
    )


def _journal(stage: Stage, site: str) -> dict[str, t.Any]:
    path = stage.folder / "state" / "units" / site / "journal.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}
