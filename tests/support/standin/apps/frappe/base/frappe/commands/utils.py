# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands about code, configuration, caches and assets."""

from __future__ import annotations

import ast
import json
import os
import typing as t

import click

import frappe
from frappe.commands.context import all_sites, connected, pass_context
from frappe.site_config import update_site_config
from frappe.utils import filelock


@click.command("build")
@click.option("--app")
@click.option("--apps")
@click.option("--hard-link", is_flag=True, envvar="FRAPPE_HARD_LINK_ASSETS")
@click.option("--production", is_flag=True)
@click.option("--verbose", is_flag=True)
@click.option("--force", is_flag=True)
def build(app: str | None, apps: str | None, hard_link: bool, force: bool, **_: t.Any) -> None:
    """Write assets under new hashed names and delete the old ones."""
    from frappe.build import bundle

    if not (force or app or apps or os.environ.get("CI")):
        # The framework asks GitHub for built assets first; there is no network here.
        click.secho("An Error occurred while downloading assets: Failed to resolve 'github.com'", fg="red")

    frappe.init("")
    with filelock("bench_build", is_global=True, timeout=10):
        names = apps or app
        bundle(names.split(",") if names else frappe.get_all_apps(), hard_link=hard_link)


@click.command("clear-cache")
@pass_context
def clear_cache(context: t.Any) -> None:
    """Delete the sites' keys; nothing is said when Redis is down."""
    for site in all_sites(context):
        with connected(site):
            frappe.clear_cache()


@click.command("clear-website-cache")
@pass_context
def clear_website_cache(context: t.Any) -> None:
    for site in all_sites(context):
        with connected(site):
            frappe.local.cache.delete_keys("website")


@click.command("show-config")
@click.option("--format", "-f", "form", type=click.Choice(["text", "json"]), default="text")
@pass_context
def show_config(context: t.Any, form: str) -> None:
    found = {}
    for site in all_sites(context):
        frappe.init(site)
        found[site] = dict(frappe.local.conf)
        frappe.destroy()
    if form == "json":
        click.echo(frappe.as_json(found))
        return
    for config in found.values():
        for name, value in config.items():
            print(f"{name} {value}")


@click.command("set-config")
@click.argument("key")
@click.argument("value")
@click.option("-g", "--global", "is_global", is_flag=True)
@click.option("-p", "--parse", is_flag=True)
@pass_context
def set_config(context: t.Any, key: str, value: t.Any, is_global: bool, parse: bool) -> None:
    """Set a value in site_config.json, or with -g in common_site_config.json."""
    if parse:
        value = ast.literal_eval(value)
    if is_global:
        frappe.init()
        update_site_config(key, value, os.path.join(os.getcwd(), "common_site_config.json"))
        return
    for site in all_sites(context):
        frappe.init(site=site)
        update_site_config(key, value)
        frappe.destroy()


@click.command("execute")
@click.argument("method")
@click.option("--args", "arguments")
@click.option("--kwargs", "keywords")
@click.option("--profile", is_flag=True)
@pass_context
def execute(context: t.Any, method: str, arguments: str | None, keywords: str | None, profile: bool) -> None:
    """Call a function and print what it returns as JSON, if it is anything."""
    for site in all_sites(context):
        with connected(site):
            args = ast.literal_eval(arguments) if arguments else ()
            kwargs = ast.literal_eval(keywords) if keywords else {}
            args = args if isinstance(args, list | tuple) else (args,)
            result = _resolve(method)(*args, **kwargs)
            frappe.local.db.commit()
        if result:
            print(json.dumps(result, default=str))


def _resolve(method: str) -> t.Any:
    """A function of a module, or something like ``frappe.db.count`` that only exists while a site is connected."""
    try:
        return frappe.get_attr(method)
    except (ImportError, AttributeError):
        found: t.Any = frappe
        for name in method.split(".")[1:]:
            found = getattr(found, name)
        return found


@click.command("version")
@click.option("-f", "--format", "form", type=click.Choice(["plain", "table", "json", "legacy"]), default="legacy")
def version(form: str) -> None:
    """Show commit, branch and version of the bench's apps."""
    from frappe.migrate import git_branch, git_commit

    frappe.init("")
    found = [
        {
            "commit": git_commit(app),
            "app": app,
            "branch": git_branch(app),
            "version": frappe.get_module(app).__version__,
        }
        for app in sorted(frappe.get_all_apps())
    ]
    if form == "json":
        click.echo(json.dumps(found, indent=4))
        return
    for one in found:
        legacy = f"{one['app']} {one['version']}"
        click.echo(legacy if form == "legacy" else f"{legacy} {one['branch']} ({one['commit']})")


@click.command("serve")
@click.option("--port", default=8000)
def serve(port: int) -> None:
    """A server for development, one request at a time."""
    from wsgiref.simple_server import make_server

    from frappe.app import application

    make_server("0.0.0.0", port, application).serve_forever()


commands = [build, clear_cache, clear_website_cache, execute, serve, set_config, show_config, version]
