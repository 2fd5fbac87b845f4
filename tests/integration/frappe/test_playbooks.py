# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks on three sites, while users read and write."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import subprocess
import typing as t

import pytest

from tests.integration.frappe.conftest import FAILING, ROLLED
from tests.integration.frappe.ground import BREAKS_PATCH, content_of
from tests.integration.plan.repositories import served
from tests.integration.stage import NEW, Stage
from tests.support.client import TOUCHED, UNTOUCHED, Client, Kind

pytestmark = pytest.mark.integration

DEPLOY, BACK = "playbooks/deploy.yml", "playbooks/rollback.yml"
VERSION = "/api/method/custom_app.api.version"
Done = subprocess.CompletedProcess[str]


class Sites:
    """Three sites and the deployment that takes them to the next version.

    Args:
        stage: Their bench.
        names: Their names.
    """

    def __init__(self, stage: Stage, names: t.Sequence[str]) -> None:
        self.stage = stage
        self.names = names
        self.sources: dict[str, str] = {}
        self._databases = {site: stage.bench.site_config(site)["db_name"] for site in names}

    def play(self, playbook: str, *arguments: str, **variables: t.Any) -> Done:
        sources = {app: f"file://{self.stage.bench.repositories[app]}" for app in NEW} | self.sources
        apps = [{"name": app, "version": NEW[app], "source": source} for app, source in sources.items()]
        inventory = self.stage.deployment(sites=list(self.names), apps=apps)
        return self.stage.play(playbook, *arguments, inventory=inventory, **variables)

    def deploy(self, *arguments: str) -> Done:
        return self.play(DEPLOY, *arguments, strategy="rolling")

    def client(self, kind: Kind = UNTOUCHED) -> Client:
        return Client(self.stage.bench.http_port, self.names, kind)

    def versions(self) -> list[str]:
        """What each one answers through nginx."""
        return [self.stage.bench.get(site, VERSION).message for site in self.names]

    def content(self, site: str) -> dict[str, tuple[str, ...]]:
        return content_of(self.stage, self._databases[site])

    def journal(self, site: str) -> dict[str, t.Any]:
        path = self.stage.folder / "state" / "units" / site / "journal.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def looks(self) -> dict[str, t.Any]:
        """All that a run may change: files, links, databases, and what nginx runs with."""
        folders = (
            self.stage.folder / "state",
            self.stage.folder / "run",
            self.stage.bench.path.parent / "lockstep",
            self.stage.services.nginx.conf_d,
            self.stage.services.supervisor.conf_d,
            self.stage.bench.path / "sites",
        )
        found: dict[str, t.Any] = {str(folder): _tree(folder) for folder in folders}
        return {**found, **{site: self.content(site) for site in self.names}}


def _tree(folder: pathlib.Path) -> dict[str, t.Any]:
    """Where links lead and what small files say."""
    found: dict[str, t.Any] = {}
    for root, names, files in os.walk(folder):
        for name in (*names, *files):
            path = pathlib.Path(root, name)
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif path.suffix in (".json", ".conf", ".txt"):
                found[str(path)] = path.read_text()
            elif path.suffix not in (".log", ".sock", ".pyc", ".lock"):
                found[str(path)] = path.is_dir()
    return found


def changed(done: Done) -> dict[str, int]:
    """How many changes each host's recap has."""
    found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, re.MULTILINE)
    return {host: int(count) for host, count in found}


@contextlib.contextmanager
def behind_a_password(sites: Sites, password: str) -> t.Iterator[None]:
    """The apps' repositories on a server that asks for one, as the deployment file has it."""
    folder = sites.stage.bench.repositories["frappe"].parent
    with served(folder, "deploy", password) as server:
        base = server.url.replace("://", f"://deploy:{password}@")
        sites.sources = {app: f"{base}/{app}/.git" for app in NEW}
        yield
    sites.sources = {}


def require_nothing_lost(client: Client) -> None:
    for site, seen in client.sites.items():
        assert seen.reads > 10
        assert not seen.failed_reads, f"{site}: {seen.failed_reads[:3]}"
        assert not seen.failed_writes, f"{site}: {seen.failed_writes[:3]}"
        assert len(seen.acknowledged) > 10
        assert client.lost(site) == []


def test_rolling_over_three_sites_while_users_read_and_write(ground_stage: Stage) -> None:
    sites = Sites(ground_stage, ROLLED)
    before = sites.looks()
    checked = sites.deploy("--check", "--diff")
    assert checked.returncode == 0, checked.stdout[-4000:] + checked.stderr
    for site in ROLLED:
        assert re.search(rf"^--- before: {re.escape(site)}$", checked.stdout, re.MULTILINE), checked.stdout[-4000:]
    assert checked.stdout.count("-custom_app 0.9.0\n") == checked.stdout.count("+custom_app 1.0.0\n") >= 3
    for site in ROLLED:
        assert f"+adopted: {site}, data in " in checked.stdout
    assert "was only checked, nothing was changed: 4 would change." in checked.stdout
    assert sites.looks() == before, "a check changes nothing"

    early = sites.deploy("--limit", ROLLED[0])
    assert early.returncode != 0
    assert f"{ROLLED[0]} depends on " in early.stdout or f"{ROLLED[0]} was never deployed" in early.stdout, early.stdout
    assert sites.looks() == before, "a site alone has no release to go to"

    password = "s3cr3t-0fa9e1"
    with sites.client() as client, behind_a_password(sites, password):
        done = sites.deploy("-vvv")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert sites.versions() == ["1.0.0"] * 3
    assert password not in done.stdout + done.stderr
    told = subprocess.run(["grep", "-rl", password, ground_stage.folder], capture_output=True, text=True, check=False)
    assert told.stdout.split() == [str(ground_stage.folder / "deployment.json")], "nobody else has written it down"
    require_nothing_lost(client)
    assert {sites.journal(site)["status"] for site in ROLLED} == {"live"}

    alone = sites.deploy("--limit", ROLLED[0])
    assert alone.returncode == 0, alone.stdout[-4000:]
    assert not any(changed(alone).values()), "its release is live, which the server's records prove"

    again = sites.deploy()
    assert again.returncode == 0, again.stdout[-4000:]
    assert len(changed(again)) >= 5
    assert not any(changed(again).values()), changed(again)
    assert sites.versions() == ["1.0.0"] * 3


@pytest.fixture
def failing(ground_stage: Stage) -> t.Iterator[Sites]:
    """Three sites of which the second one has a row that the migration can't deal with."""
    sites = Sites(ground_stage, FAILING)
    ground_stage.bench.sql(FAILING[1], BREAKS_PATCH)
    yield sites
    ground_stage.bench.sql(FAILING[1], "DELETE FROM `tabCustom Note` WHERE name = 'own'")


def test_a_failing_second_site_takes_the_first_one_back_with_what_was_written_since(failing: Sites) -> None:
    first, second, _third = FAILING
    content = failing.content(second)
    with failing.client() as client:
        done = failing.deploy()
    assert done.returncode != 0
    assert failing.versions() == ["0.9.0"] * 3, done.stdout[-6000:]
    require_nothing_lost(client)
    assert [failing.journal(site).get("status") for site in FAILING] == ["restored", "restored", None]
    assert "withheld" in done.stdout
    after = failing.content(second)
    different = {name for name in content.keys() | after.keys() if content.get(name) != after.get(name)}
    assert different == {"tabCustom Write"}, "only what the client wrote differs"
    thaw = next(step for step in failing.journal(first)["steps"] if step["phase"] == "thaw")
    assert thaw["intent"]["thawed_at"], "users of the first site had written to the new version"


def test_a_failure_that_was_rehearsed_is_told_and_the_users_of_that_site_notice_nothing(failing: Sites) -> None:
    first, second, _third = FAILING
    with failing.client() as client:
        done = failing.play(DEPLOY, strategy="rolling", rehearsal="always")
    assert done.returncode != 0
    assert f"{second} (prepare): the migration was rehearsed on a copy of the site and fails there" in done.stdout
    assert client.sites[second].refused == 0, "writes were never blocked"
    require_nothing_lost(client)
    assert failing.versions() == ["0.9.0"] * 3, done.stdout[-6000:]
    assert [step["phase"] for step in failing.journal(second)["steps"]] == ["prepare"]
    rehearsed = failing.journal(first)["steps"][0]["result"]
    assert (rehearsed["rehearsal"], rehearsed["additive"]) == ("passed", False)


def test_sites_that_thaw_together_are_all_old_when_one_fails(failing: Sites) -> None:
    first, _second, _third = FAILING
    before = failing.content(first)
    with failing.client() as client:
        done = failing.play(DEPLOY, strategy="rolling", thaw="together", rollback_scope="unit")
    assert done.returncode != 0
    assert failing.versions() == ["0.9.0"] * 3, done.stdout[-6000:]
    require_nothing_lost(client)
    steps = {step["phase"]: step["status"] for step in failing.journal(first)["steps"]}
    assert steps["migrate"] == steps["switch"] == "undone", "it was on the new release, and nobody wrote there"
    assert "thaw" not in steps
    after = failing.content(first)
    unlike = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert unlike == {"tabCustom Write"}, "only what the client wrote before the freeze and after it differs"


def test_a_first_site_with_writes_into_touched_tables_is_kept_until_somebody_gives_them_up(failing: Sites) -> None:
    first, second, _third = FAILING
    content = failing.content(second)
    with failing.client(TOUCHED) as client:
        done = failing.deploy()
    assert done.returncode != 0
    assert failing.versions() == ["1.0.0", "0.9.0", "0.9.0"]
    for site in FAILING:
        assert client.lost(site) == []
        assert not client.sites[site].failed_reads
    assert failing.journal(first)["status"] == "kept"
    verdict = done.stdout.partition("PLAY [Tell the verdict]")[2]
    assert "tabCustom Note" in verdict, f"the verdict names the table: {verdict}"
    unlike = {name for name, rows in failing.content(second).items() if rows != content.get(name)}
    assert unlike == {"tabCustom Note"}

    unnamed = failing.play(BACK, reason="wrong tax")
    deployment_id = failing.journal(first)["deployment_id"]
    assert unnamed.returncode != 0
    assert deployment_id in unnamed.stdout, "it lists what could be taken back"
    unreasoned = failing.play(BACK, deployment_id=deployment_id)
    assert unreasoned.returncode != 0
    assert "Give a reason" in unreasoned.stdout + unreasoned.stderr
    assert failing.versions()[0] == "1.0.0", "neither changed anything"

    taken = failing.play(BACK, deployment_id=deployment_id, reason="wrong tax", rollback_data=True)
    assert taken.returncode == 0, taken.stdout[-4000:]
    assert failing.versions() == ["0.9.0"] * 3
    assert failing.journal(first)["status"] == "restored"
    assert failing.journal(first)["data"]["rollback_reason"] == "wrong tax"
    # What was written before the freeze is in the backup, what came after the thaw was given up.
    assert client.lost(first)
    assert set(client.lost(first)) < set(client.sites[first].acknowledged)
    again = failing.play(BACK, deployment_id=deployment_id, reason="wrong tax", rollback_data=True)
    assert not any(changed(again).values()), changed(again)
    assert failing.versions() == ["0.9.0"] * 3
