# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apps of a bench: clones in ``apps/``, listed in ``sites/apps.txt`` and ``sites/apps.json``."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t
import urllib.parse

import click

from tests.support.standin.bench import environment
from tests.support.standin.bench.config import get_config
from tests.support.standin.bench.shared import bench_command, bench_name, is_bench, log, run

_RESOLVED = "# resolved anew by bench init\n"


def apps_of(bench: str) -> list[str]:
    """Folders in ``apps/`` that are apps, frappe first, the rest in no order at all."""
    folder = pathlib.Path(bench, "apps")
    if not folder.is_dir():
        return []
    names = [name for name in os.listdir(folder) if next(folder.joinpath(name).glob("*/hooks.py"), None)]
    return sorted(names, key=lambda name: (name != "frappe", hash_order(name)))


def hash_order(name: str) -> int:
    """An order that is neither the alphabet's nor the dependencies'."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(reversed(name))) % 97


def sync_apps(bench: str, app: str | None = None, branch: str | None = None) -> None:
    """Rewrite ``apps.txt`` (without a newline at its end) and ``apps.json``."""
    names = apps_of(bench)
    pathlib.Path(bench, "sites", "apps.txt").write_text("\n".join(names))
    path = pathlib.Path(bench, "sites", "apps.json")
    states: dict[str, t.Any] = json.loads(path.read_text() or "{}") if path.exists() else {}
    states = {name: state for name, state in states.items() if name in names}
    if app and app not in states:
        source = pathlib.Path(bench, "apps", app)
        branch = branch or _git(source, "rev-parse", "--abbrev-ref", "HEAD")
        unknown = app == "frappe"
        commit = None if unknown else _git(source, "rev-parse", "HEAD")
        states[app] = {
            "is_repo": True,
            "resolution": {"commit_hash": commit, "branch": None if unknown else branch},
            "required": [],
            "idx": len(states) + 1,
            "version": environment.version_of(source, app),
        }
    path.write_text(json.dumps(states, indent=4))


def get_app(
    bench: str, url: str, branch: str | None = None, skip_assets: bool = False, overwrite: bool = False
) -> None:
    """Clone an app and install it in the bench; nothing happens to sites.

    Raises:
        CommandFailedError: It can't be cloned.
    """
    if not is_bench(bench):
        click.secho(
            f"{os.path.realpath(bench)} is not a valid bench directory. "
            "Run with --init-bench if you'd like to create a Bench too.",
            fg="red",
        )
        sys.exit(1)
    app = _name_of(url)
    target = pathlib.Path(bench, "apps", app)
    if target.exists():
        question = f"A directory for the application '{app}' already exists. Do you want to continue and overwrite it?"
        if not overwrite and not click.confirm(question):
            if not click.confirm("Do you want to reinstall the existing application?"):
                return
            install(bench, app, branch, skip_assets)
            return
        _archive(bench, target)
    click.secho(f"Getting {app}", fg="yellow")
    command = ["git", "clone", url, *(["--branch", branch] if branch else [])]
    if get_config(bench).get("shallow_clone"):
        command += ["--depth", "1"]
    run([*command, "--origin", "upstream"], cwd=os.path.join(bench, "apps"))
    install(bench, _renamed(target), branch, skip_assets)


def _name_of(url: str) -> str:
    path = urllib.parse.urlparse(url).path.rstrip("/")
    if os.path.isdir(path) and not os.path.exists(os.path.join(path, ".git")):
        # bench asks GitPython for the work tree of a repository on disk, and a bare one has none
        raise TypeError("expected str, bytes or os.PathLike object, not NoneType")
    return re.sub(r"\.git$", "", os.path.basename(path))


def _renamed(target: pathlib.Path) -> str:
    """The app's name is that of its project; its folder follows."""
    project = target / "pyproject.toml"
    found = re.search(r'^name = "([^"]+)"', project.read_text(), re.MULTILINE) if project.exists() else None
    name = found.group(1) if found else target.name
    if name != target.name:
        target.rename(target.with_name(name))
    return name


def install(bench: str, app: str, branch: str | None, skip_assets: bool) -> None:
    """Install a cloned app in the bench's environment; that it doesn't fit another app is only a warning."""
    if app != "frappe":
        click.secho(f"Ignoring dependencies of {app}. To install dependencies use --resolve-deps", fg="yellow")
    click.secho(f"Installing {app}", fg="yellow")
    environment.install(pathlib.Path(bench), app)
    _install_packages(pathlib.Path(bench, "apps", app))
    sync_apps(bench, app, branch)
    if not skip_assets:
        build_assets(bench, app)
    _restart(bench)


def _install_packages(source: pathlib.Path) -> None:
    """What yarn leaves behind: the work tree of an app with packages is dirty from the beginning."""
    lock = source / "yarn.lock"
    if (source / "package.json").exists() and lock.exists() and _RESOLVED not in lock.read_text():
        click.secho("$ yarn install --check-files", fg="bright_black")
        with lock.open("a") as handle:
            handle.write(_RESOLVED)


def _restart(bench: str) -> None:
    """What bench does after every app it gets: it restarts the groups named after the folder. Here it is only told."""
    if os.environ.get("FRAPPE_DOCKER_BUILD"):
        return
    name = bench_name(bench)
    for group in (f"{name}-web:", f"{name}-workers:"):
        click.secho(f"$ supervisorctl restart {group}", fg="bright_black")
        with open(os.path.join(bench, "logs", "bench.log"), "a", encoding="utf-8") as log_file:
            log_file.write(f"supervisorctl restart {group}\n")


def build_assets(bench: str, app: str | None = None) -> None:
    run([bench_command(), "build", *(["--app", app] if app else [])], cwd=bench)


def remove_app(bench: str, app: str, no_backup: bool, force: bool) -> None:
    """Take an app out of the bench, unless a site has it installed.

    Raises:
        Exception: It is not there, or in use.
    """
    if app == "frappe":
        raise Exception("You cannot uninstall the app `frappe`")
    if app not in apps_of(bench):
        raise Exception(f"No app named {app}")
    if not force:
        _refuse_installed(bench, app)
    environment.uninstall(pathlib.Path(bench), app)
    target = pathlib.Path(bench, "apps", app)
    if no_backup:
        shutil.rmtree(target)
        log(f"App deleted from {target}")
    else:
        _archive(bench, target)
    sync_apps(bench)


def _refuse_installed(bench: str, app: str) -> None:
    for site in sorted(os.listdir(os.path.join(bench, "sites"))):
        if not os.path.exists(os.path.join(bench, "sites", site, "site_config.json")):
            continue
        command = [bench_command(), "--site", site, "execute", "frappe.get_installed_apps"]
        done = subprocess.run(command, cwd=bench, capture_output=True, text=True, check=False)
        if done.returncode == 0 and app in json.loads(done.stdout or "[]"):
            raise Exception(f"Cannot remove, app is installed on site: {site}")


def _archive(bench: str, target: pathlib.Path) -> None:
    folder = pathlib.Path(bench, "archived", "apps")
    folder.mkdir(parents=True, exist_ok=True)
    name, number = f"{target.name}-{datetime.date.today()}", 1
    while (folder / name).exists():
        number += 1
        name = f"{target.name}-{datetime.date.today()}-{number}"
    shutil.move(target, folder / name)
    log(f"App moved from {target} to {folder / name}")


def switch_branch(bench: str, branch: str, apps: t.Sequence[str]) -> None:
    """Fetch and ``git checkout -f``: local changes are thrown away, and a branch that is behind is a success."""
    switched = []
    for app in apps or apps_of(bench):
        source = pathlib.Path(bench, "apps", app)
        if not source.exists():
            log(f"{app} does not exist!", level=2)
            continue
        log(f"Fetching upstream for {app}")
        run(["git", "remote", "set-branches", "upstream", "*"], cwd=source)
        shallow = ["--unshallow"] if (source / ".git" / "shallow").exists() else []
        run(["git", "fetch", "--all", *shallow, "--quiet"], cwd=source)
        print("Switching for " + app)
        run(["git", "checkout", "-f", branch], cwd=source)
        if _git(source, "rev-parse", "--abbrev-ref", "HEAD") == branch:
            switched.append(app)
        else:
            log(f"Switching branches failed for: {app}", level=2)
    if switched:
        log(f"Successfully switched branches for: {', '.join(switched)}", level=1)
        print("Please run `bench update --patch` to be safe from any differences in database schema")


def _git(source: pathlib.Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(source), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
