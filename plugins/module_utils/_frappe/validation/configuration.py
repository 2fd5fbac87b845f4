# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site and its server say of themselves, against what was asked for. Values of settings are never told."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.manifest import Manifest
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import FREEZE
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.questions import Question, answers
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import PING
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate

_COMMIT = re.compile(r"[0-9a-f]{40}")
# Tags that say a version; a branch (version-15) or "latest" says another one tomorrow.
_TAG = re.compile(r"v?[0-9]+(\.[0-9]+)+([.+-].*)?")
_NOT_ADOPTED = "nothing was deployed here yet, so there is nothing to compare with"


@dataclass(frozen=True)
class Asked:
    """What the deployment file asks for.

    Args:
        unit: The site's unit.
        project, environment: Where its manifest is.
        apps: The apps the site must have.
        versions: The version asked of each app; one that is not given may be any.
        config: Settings of the site.
        domains: Names users reach it by.
    """

    unit: str
    project: str
    environment: str
    apps: t.Sequence[str]
    versions: t.Mapping[str, str | None]
    config: t.Mapping[str, t.Any]
    domains: t.Sequence[str]


class Configuration:
    """The configuration of one site.

    Args:
        live: The site where it gets its traffic.
        asked: What it is compared with.
    """

    def __init__(self, live: LiveSite, asked: Asked) -> None:
        self._live = live
        self._context = live.context
        self._asked = asked

    def results(self) -> list[Result]:
        """Whether it is as asked."""
        return answers(
            [
                Question("manifest", "file", self._manifest),
                Question("release_commits", "command", self._commits),
                Question("versions", "command", self._versions),
                Question("installed_apps", "sql", self._installed),
                Question("site_config", "file", self._settings),
                Question("domains", "http", self._domains),
                Question("processes", "command", self._processes),
                Question("nginx", "http", self._nginx),
                Question("maintenance", "file", self._maintenance),
                Question("scheduler", "file", self._scheduler),
            ]
        )

    def _recorded(self) -> dict[str, t.Any] | None:
        return Manifest(self._context.state_dir, self._asked.project, self._asked.environment).unit(self._asked.unit)

    def _manifest(self) -> Outcome:
        """The release that serves is the one that was recorded when it went live."""
        recorded, release = self._recorded(), self._live.release
        if recorded is None or release is None:
            return Outcome(None, _NOT_ADOPTED)
        told = {"deployment_id": recorded.get("deployment_id"), "release": release.id}
        if recorded["release"] != release.id:
            return Outcome(False, f"release {release.id} serves, and {recorded['release']} was recorded", told)
        return Outcome(True, f"release {release.id} is live since {recorded['since']}", told)

    def _commits(self) -> Outcome:
        """The code that serves is at the commits that were deployed, and nobody has changed it since."""
        release, bench = self._live.release, self._live.bench
        if release is None:
            return Outcome(None, _NOT_ADOPTED)
        recorded = (self._recorded() or {}).get("apps") or {}
        wanted = {app.name: recorded.get(app.name, {}).get("commit") or app.commit for app in release.apps}
        there = {app: bench.commit(app) for app in wanted}
        moved = [
            f"{app} is at {there[app][:12]} and not {wanted[app][:12]}" for app in wanted if there[app] != wanted[app]
        ]
        changed = [f"{app} has changes of somebody: {_first(names)}" for app, names in self._edited(bench, wanted)]
        message = "; ".join([*moved, *changed]) or f"{len(wanted)} apps are at the commits that were deployed"
        return Outcome(not moved and not changed, message, {"commits": there})

    def _edited(self, bench: Bench, apps: t.Iterable[str]) -> t.Iterator[tuple[str, list[str]]]:
        for app in apps:
            done = bench.git(app, "status", "--porcelain", "--untracked-files=no")
            # bench changes this one itself when it installs the packages of node.
            names = [line[3:] for line in done.stdout.splitlines() if not line.endswith("yarn.lock")]
            if names:
                yield app, names

    def _versions(self) -> Outcome:
        """The versions of the deployment file; what it leaves open, as a branch does, can't differ."""
        if self._live.release is None:
            return Outcome(None, _NOT_ADOPTED)
        wrong, unknown, same = [], [], 0
        versions = {app.name: app.version for app in self._live.bench.apps()}
        for app, wanted in self._asked.versions.items():
            if not wanted or not (_COMMIT.fullmatch(wanted) or _TAG.fullmatch(wanted)):
                continue
            found = self._is_at(app, wanted, versions.get(app))
            same += found is True
            if found is False:
                wrong.append(f"{app} is at {versions.get(app) or 'another commit'} and not {wanted}")
            elif found is None:
                unknown.append(app)
        if wrong:
            return Outcome(False, "; ".join(wrong))
        if unknown:
            return Outcome(None, f"whether {', '.join(unknown)} is at its tag can't be seen here; plan.yml tells")
        left = len(self._asked.versions) - same
        return Outcome(True, f"{same} apps are at the versions asked for, {left} may be at any")

    def _is_at(self, app: str, wanted: str, version: str | None) -> bool | None:
        """Whether an app is at a commit or tag; None if nothing on the server says it."""
        bench = self._live.bench
        if app not in bench.app_names():
            return False
        if _COMMIT.fullmatch(wanted):
            return bench.commit(app) == wanted
        tag = bench.git(app, "rev-parse", "--verify", "--quiet", f"refs/tags/{wanted}^{{commit}}", check=False)
        if tag.rc == 0:
            return tag.stdout.strip() == bench.commit(app)
        if version == wanted.lstrip("v"):
            return True
        # The package's version and the tag are two things: many packages say 0.0.1 for ever.
        return False if version and _TAG.fullmatch(version) and version != "0.0.1" else None

    def _installed(self) -> Outcome:
        installed = self._live.installed_apps()
        missing = [app for app in self._asked.apps if app not in installed]
        more = [app for app in installed if app not in self._asked.apps]
        wrong = [f"{', '.join(missing)} not installed"] if missing else []
        wrong += [f"{', '.join(more)} installed and not asked for"] if more else []
        message = "; ".join(wrong) or f"the {len(installed)} apps that are asked for, and no other"
        return Outcome(not wrong, message, {"installed": installed})

    def _settings(self) -> Outcome:
        now, asked = self._live.site.config(), self._asked.config
        missing = sorted(name for name in asked if name not in now)
        other = sorted(name for name, value in asked.items() if name in now and now[name] != value)
        wrong = [f"{', '.join(missing)} not set"] if missing else []
        wrong += [f"{', '.join(other)} set to something else"] if other else []
        message = "; ".join(wrong) or f"all {len(asked)} settings of the deployment file are in force"
        return Outcome(not wrong, message, {"missing": missing, "differing": other})

    def _domains(self) -> Outcome:
        """Each of the names leads to this site."""
        doors = {name: door.transport for door in self._live.doors() if not door.redirect for name in door.names}
        missing = [name for name in self._asked.domains if name.lower() not in doors]
        if missing:
            return Outcome(False, f"nginx does not serve the site as {', '.join(missing)}", {"served": sorted(doors)})
        if self._live.traffic.closed:
            return Outcome(None, "the site is closed, so it was not asked by its names")
        silent = []
        for name in self._asked.domains:
            door = doors[name.lower()]
            # A wildcard's name is nobody's host.
            host = name.lower().replace("*", "lockstep", 1)
            answer = type(door)(host, door.connect, door.tls, verify=False, timeout=door.timeout).ask(PING)
            if '"pong"' not in answer.text and answer.status != 503:
                silent.append(f"{name} (status {answer.status})")
        if silent:
            return Outcome(False, f"the site does not answer as {', '.join(silent)}")
        return Outcome(True, f"the site answers by all {len(self._asked.domains)} names", {"served": sorted(doors)})

    def _processes(self) -> Outcome:
        release, processes = self._live.release, Processes(self._context)
        if release is None:
            return Outcome(None, _NOT_ADOPTED)
        idle = [] if release.adopted else self._context.supervision.idle(self._context.group(release))
        if idle:
            return Outcome(False, f"not running: {', '.join(idle)}", {"idle": idle})
        if not processes.running(release):
            return Outcome(False, f"not everything of release {release.id} answers")
        return Outcome(True, f"every process of release {release.id} runs and answers")

    def _nginx(self) -> Outcome:
        if self._live.release is None:
            return Outcome(None, _NOT_ADOPTED)
        drift = Fronts(self._context).drift()
        told = drift.sentence() if drift else "nginx serves what was written, and that as it was written"
        return Outcome(drift is None, told)

    def _maintenance(self) -> Outcome:
        config = self._live.site.config()
        on = [name for name in FREEZE if config.get(name)]
        if self._live.traffic.closed:
            state = self._live.traffic.gate.state()
            on.append("the maintenance page" if state == gate.CLOSED else f"{state} by an operator")
        return Outcome(not on, f"{' and '.join(on)} is on" if on else "no maintenance flag is set")

    def _scheduler(self) -> Outcome:
        """What the settings say; whether the site's scheduler is enabled in its database, ``health`` tells."""
        config = {**self._live.bench.common_config(), **self._live.site.config()}
        paused = [name for name in ("pause_scheduler", "disable_scheduler") if config.get(name)]
        if paused:
            return Outcome(False, f"{' and '.join(paused)} is set: no scheduled job runs")
        return Outcome(True, "no setting keeps scheduled jobs from running")


def deployment(live: LiveSite, asked: Asked, deployment_id: str) -> Result:
    """Whether a certain deployment is the one that is live."""
    try:
        unit = Manifest(live.context.state_dir, asked.project, asked.environment).unit(asked.unit) or {}
    except LockstepError as error:
        return Result("deployment", "file", False, str(error))
    found = unit.get("deployment_id")
    message = f"deployment {found} is live" if found else "no deployment is live"
    if found != deployment_id:
        message += f", and not {deployment_id}"
    return Result("deployment", "file", found == deployment_id, message, observed={"deployment_id": found})


def _first(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"
