# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server knows of a unit: journal, manifest, lock, the release that is live, backups. Looked at only."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.manifest import Manifest
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import claims, site_traffic
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench_work import DRIVER as BENCH
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.retirement import Retirement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import DRIVER as SITE
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.split import Split
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.watch_record import WatchRecord

_KEPT_JOURNALS = 10
_TOLD = ("reason", "loss", "freeze_seconds", "rollback_reason", "rollback_error", "versions", "before", "after")


class UnitRecords:
    """The records of one unit on its server.

    Args:
        context: Its bench.
        unit: Its name.
        site: The site's name; None for the unit of a bench.
        project: The project, for the manifest.
        environment: The environment, for the manifest.
    """

    def __init__(self, context: BenchContext, unit: str, site: str | None, project: str, environment: str) -> None:
        self._context = context
        self._unit = claims.valid_unit(unit)
        self._site = site
        self._journal = claims.journal_of(context.state_dir, unit)
        self._manifest = Manifest(context.state_dir, project, environment)
        self._live = LiveSite.find(context, site) if site else None

    def read(self) -> dict[str, t.Any]:
        """Everything; see the return values of the module ``unit_info``.

        Raises:
            LockstepError: A record can't be read.
        """
        release = self._release()
        found = {
            "unit": self._unit,
            "driver": SITE if self._site else BENCH,
            "bench": self._context.layout.name,
            "site": self._site,
            "adopted": release is not None,
            "release": release.id if release else None,
            "apps": {app.name: {"version": app.version, "commit": app.commit} for app in self._apps(release)},
            "answers": Processes(self._context).answers(release) if release else None,
            **self._made_live_by(release),
            "journal": self._now(),
            "journals": [self._report(content) for content in self._journals()],
            "lock": claims.lock_of(self._context.state_dir, self._unit),
            "releases": self._releases(),
            "manifest": self._own_manifest(),
        }
        if self._live is None:
            found.update(sites=sorted(self._context.record.sites()) if self._context.record.exists() else [])
            found.update(retained=Retirement(self._context).retained())
        else:
            found.update(maintenance=self._live.site.is_frozen(), closed=self._live.traffic.closed)
            found.update(traffic=site_traffic.told(self._live.traffic.gate))
            found.update(split=self._split(self._live.name), watch=self._watch())
            found.update(backups=self._backups(), way_back=self._way_back())
        return found

    def _split(self, site: str) -> dict[str, t.Any] | None:
        """How its visitors are shared out; None where that can't be told, which is no reason to tell nothing."""
        try:
            return Split(self._context, self._unit, site).state()
        except LockstepError:
            return None

    def _watch(self) -> dict[str, t.Any] | None:
        """The watch of the newest deployment; None if it was not watched."""
        return WatchRecord(self._context.unit_folder(self._unit)).told_of(self._journal.deployment_id)

    def _release(self) -> Release | None:
        """Where a site's traffic goes; for a bench, the newest release that any of its sites is on."""
        if self._live is not None:
            return self._live.release
        return self._context.newest_live()

    def _apps(self, release: Release | None) -> list[App]:
        return release.apps if release is not None else self._context.adopted.apps()

    def _made_live_by(self, release: Release | None) -> dict[str, t.Any]:
        """Which deployment made the release live, and when; unknown for what was there before we came."""
        if self._site:
            live = self._manifest.unit(self._unit) or {}
            return {"deployment_id": live.get("deployment_id"), "since": live.get("since")}
        journal = self._journal
        ours = release is not None and journal.status in ("live", "kept") and journal.data.get("release") == release.id
        return {
            "deployment_id": journal.deployment_id if ours else None,
            "since": journal.content.get("closed") if ours else None,
        }

    def _now(self) -> dict[str, t.Any] | None:
        """The newest deployment of the unit, and whether anybody is at work on it."""
        if not self._journal.content:
            return None
        found = self._report(self._journal.content)
        found.pop("events")
        steps = self._journal.content.get("steps", [])
        last = steps[-1] if steps else None
        found.update(
            open=self._journal.is_open,
            phase=last and last["phase"],
            phase_status=last and last["status"],
            phase_at=last and last["at"],
            phase_ended=last and last.get("ended"),
            overdue=bool(last and last["status"] == "started" and _is_overdue(last)),
            at_work=claims.at_work(self._context.state_dir, self._unit) is not None,
        )
        return found

    def _report(self, content: dict[str, t.Any]) -> dict[str, t.Any]:
        """A journal without intents and options: those are for the way back alone."""
        journal = claims.journal_of(self._context.state_dir, self._unit)
        journal.content = content
        told = {name: journal.data[name] for name in _TOLD if journal.data.get(name) is not None}
        names = ("deployment_id", "status", "opened", "closed")
        return {**{name: content.get(name) for name in names}, "events": journal.events(), **told}

    def _journals(self) -> list[dict[str, t.Any]]:
        """The unit's journals, the newest last."""
        folder = os.path.join(self._context.unit_folder(self._unit), "history")
        older = [atomic.read_json(os.path.join(folder, f"{name}.json"), {}) for name in self._journal.history()]
        known = [*older, self._journal.content] if self._journal.content else older
        return known[-_KEPT_JOURNALS:]

    def _releases(self) -> list[dict[str, t.Any]]:
        if not self._context.record.exists():
            return []
        processes = Processes(self._context)
        return [
            {
                "id": release.id,
                "path": release.path,
                "adopted": release.adopted,
                "ready": release.ready and os.path.isdir(release.path),
                "answers": processes.answers(release),
                "versions": release.versions(),
            }
            for release in self._context.record.releases()
        ]

    def _own_manifest(self) -> dict[str, t.Any]:
        """What of the manifest is about this unit: the whole of it from each of 1,000 units would be a lot."""
        content = self._manifest.read()
        history = [
            {**entry, "units": {self._unit: entry["units"][self._unit]}}
            for entry in content["deployment_history"]
            if self._unit in entry["units"]
        ]
        return {"current_deployment": content["current_deployment"], "deployment_history": history}

    def _backups(self) -> list[dict[str, t.Any]]:
        """The finished backups of the site, the newest last."""
        folder = self._context.layout.backups(str(self._site))
        found = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            content = atomic.read_json(os.path.join(path, "backup.json"))
            if content is not None:
                told = {key: content.get(key) for key in ("deployment_id", "taken_at", "release")}
                found.append({**told, "folder": path, "on_disk": self._is_ready(content.get("release"))})
        return found

    def _way_back(self) -> dict[str, t.Any] | None:
        """Which deployment of the site can be undone from its journal; only the newest one can."""
        journal = self._journal
        if not journal.content or journal.status == "restored":
            return None
        before = journal.data.get("before")
        release = self._context.record.release(before) if before else None
        thaw = journal.last("thaw")
        return {
            "deployment_id": journal.deployment_id,
            "release": before,
            "versions": release.versions() if release else (journal.data.get("versions") or {}).get("before"),
            "on_disk": self._is_ready(before),
            "backup": journal.last("backup") is not None and bool(journal.data.get("options", {}).get("backup")),
            "thawed_at": thaw.intent.get("thawed_at") if thaw else None,
        }

    def _is_ready(self, release: str | None) -> bool:
        known = self._context.record.release(release) if release and self._context.record.exists() else None
        return known is not None and known.ready and os.path.isdir(known.path)


def _is_overdue(step: t.Mapping[str, t.Any]) -> bool:
    """Whether nobody reported a step's end in time; another boot ended it in any case."""
    return step.get("boot_id") != clock.boot_id() or clock.since_boot() > float(step.get("deadline", 0))
