# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One bench on disk: its command, its configuration, its apps, the sites in it."""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, beneath, process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App

#: Any command of bench that only looks; several seconds are normal on a loaded server.
LOOK_TIMEOUT = 120.0

_KEPT = re.compile(r"_cached_get_site_config\s*=\s*site_cache\(\s*ttl=(\d+)")
_USUALLY_KEPT = 60.0


class Bench:
    """A bench, adopted or built by us.

    Args:
        path: Its folder.
        user: Who owns it and runs its commands.
        command: The ``bench`` executable.
        env: Environment variables for it.
    """

    def __init__(self, path: str, user: str, command: str, env: t.Mapping[str, str] | None = None) -> None:
        self.path = path
        self.user = user
        self.command = command
        # bench prefers uv where it finds it, and uv ignores pip's configuration.
        self.env = {"BENCH_DISABLE_UV": "1", **(env or {})}

    @property
    def sites_folder(self) -> str:
        return os.path.join(self.path, "sites")

    @property
    def python(self) -> str:
        return os.path.join(self.path, "env", "bin", "python")

    def search_path(self) -> str:
        """``PATH`` for a user's own commands: the bench's Python first, then where ``bench`` is."""
        usual = process.environment(self.user, self.env)["PATH"]
        folder = os.path.dirname(self.command)
        return os.pathsep.join([os.path.dirname(self.python), *([folder] if folder else []), usual])

    def require(self) -> None:
        """Make sure that this is a bench.

        Raises:
            LockstepError: It isn't; says what is missing.
        """
        wanted = ("apps", "env", "sites", os.path.join("sites", "apps.txt"), os.path.join("apps", "frappe"))
        missing = [name for name in wanted if not os.path.exists(os.path.join(self.path, name))]
        if missing:
            raise LockstepError(f"{self.path} is not a bench: it has no {', no '.join(missing)}")

    def run(self, *args: str, timeout: float = LOOK_TIMEOUT, check: bool = True, **options: t.Any) -> process.Completed:
        """Run ``bench ARGS`` in this bench as its user.

        Raises:
            LockstepError: It can't be started, took too long, or failed while ``check`` is set.
        """
        environment = {**self.env, **options.pop("env", {})}
        return process.run(
            [self.command, *args],
            user=self.user,
            cwd=self.path,
            env=environment,
            timeout=timeout,
            check=check,
            **options,
        )

    def change(self, site: str, *command: str, timeout: float, **options: t.Any) -> None:
        """Run a command of bench that changes a site.

        Raises:
            LockstepError: It can't be started, took too long, or failed: says with what.
        """
        done = self.run("--site", site, *command, timeout=timeout, check=False, **options)
        if done.rc != 0:
            raise LockstepError(
                f"bench {' '.join(command)} failed with return code {done.rc}: {done.reason()}",
                detail=done.tail(20),
            )

    def execute(self, site: str, method: str, *arguments: t.Any, timeout: float = LOOK_TIMEOUT) -> t.Any:
        """Call a Python function of an app for a site and return what it printed as JSON.

        Args:
            site: The site.
            method: The function, with its module.
            arguments: What it is called with: texts, numbers and lists of them.
            timeout: Seconds it may take.

        Raises:
            LockstepError: It failed, or printed something else.
        """
        given = ["--args", json.dumps(arguments)] if arguments else []
        done = self.run("--site", site, "execute", method, *given, timeout=timeout)
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError):
            raise LockstepError(f"bench execute {method} printed no JSON", detail=done.tail()) from None

    @property
    def common_config_path(self) -> str:
        return os.path.join(self.sites_folder, "common_site_config.json")

    def common_config(self) -> dict[str, t.Any]:
        return dict(atomic.read_json(self.common_config_path, {}))

    def sites(self) -> list[str]:
        """The sites this bench can serve, real folders and symlinks alike."""
        names = []
        for name in sorted(os.listdir(self.sites_folder)):
            if os.path.exists(os.path.join(self.sites_folder, name, "site_config.json")):
                names.append(name)
        return names

    def settings_age(self) -> float:
        """Seconds for which web processes may go by a site's configuration after it was changed.

        Frappe 16 keeps it in the memory of each process (``frappe/config.py``), which nobody else can clear; before
        that it was read anew with every request.
        """
        try:
            with beneath.reading(os.path.join(self.path, "apps", "frappe", "frappe", "config.py")) as handle:
                text = handle.read()
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError) as error:
            raise LockstepError(f"how {self.path} reads its configuration can't be found out: {error}") from error
        said = _KEPT.search(text)
        if said is None:
            # Kept in a way that we don't know, or not kept.
            return _USUALLY_KEPT if "cached" in text else 0.0
        return float(said.group(1))

    def app_names(self) -> list[str]:
        """The apps of the bench, frappe first, then as ``sites/apps.txt`` has them."""
        with beneath.reading(os.path.join(self.sites_folder, "apps.txt")) as handle:
            names = [line.strip() for line in handle if line.strip()]
        return sorted(names, key=lambda name: name != "frappe")

    def apps(self) -> list[App]:
        """The apps at the commits that are checked out.

        Raises:
            LockstepError: An app's folder is no git repository.
        """
        versions = {item["app"]: item.get("version") for item in self._versions()}
        return [App(name, self.commit(name), versions.get(name)) for name in self.app_names()]

    def commit(self, app: str) -> str:
        """The commit of an app, from git itself: versions lie (many apps are 0.0.1 for ever)."""
        folder = os.path.join(self.path, "apps", app)
        done = self.git(app, "rev-parse", "--verify", "HEAD", check=False)
        if done.rc != 0:
            raise LockstepError(f"{folder} is no git repository", detail=done.tail())
        return done.stdout.strip()

    def git(self, app: str, *args: str, check: bool = True) -> process.Completed:
        """Run git in an app's folder as the bench's user."""
        folder = os.path.join(self.path, "apps", app)
        return process.run(["git", "-C", folder, *args], user=self.user, timeout=LOOK_TIMEOUT, check=check)

    def _versions(self) -> list[dict[str, t.Any]]:
        done = self.run("version", "--format", "json")
        start = done.stdout.find("[")
        try:
            return list(json.loads(done.stdout[start:]))
        except ValueError:
            raise LockstepError("bench version printed no JSON", detail=done.tail()) from None
