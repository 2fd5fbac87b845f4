# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building a release: a bench of its own beside the one that serves, from sources that were shipped to the server."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, folders, process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import programs as programs_of
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.resources import existing
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import WEB

#: The branch that every shipped source has its one commit on.
SOURCE_BRANCH = "lockstep"

#: Network and compilers are involved: node modules, Python wheels.
_BUILD_TIMEOUT = 3600.0
_UNPACK_TIMEOUT = 600.0

#: Bytes: with less left after it failed, no build could have been finished.
_FULL = 8 << 20

# get-app restarts supervisor's groups of that name, and asks for a newer bench, unless it believes to build an image.
_INSTALL = {"FRAPPE_DOCKER_BUILD": "1"}

_OWN_SETTINGS = ("redis_cache", "redis_queue", "redis_socketio", "socketio_port", "webserver_port")


class Builder:
    """Builds and removes releases of one bench.

    Args:
        context: The bench.
        started: Called with the process id of every step of a build that takes long.
    """

    def __init__(self, context: BenchContext, started: t.Callable[[int], None] | None = None) -> None:
        self._context = context
        self._started = started
        self._layout = context.layout

    def missing_sources(self, apps: t.Sequence[App]) -> list[App]:
        """The apps whose source was not shipped to this server yet."""
        return [app for app in apps if not os.path.exists(os.path.join(self._layout.source(app), ".git", "HEAD"))]

    def build(self, release: str, apps: t.Sequence[App]) -> Release:
        """Build a release, or go on with the one that is there.

        Args:
            release: Its id.
            apps: Its apps in dependency order, frappe first.

        Raises:
            LockstepError: A source is missing, a step of the build failed, or what was built is not what was asked.
        """
        missing = self.missing_sources(apps)
        lost = [app.name for app in missing if not os.path.exists(self._layout.archive(app))]
        if lost:
            raise LockstepError(f"sources are missing on this server: {', '.join(lost)}")
        reserved = self._context.record.reserve(release, self._layout.release(release), apps)
        if reserved.ready:
            return reserved
        # A build that died half-way is not worth guessing about.
        self._remove_files(reserved)
        try:
            for app in missing:
                self._unpack(app)
            bench = self._install(reserved, apps)
            self._configure(reserved, bench)
            # Without --force it asks GitHub for somebody else's build first.
            bench.run("build", "--force", timeout=_BUILD_TIMEOUT, started=self._started)
        except LockstepError as error:
            error.message = _if_full(os.path.dirname(reserved.path)) + error.message
            raise
        built = self._verified(bench, apps)
        self._context.record.mark_ready(release, built)
        return self._context.require_release(release)

    def _unpack(self, app: App) -> None:
        """Unpack a shipped source, which is there as a whole or not at all.

        The bench's user owns every folder on the way and could have put links in their places, so nothing is done
        there but with that user's rights.
        """
        archive, source = self._layout.archive(app), self._layout.source(app)
        partial = f"{source}.partial"
        with open(archive, "rb") as handle:
            for argv in (
                ["rm", "-rf", "--", partial],
                ["mkdir", "-p", "--", os.path.join(partial, ".git")],
                ["tar", "--extract", "--no-same-owner", "--file=-", f"--directory={partial}/.git"],
                ["rm", "-rf", "--", source],
                ["mv", "--no-target-directory", "--", partial, source],
            ):
                stdin = handle if argv[0] == "tar" else None
                process.run(argv, user=self._context.user, cwd="/", stdin=stdin, timeout=_UNPACK_TIMEOUT)
        os.unlink(archive)

    def remove(self, release: Release) -> None:
        """Remove a release that no site needs."""
        if release.adopted:
            return
        self._context.supervision.remove(self._context.group(release))
        self._remove_files(release)
        self._context.record.forget(release.id)

    def _remove_files(self, release: Release) -> None:
        folders.remove_tree(release.path, os.path.join(self._layout.root))

    def _install(self, release: Release, apps: t.Sequence[App]) -> Bench:
        user = self._context.user
        folders.ensure(os.path.dirname(release.path), user)
        for app in apps:
            # bench opens a source as a working tree, and crashes on a bare repository.
            config = os.path.join(self._layout.source(app), ".git", "config")
            process.run(["git", "config", "--file", config, "core.bare", "false"], user=user, timeout=60)
        frappe, *others = apps
        if frappe.name != "frappe":
            raise LockstepError(f"the first app of a bench is frappe, not {frappe.name}")
        process.run(
            [
                self._context.command,
                "init",
                "--skip-redis-config-generation",
                "--skip-assets",
                "--no-procfile",
                "--no-backups",
                "--python",
                self._python(),
                "--frappe-path",
                self._layout.source(frappe),
                "--frappe-branch",
                SOURCE_BRANCH,
                release.path,
            ],
            user=user,
            cwd=os.path.dirname(release.path),
            env={**self._context.adopted.env, **_INSTALL},
            timeout=_BUILD_TIMEOUT,
            started=self._started,
        )
        bench = self._context.bench(release)
        for app in others:
            bench.run(
                "get-app",
                "--skip-assets",
                "--branch",
                SOURCE_BRANCH,
                self._layout.source(app),
                timeout=_BUILD_TIMEOUT,
                env=_INSTALL,
                started=self._started,
            )
        # bench writes them as the file system lists them; Frappe resolves hooks in this order.
        names = "\n".join(app.name for app in apps)
        path = os.path.join(bench.sites_folder, "apps.txt")
        atomic.write_text(path, names, mode=0o644, owner=user)
        return bench

    def _python(self) -> str:
        """The interpreter the live bench's environment was made from, unless another one was asked for."""
        return str(self._context.options["python"] or os.path.realpath(self._context.adopted.python))

    def _configure(self, release: Release, bench: Bench) -> None:
        # From the release that serves: what an administrator set there since it was built shall not be lost.
        live = self._context.newest_live()
        model = self._context.bench(live) if live is not None else self._context.adopted
        config = {name: value for name, value in model.common_config().items() if name not in _OWN_SETTINGS}
        config.update(
            redis_cache=f"redis://127.0.0.1:{release.ports['redis_cache']}",
            redis_queue=f"redis://127.0.0.1:{release.ports['redis_queue']}",
            redis_socketio=f"redis://127.0.0.1:{release.ports['redis_cache']}",
            socketio_port=release.ports["socketio"],
            webserver_port=release.ports["web"],
            # Nothing of bench may restart processes: that is ours alone, and its groups are the adopted bench's.
            restart_supervisor_on_update=False,
            restart_systemd_on_update=False,
        )
        mode = os.stat(model.common_config_path).st_mode & 0o777
        text = json.dumps(config, indent=1, sort_keys=True)
        atomic.write_text(bench.common_config_path, text, mode=mode, owner=self._context.user)
        bench.run("setup", "redis")
        bench.run("setup", "supervisor", "--yes", "--user", self._context.user)
        hook = self._hook(release)
        atomic.write_text(hook, programs_of.gunicorn_hook(release.id), mode=0o644, owner=self._context.user)

    def _verified(self, bench: Bench, apps: t.Sequence[App]) -> list[App]:
        """What was really built, by git and not by return codes."""
        built = bench.apps()
        wanted = {app.name: app.commit for app in apps}
        found = {app.name: app.commit for app in built}
        if found != wanted:
            wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
            raise LockstepError(f"the bench that was built differs from the plan in {', '.join(wrong)}")
        return built

    def _hook(self, release: Release) -> str:
        return os.path.join(release.path, "config", "lockstep_gunicorn.py")

    def install_programs(self, release: Release) -> None:
        """Make the release's processes known to the process manager; nothing is started."""
        programs, _groups = programs_of.read_programs(os.path.join(release.path, "config", "supervisor.conf"))
        group, socket = self._context.group(release), self._context.runtime(release).socket(WEB)
        own = programs_of.confined(programs, release.path)
        renamed = programs_of.of_release(own, group, socket, self._hook(release))
        self._context.supervision.install(group, renamed, self._context.user)


def _if_full(folder: str) -> str:
    """What explains a failed build where its disk is full: git and pip only say that a file can't be written."""
    found = os.statvfs(existing(folder))
    free = found.f_bavail * found.f_frsize
    return f"the disk of {folder} is full ({free >> 20} MiB free): " if free < _FULL else ""
