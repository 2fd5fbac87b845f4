# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold on a bench before a deployment: looked at only, nothing is changed."""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import (
    bench_unit,
    changes,
    claims,
    programs,
    redis,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import resources as res
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.adoption import Adoption, ports_of
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings, gather
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, release_id
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.preflight_site import backup_need
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import live, runtime

#: What of a bench is made anew with every release; the rest of it is data, logs and archives.
_BUILT = ("apps", "env", "config", os.path.join("sites", "assets"))


class BenchPreflight:
    """A bench that is to get a new release.

    Args:
        context: The bench.
        unit: Its unit.
        deployment_id: The deployment that wants to begin.
        apps: The apps of the new release.
        sites: The sites that are to move to it.
        backup: Whether they will be backed up.
        reserve: What must be free beyond what is needed.
    """

    def __init__(
        self,
        context: BenchContext,
        unit: str,
        deployment_id: str,
        apps: t.Sequence[App],
        sites: t.Sequence[str],
        backup: bool,
        reserve: res.Reserve,
    ) -> None:
        self._context = context
        self._unit = unit
        self._deployment_id = deployment_id
        self._apps = apps
        self._sites = sites
        self._backup = backup
        self._reserve = reserve
        target = context.record.release(release_id(apps))
        self._target = target if target and target.ready else None
        self._serving = self._find_serving()

    def look(self) -> Findings:
        """Everything there is to say, at once."""
        found = Findings()
        for path in {bench.path: bench for bench in self._benches()}.values():
            _require_bench(path, found)
        if not found.valid:
            return found
        checks = [
            self._claims,
            self._user_and_commands,
            self._folders,
            self._adoptable,
            self._unchanged,
            self._versions,
            self._redis,
            self._processes,
            self._process_manager,
            self._nginx,
            self._nginx_file,
            self._disk,
            self._memory,
            self._slot,
        ]
        found.add(gather(checks))
        return found

    def _find_serving(self) -> dict[str, Release]:
        """The releases that serve our sites now, by id; none where nothing was adopted yet."""
        record = self._context.record
        if not record.exists():
            return {}
        adopted = record.adopted()
        known = record.sites()
        releases = [self._context.live_release(site) for site in self._sites if site in known]
        if adopted is not None and len(releases) < len(self._sites):
            releases.append(adopted)
        return {release.id: release for release in releases}

    def _benches(self) -> list[Bench]:
        """The bench that was adopted, or will be, and those that serve our sites."""
        return [self._context.adopted, *(self._context.bench(release) for release in self._serving.values())]

    def _live(self) -> list[Bench]:
        """The benches whose processes our sites need now."""
        return self._benches()[1:] or [self._context.adopted]

    def _claims(self, found: Findings) -> None:
        claims.look(self._context.state_dir, self._unit, self._deployment_id, found)

    def _user_and_commands(self, found: Findings) -> None:
        context = self._context
        path = process.environment(context.user, context.adopted.env)["PATH"]
        apps = context.adopted.apps()
        found.passed.append(
            f"{context.command} runs as {context.user} and knows {len(apps)} apps in {context.adopted.path}"
        )
        python = str(context.options["python"] or os.path.realpath(context.adopted.python))
        for what, name in (("Python for new releases", python), ("git", "git")):
            if shutil.which(name, path=path):
                found.passed.append(f"{what} is there: {name}")
            else:
                found.failed.append(f"{what} is missing: {name} is no program that {context.user} can run")

    def _folders(self, found: Findings) -> None:
        context, options = self._context, self._context.options
        wanted = [context.layout.root, context.state_dir, options["runtime_dir"], options["nginx"]["conf_dir"]]
        if options["process_manager"] == "supervisor":
            wanted.append(options["supervisor"]["conf_dir"])
        locked = [path for path in wanted if not os.access(res.existing(path), os.W_OK | os.X_OK)]
        for path in locked:
            found.refuse(f"{path} can't be written by the user that tasks run as; set become for this server")
        if not locked:
            found.passed.append(f"{', '.join(wanted)} can be written")
        for name in ("web.sock", live.REALTIME):
            live.check_socket_path(os.path.join(runtime.nginx_folder(options["runtime_dir"]), f"01234567.{name}"))

    def _adoptable(self, found: Findings) -> None:
        """What the one adoption of a bench needs; afterwards, that the adopted bench can be started and stopped."""
        context = self._context
        adopted = context.record.adopted() if context.record.exists() else None
        path = os.path.join(context.adopted.path, "config", "supervisor.conf")
        if adopted is None or adopted.id in self._serving:
            _programs, groups = programs.read_programs(path)
            if groups:
                found.passed.append(f"{path} names the groups {', '.join(groups)}")
            else:
                found.failed.append(f"{path} names no groups, so the bench can't be started and stopped")
        if adopted is not None:
            return
        ports_of(context.adopted)
        ours, theirs = (os.stat(res.existing(path)).st_dev for path in (context.layout.root, context.adopted.path))
        if ours != theirs:
            found.refuse(
                f"{context.layout.root} lies on another file system than {context.adopted.path}, and sites can't be "
                "moved there in one step; set root to a folder on the same one"
            )
        else:
            found.passed.append(f"{context.adopted.path} can be adopted")

    def _versions(self, found: Findings) -> None:
        """Older code does not undo what the newer one's migrations did."""
        for bench in self._live():
            try:
                before = {app.name: app.version for app in bench.apps()}
            except LockstepError:
                # That its apps can't be found out is told where commands are looked at.
                continue
            for app in self._apps:
                numbers = _numbers(app.version)
                if numbers and numbers < _numbers(before.get(app.name)):
                    found.warnings.append(
                        f"{app.name} goes from {before[app.name]} back to {app.version}: older code does not undo what "
                        "migrations did since; playbooks/rollback.yml goes back with the data"
                    )

    def _unchanged(self, found: Findings) -> None:
        """The releases are what the record says they are."""
        record = self._context.record
        for release in record.releases() if record.exists() else []:
            if not release.ready:
                continue
            differing = self._differing(release)
            if not differing:
                found.passed.append(f"release {release.id} in {release.path} is at the commits of its record")
            elif release.id in self._serving:
                found.failed.append(
                    f"release {release.id} in {release.path}, which serves sites, drifted: {'; '.join(differing)}. "
                    "Somebody changed it in place: check the recorded commits out again"
                )
            else:
                found.warnings.append(
                    f"release {release.id} in {release.path} drifted, so it is no good way back: {'; '.join(differing)}"
                )
        for bench in self._live():
            dirty = [app for app in bench.app_names() if changes.is_dirty(bench, app)]
            if dirty:
                found.warnings.append(
                    f"{', '.join(dirty)} in {bench.path} have local changes that the new release won't have"
                )

    def _differing(self, release: Release) -> list[str]:
        bench = self._context.bench(release)
        wrong = []
        for app in release.apps:
            try:
                commit = bench.commit(app.name)
            except LockstepError as error:
                wrong.append(error.message)
                continue
            if commit != app.commit:
                wrong.append(f"{app.name} is at {commit[:12]} instead of {app.commit[:12]}")
        return wrong

    def _redis(self, found: Findings) -> None:
        for bench in self._live():
            config = bench.common_config()
            for name in ("redis_cache", "redis_queue"):
                if not config.get(name):
                    found.failed.append(f"{bench.path} names no {name} in common_site_config.json")
                    continue
                try:
                    answer = redis.ask(config[name], "PING")
                except LockstepError as error:
                    found.failed.append(f"{name} of {bench.path}: {error.message}")
                    continue
                said = f"{name} of {bench.path} answers {answer.lstrip('+')}"
                (found.passed if answer == "+PONG" else found.failed).append(said)

    def _processes(self, found: Findings) -> None:
        for bench in self._live():
            queue = bench.common_config().get("redis_queue")
            workers = redis.ask(queue, "SCARD", "rq:workers").lstrip(":") if queue else "0"
            if workers == "0":
                found.warnings.append(f"no worker of {bench.path} is at work: queued jobs would not end")
            else:
                found.passed.append(f"{workers} workers of {bench.path} are at work")
        for release in self._serving.values():
            if Processes(self._context).answers(release):
                found.passed.append(f"web, realtime and Redis of release {release.id} accept connections")
            else:
                found.warnings.append(
                    f"web, realtime or Redis of release {release.id} in {release.path} does not answer"
                )

    def _process_manager(self, found: Findings) -> None:
        name = self._context.options["process_manager"]
        if name == "systemd":
            state = process.run(["systemctl", "is-system-running"], timeout=60, check=False).stdout.strip()
            if state in ("", "offline", "unknown"):
                raise LockstepError(f"systemd does not run this server: it says {state or 'nothing'}")
        else:
            # Any group will do: what is asked is whether supervisord answers.
            self._context.supervision.running("lockstep")
        found.passed.append(f"{name} answers")

    def _nginx(self, found: Findings) -> None:
        nginx = Fronts(self._context).nginx
        nginx.test()
        nginx.master().require()
        found.passed.append("nginx runs and takes its configuration")
        adoption = Adoption(self._context, dict.fromkeys(self._sites, ()))
        missing = adoption.missing()
        if missing:
            found.warnings += adoption.look()
            found.passed.append(f"{', '.join(missing)} can be taken over as nginx serves them")

    def _nginx_file(self, found: Findings) -> None:
        """Nobody's work in our file of nginx is overwritten without a word."""
        drift = Fronts(self._context).drift()
        if drift is None:
            found.passed.append("nginx serves what the records of this server say")
        elif drift.by_hand:
            found.failed.append(f"{drift.sentence()}. --check --diff shows all of it; {drift.refusal().hint}")
        else:
            found.warnings.append(f"{drift.sentence()}; it is written anew")

    def _disk(self, found: Findings) -> None:
        context = self._context
        needs = []
        if self._target is None:
            model = max((_built_size(bench) for bench in self._live()), default=0)
            needs.append(res.Need("the new release", context.layout.root, model))
        if self._backup:
            needs += [need for site in self._sites for need in self._backup_needs(site)]
        res.judge_disks(needs or [res.Need("nothing to build", context.layout.root, 0)], self._reserve, found)

    def _backup_needs(self, site: str) -> list[res.Need]:
        """What the backup of a site takes; one that can't be measured is a failure of the site's own unit."""
        try:
            return [backup_need(self._context, LiveSite.find(self._context, site))]
        except LockstepError:
            return []

    def _memory(self, found: Findings) -> None:
        if self._target is not None and Processes(self._context).running(self._target):
            found.passed.append(f"release {self._target.id} runs already")
            return
        wanted = max((res.memory_of(bench.path) for bench in self._live()), default=0)
        free = res.memory_available()
        if not wanted:
            found.warnings.append(
                "no process of the bench could be measured: whether memory suffices for two is unknown"
            )
            return
        sentence = (
            f"{res.size_text(free)} of memory are available, and a second release takes about {res.size_text(wanted)}"
        )
        (found.passed if free >= wanted else found.warnings).append(sentence)

    def _slot(self, found: Findings) -> None:
        record = self._context.record
        if self._target is not None or not record.exists():
            found.passed.append("there is room for the release")
            return
        used = [release for release in record.releases() if not release.adopted]
        places = self._context.options["keep_releases"] + 1
        if len(used) < places or bench_unit.outdated(self._context, ""):
            found.passed.append(f"{len(used)} of {places} places for releases are taken")
        else:
            found.refuse(
                f"all {places} places for releases are taken by {', '.join(release.id for release in used)}; "
                "finish or roll back the deployment that is open on its sites"
            )


def _require_bench(bench: Bench, found: Findings) -> None:
    try:
        bench.require()
        process.identity(bench.user)
    except LockstepError as error:
        found.refuse(str(error).rstrip("."))
    else:
        found.passed.append(f"{bench.path} is a bench of {bench.user}")


def _built_size(bench: Bench) -> int:
    return sum(res.folder_size(os.path.join(bench.path, name)) for name in _BUILT)


def _numbers(version: str | None) -> list[int]:
    """A version's numbers, for telling an older one; nothing where it says none."""
    return [int(part) for part in re.findall(r"[0-9]+", (version or "").partition("-")[0])]
