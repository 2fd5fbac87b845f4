# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``bench init``."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import traceback

import click

from tests.support.standin.bench import environment
from tests.support.standin.bench.apps import build_assets, get_app
from tests.support.standin.bench.config import write_first_config
from tests.support.standin.bench.files import write_procfile, write_redis
from tests.support.standin.bench.shared import FOLDERS, log


def init(
    path: str,
    *,
    frappe_path: str | None,
    frappe_branch: str | None,
    python: str,
    no_procfile: bool,
    no_backups: bool,
    skip_redis_config_generation: bool,
    skip_assets: bool,
    ignore_exist: bool,
    install_app: str | None,
) -> None:
    """Make a bench. One that exists is an error in words and a success by return code."""
    if not ignore_exist and os.path.exists(path):
        log(f"Bench instance already exists at {path}", level=2)
        return
    try:
        for name in FOLDERS:
            os.makedirs(os.path.join(path, name), exist_ok=True)
        click.secho("Setting Up Environment", fg="yellow")
        environment.create(pathlib.Path(path), shutil.which(python) or python)
        write_first_config(path)
        if not skip_redis_config_generation:
            write_redis(path)
        if not no_procfile:
            write_procfile(path, with_redis=not skip_redis_config_generation)
        pathlib.Path(path, "patches.txt").write_text("bench.patches.v5.update_archived_sites")
        _get_apps(path, frappe_path or "https://github.com/frappe/frappe.git", frappe_branch, install_app)
        if not skip_assets:
            build_assets(path)
        if not no_backups:
            log("The stand-in adds no crontab entry for backups", level=3)
    except Exception:
        print(traceback.format_exc())
        log(f"There was a problem while creating {path}", level=2)
        if click.confirm("Do you want to rollback these changes?", abort=True):
            log(f'Rolling back Bench "{path}"')
            shutil.rmtree(path, ignore_errors=True)
        return
    log(f"Bench {path} initialized", level=1)


def _get_apps(path: str, frappe: str, branch: str | None, other: str | None) -> None:
    if branch:
        command = ["git", "ls-remote", "--heads", "--tags", frappe, branch]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Exception(f"Invalid frappe path: {frappe}")
        if not done.stdout:
            raise Exception(f"Invalid branch or tag: {branch} for the remote {frappe}")
    if not os.path.exists(os.path.join(path, "apps", "frappe")):
        get_app(path, frappe, branch, skip_assets=True)
    else:
        environment.install(pathlib.Path(path), "frappe")
    if other:
        get_app(path, other, branch, skip_assets=True)
