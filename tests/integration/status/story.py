# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench from before its first deployment on, and the playbooks that only look."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_checks import SiteChecks
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.unit_records import UnitRecords
from ansible_collections.lockstep.deploy.plugins.plugin_utils import status
from tests.integration.stage import BENCH, NEW, Stage

SITES = ("site1.local", "site2.local")
ONE, TWO = SITES
OTHER_ID = "20991231T000000Z-ffffff"

Done = subprocess.CompletedProcess[str]


class Answer(t.NamedTuple):
    """A run, and the file it wrote."""

    done: Done
    content: dict[str, t.Any]


class Story:
    """A bench with two sites, asked before its first deployment, and after it.

    Args:
        stage: The bench.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        for site in SITES:
            stage.bench.site(site, "enable-scheduler")
        self.status_before = self.status()
        self.validated_before = self.validate(types="health")
        done = stage.play("playbooks/deploy.yml", preflight_disk_left=0.001)
        assert done.returncode == 0, done.stdout[-5000:]
        self.status_after = self.status(history=True, rollback_options=True)
        self.validated_after = self.validate(types="health")

    def report(self, **options: t.Any) -> dict[str, t.Any]:
        """What status.yml would say, without running it."""
        units: list[tuple[str, str | None]] = [(BENCH, None), *((site, site) for site in SITES)]
        context = self.stage.context()
        records = [
            {
                "unit": unit,
                "server": "localhost",
                "info": UnitRecords(context, unit, site, "shop", "staging").read(),
            }
            for unit, site in units
        ]
        return status.report(records, now=clock.utc_now(), **options)

    def checks(self, apps: t.Sequence[str] = tuple(NEW), endpoints: t.Sequence[str] = ()) -> dict[str, t.Any]:
        """The checks of the first site that did not pass, without running validate.yml."""
        live = LiveSite.find(self.stage.context(), ONE)
        found = SiteChecks(live, apps, [{"path": path} for path in endpoints]).validate()
        return {check["name"]: check["message"] for check in found["checks"] if not check["passed"]}

    def status(self, *arguments: str, **variables: t.Any) -> Answer:
        """Run status.yml."""
        return self._run("playbooks/status.yml", "status_file", arguments, variables)

    def validate(self, *arguments: str, **variables: t.Any) -> Answer:
        """Run validate.yml."""
        return self._run("playbooks/validate.yml", "validation_file", arguments, variables)

    def _run(self, playbook: str, option: str, arguments: t.Sequence[str], variables: dict[str, t.Any]) -> Answer:
        path = self.stage.folder / "answer.json"
        path.unlink(missing_ok=True)
        inventory: pathlib.Path | None = variables.pop("inventory", None)
        done = self.stage.play(playbook, *arguments, inventory=inventory, **{option: str(path), **variables})
        return Answer(done, json.loads(path.read_text()) if path.exists() else {})

    @contextlib.contextmanager
    def half_done(self, site: str, phase: str) -> t.Iterator[Journal]:
        """A deployment of a site that began a phase; its journal is put back afterwards."""
        folder = self.stage.folder / "state" / "units" / site
        path = folder / "journal.json"
        before = path.read_text()
        journal = Journal(str(folder))
        deployed = str(journal.deployment_id)
        journal.open(unit=site, driver="frappe_site", deployment_id=OTHER_ID, data={**journal.data})
        journal.begin(phase, timeout=900)
        try:
            yield journal
        finally:
            path.write_text(before)
            (folder / "history" / f"{deployed}.json").unlink()
