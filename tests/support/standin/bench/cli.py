# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: bench's own commands here, all others in the bench's environment."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import typing as t

import click

from tests.support.standin.bench import VERSION, apps, config, environment, files, make, nginx
from tests.support.standin.bench.shared import env_python, is_bench, log, parent_bench

_CONTEXT_FLAGS = ("--verbose", "--profile", "--force")


@click.group()
@click.version_option(VERSION, prog_name="bench", message="%(version)s")
@click.option("--verbose", is_flag=True)
def bench(verbose: bool) -> None:
    """Bench manager for Frappe (stand-in)"""


@bench.command("init")
@click.argument("path")
@click.option("--version", "--frappe-branch", "frappe_branch")
@click.option("--ignore-exist", is_flag=True)
@click.option("--python", default="")
@click.option("--frappe-path")
@click.option("--no-procfile", is_flag=True)
@click.option("--no-backups", is_flag=True)
@click.option("--skip-redis-config-generation", is_flag=True)
@click.option("--skip-assets", is_flag=True)
@click.option("--install-app")
@click.option("--verbose", is_flag=True)
def init(path: str, python: str, verbose: bool, **options: t.Any) -> None:
    """Initialize a new bench instance in the specified path"""
    make.init(path, python=python or environment.default_python(), **options)


@bench.command("get-app")
@click.argument("name", nargs=-1)
@click.argument("git-url")
@click.option("--branch")
@click.option("--overwrite", is_flag=True)
@click.option("--skip-assets", is_flag=True)
def get_app(name: tuple[str, ...], git_url: str, **options: t.Any) -> None:
    """Clone an app from the internet or filesystem and set it up in your bench"""
    apps.get_app(".", git_url, **options)


@bench.command("remove-app")
@click.argument("app")
@click.option("--no-backup", is_flag=True)
@click.option("--force", is_flag=True)
def remove_app(app: str, no_backup: bool, force: bool) -> None:
    """Completely remove app from bench"""
    apps.remove_app(".", app, no_backup, force)


@bench.command("switch-to-branch")
@click.argument("branch")
@click.argument("names", nargs=-1)
@click.option("--upgrade", is_flag=True)
def switch_to_branch(branch: str, names: tuple[str, ...], upgrade: bool) -> None:
    """Switch apps to a branch, whatever is changed in them"""
    apps.switch_branch(".", branch, names)


@bench.command("socketio")
def socketio() -> None:
    """Start the realtime server"""
    node = shutil.which("node") or shutil.which("nodejs") or "node"
    os.execv(node, [node, os.path.abspath("apps/frappe/socketio.js")])


@bench.command("set-common-config")
@click.option("configs", "-c", "--config", multiple=True, type=(str, str))
def set_common_config(configs: tuple[tuple[str, str], ...]) -> None:
    """Set value in common config"""
    import ast

    found = {}
    for key, value in configs:
        try:
            found[key] = ast.literal_eval(value.title() if value in ("true", "false") else value)
        except (ValueError, SyntaxError):
            found[key] = value
    config.update_config(found)


@bench.group("config")
def change_config() -> None:
    """Change bench configuration"""


@change_config.command("dns_multitenant")
@click.argument("state", type=click.Choice(["on", "off"]))
def dns_multitenant(state: str) -> None:
    config.update_config({"dns_multitenant": state == "on"})


@bench.group("setup")
def setup() -> None:
    """Setup command group for enabling setting up a Frappe environment"""


@setup.command("redis")
def setup_redis() -> None:
    files.write_redis(".")


@setup.command("procfile")
def setup_procfile() -> None:
    files.write_procfile(".")


@setup.command("supervisor")
@click.option("--user")
@click.option("--yes", is_flag=True)
@click.option("--skip-redis", is_flag=True)
@click.option("--skip-supervisord", is_flag=True)
def setup_supervisor(user: str | None, yes: bool, skip_redis: bool, skip_supervisord: bool) -> None:
    files.write_supervisor(os.getcwd(), user, yes, skip_redis)


@setup.command("nginx")
@click.option("--logging", default="combined", type=click.Choice(["none", "site", "combined"]))
@click.option("--log_format", default="main")
@click.option("--yes", is_flag=True)
def setup_nginx(logging: str, log_format: str | None, yes: bool) -> None:
    nginx.write_nginx(os.getcwd(), yes, logging, log_format)


@setup.command("env")
@click.option("--python", default="")
def setup_env(python: str) -> None:
    import pathlib

    environment.create(pathlib.Path("."), python or environment.default_python())


@setup.command("requirements")
@click.option("--node", is_flag=True)
@click.option("--python", is_flag=True)
@click.option("--dev", is_flag=True)
@click.argument("names", nargs=-1)
def setup_requirements(node: bool, python: bool, dev: bool, names: tuple[str, ...]) -> None:
    import pathlib

    for app in names or apps.apps_of("."):
        print(f"Installing {app}")
        environment.install(pathlib.Path("."), app)


def main(allow_root: bool = False) -> None:
    """Run the command in ``sys.argv``.

    Args:
        allow_root: Whether root may make benches. The real bench never lets it; where tests run as root there is no
            other user to be.
    """
    arguments = sys.argv[1:]
    found = parent_bench(os.getcwd())
    if found:
        os.chdir(found)
    if arguments and "--version" not in arguments:
        _become_user(allow_root)
    command = _command(arguments)
    if command in bench.commands or command in (None, "--help", "--version") or not is_bench("."):
        _own(arguments, in_bench=bool(found))
    _hand_on(arguments)


def _own(arguments: list[str], in_bench: bool) -> t.NoReturn:
    if not in_bench and arguments and arguments[0] not in ("init", "get-app", "--version", "--help"):
        log("Command not being executed in bench directory", level=3)
    try:
        bench.main(args=arguments, prog_name="bench")
    except Exception as error:
        click.secho(f"ERROR: {error}", fg="red")
        raise
    sys.exit(0)


def _hand_on(arguments: list[str]) -> t.NoReturn:
    python = env_python(".")
    os.chdir("sites")
    os.execv(python, [python, "-m", "frappe.utils.bench_helper", "frappe", *arguments])


def _command(arguments: t.Sequence[str]) -> str | None:
    rest = iter(arguments)
    for argument in rest:
        if argument == "--site":
            next(rest, None)
        elif argument not in _CONTEXT_FLAGS:
            return argument
    return None


def _become_user(allow_root: bool) -> None:
    """As root, become the user the bench's configuration names; without one, root is refused."""
    if os.geteuid() != 0:
        return
    name = config.get_config(".").get("frappe_user")
    if name:
        account = pwd.getpwnam(name)
        if account.pw_uid:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        os.environ["HOME"] = account.pw_dir
    elif not allow_root:
        log("You should not run this command as root", level=3)
        sys.exit(1)
