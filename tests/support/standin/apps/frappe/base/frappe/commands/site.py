# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands that make, drop and list sites and the apps installed on them."""

from __future__ import annotations

import os
import sys
import typing as t

import click

import frappe
from frappe.commands.context import all_sites, connected, pass_context
from frappe.site_config import update_site_config
from frappe.utils import filelock

_ROOT = [
    click.option("--db-root-username", "--mariadb-root-username"),
    click.option("--db-root-password", "--mariadb-root-password"),
]


def root_options(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    for option in _ROOT:
        function = option(function)
    return function


@click.command("new-site")
@click.argument("site")
@click.option("--db-name")
@click.option("--db-password")
@click.option("--db-type", default="mariadb", type=click.Choice(["mariadb", "postgres"]))
@click.option("--db-host")
@click.option("--db-port", type=int)
@root_options
@click.option("--no-mariadb-socket", is_flag=True, help="The account may come from any host")
@click.option("--mariadb-user-host-login-scope", help="Host part of the account, as newer versions name it")
@click.option("--admin-password")
@click.option("--verbose", is_flag=True)
@click.option("--force", is_flag=True)
@click.option("--source-sql", "--source_sql")
@click.option("--install-app", multiple=True)
@click.option("--set-default", is_flag=True)
def new_site(
    site: str,
    db_root_username: str | None,
    db_root_password: str | None,
    no_mariadb_socket: bool,
    mariadb_user_host_login_scope: str | None,
    install_app: tuple[str, ...],
    set_default: bool,
    db_type: str,
    verbose: bool,
    **given: t.Any,
) -> None:
    """Make a site."""
    from frappe.installer import new_site as make

    make(
        site,
        root_login=db_root_username,
        root_password=db_root_password,
        user_host="%" if no_mariadb_socket else mariadb_user_host_login_scope,
        install_apps=install_app,
        **given,
    )
    frappe.destroy()
    if set_default:
        _set_default(site)


def _set_default(site: str) -> None:
    if os.path.exists(site):
        frappe.init()
        update_site_config("default_site", site, os.path.join(os.getcwd(), "common_site_config.json"))
        print(f"Current Site set to {site}")
    else:
        print(f"Site {site} does not exist")


@click.command("use")
@click.argument("site")
def use(site: str) -> None:
    """Make a site the default one."""
    _set_default(site)


@click.command("drop-site")
@click.argument("site")
@click.option("--db-root-username", "--mariadb-root-username", "--root-login")
@click.option("--db-root-password", "--mariadb-root-password", "--root-password")
@click.option("--archived-sites-path")
@click.option("--no-backup", is_flag=True)
@click.option("--force", is_flag=True)
def drop_site(
    site: str,
    db_root_username: str | None,
    db_root_password: str | None,
    archived_sites_path: str | None,
    no_backup: bool,
    force: bool,
) -> None:
    """Drop a site's database and move its folder to the archive."""
    from frappe.installer import archive_site, drop_database
    from frappe.utils.backups import Backup

    frappe.init(site=site)
    if not no_backup:
        click.secho(f"Taking backup of {site}", fg="green")
        try:
            frappe.connect()
            Backup(with_files=True).take()
        except Exception as error:
            if not force:
                print(f"Error: The operation has stopped because backup of {site}'s database failed.\nReason: {error}")
                sys.exit(1)
    click.secho("Dropping site database and user", fg="green")
    drop_database(db_root_username, db_root_password)
    folder = archive_site(archived_sites_path)
    click.secho(f"Moving site to archive under {os.path.dirname(folder)}", fg="green")
    frappe.destroy()


@click.command("install-app")
@click.argument("apps", nargs=-1)
@click.option("--force", is_flag=True)
@pass_context
def install_app(context: t.Any, apps: tuple[str, ...], force: bool) -> None:
    """Install apps; an installed one is no error, an unknown one is."""
    from frappe.installer import install_app as install

    code = 0
    for site in all_sites(context):
        with connected(site), filelock("install_app", timeout=1):
            for app in apps:
                try:
                    install(app, force=force)
                except Exception as error:
                    print(f"An error occurred while installing {app}: {error}\n{frappe.get_traceback()}")
                    code = 1
            if not code:
                frappe.local.db.commit()
    sys.exit(code)


@click.command("uninstall-app")
@click.argument("app")
@click.option("--yes", "-y", is_flag=True)
@click.option("--dry-run", is_flag=True)
@click.option("--no-backup", is_flag=True)
@click.option("--force", is_flag=True)
@pass_context
def uninstall_app(context: t.Any, app: str, yes: bool, dry_run: bool, no_backup: bool, force: bool) -> None:
    """Remove an app from a site; a refusal is told and has return code 0."""
    from frappe.installer import remove_app

    if app == "frappe":
        click.secho("You cannot uninstall the app `frappe`", fg="red")
        sys.exit(1)
    for site in all_sites(context):
        with connected(site), filelock("uninstall_app"):
            remove_app(app, yes=yes, no_backup=no_backup, force=force, dry_run=dry_run)


@click.command("list-apps")
@click.option("--format", "-f", "form", type=click.Choice(["text", "json"]), default="text")
@pass_context
def list_apps(context: t.Any, form: str) -> None:
    """List what the last migration wrote down about the site's apps, however old."""
    summary: dict[str, list[str]] = {}
    for site in context.sites:
        with connected(site):
            rows = frappe.get_all(
                "Installed Application", fields=["app_name", "app_version", "git_branch"], order_by="idx"
            )
            summary[site] = [row.app_name for row in rows]
            lines = [f"{row.app_name} {row.app_version} {row.git_branch}" for row in rows]
            if form == "text":
                title = click.style(site, fg="green") if len(context.sites) > 1 else ""
                print(f"{title}\n" + "\n".join(lines or frappe.get_installed_apps()) + "\n")
    if form == "json":
        click.echo(frappe.as_json(summary))


@click.command("set-admin-password")
@click.argument("admin-password")
@click.option("--logout-all-sessions", is_flag=True)
@pass_context
def set_admin_password(context: t.Any, admin_password: str, logout_all_sessions: bool) -> None:
    from frappe.auth import update_password

    for site in all_sites(context):
        with connected(site):
            update_password("Administrator", admin_password)
            frappe.local.db.commit()


commands = [drop_site, install_app, list_apps, new_site, set_admin_password, uninstall_app, use]
