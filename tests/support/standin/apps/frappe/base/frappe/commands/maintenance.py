# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands that migrate, back up and restore."""

from __future__ import annotations

import os
import sys
import typing as t

import click

import frappe
from frappe.commands.context import all_sites, connected, get_site, pass_context
from frappe.commands.site import root_options
from frappe.utils import filelock


@click.command("migrate")
@click.option("--skip-failing", is_flag=True)
@click.option("--skip-search-index", is_flag=True)
@pass_context
def migrate(context: t.Any, skip_failing: bool, skip_search_index: bool) -> None:
    """Run patches and sync doctypes, site after site; the first failure ends it."""
    from frappe.migrate import SiteMigration

    for site in all_sites(context):
        click.secho(f"Migrating {site}", fg="green")
        try:
            SiteMigration(skip_failing=skip_failing, skip_search_index=skip_search_index).run(site)
        finally:
            print()


@click.command("run-patch")
@click.argument("module")
@click.option("--force", is_flag=True)
@pass_context
def run_patch(context: t.Any, module: str, force: bool) -> None:
    from frappe.modules.patch_handler import run_single

    for site in all_sites(context):
        with connected(site):
            run_single(module, force=force or bool(context.force))


@click.command("backup")
@click.option("--with-files", is_flag=True)
@click.option("--backup-path")
@click.option("--backup-path-db")
@click.option("--backup-path-files")
@click.option("--backup-path-private-files")
@click.option("--backup-path-conf")
@click.option("--verbose", is_flag=True)
@pass_context
def backup(context: t.Any, with_files: bool, backup_path: str | None, verbose: bool, **paths: str | None) -> None:
    """Back up sites; a failure is told, and makes the return code 1 at the end."""
    from frappe.utils.backups import Backup

    code = 0
    given = {name.removeprefix("backup_path_"): path for name, path in paths.items()}
    for site in all_sites(context):
        try:
            with connected(site):
                one = Backup(backup_path, given, with_files)
                one.take()
                one.print_summary()
        except Exception:
            text = f"Backup failed for Site {site}. Database or site_config.json may be corrupted"
            click.secho(text, fg="red")
            if verbose:
                print(frappe.get_traceback())
            code = 1
            continue
        files = " with files" if with_files else ""
        click.secho(f"Backup for Site {site} has been successfully completed{files}", fg="green")
    sys.exit(code)


@click.command("restore")
@click.argument("sql-file-path")
@root_options
@click.option("--admin-password")
@click.option("--install-app", multiple=True)
@click.option("--with-public-files")
@click.option("--with-private-files")
@click.option("--force", is_flag=True)
@pass_context
def restore(
    context: t.Any,
    sql_file_path: str,
    db_root_username: str | None,
    db_root_password: str | None,
    admin_password: str | None,
    install_app: tuple[str, ...],
    force: bool,
    **files: str | None,
) -> None:
    """Drop the database and load a dump; a dump that breaks off leaves the site broken."""
    from frappe.installer import new_site
    from frappe.utils.backups import check_dump, dump_version

    site = get_site(context) or ""
    frappe.init(site=site)
    force = force or bool(context.force)
    with filelock("site_restore", timeout=1):
        if not os.path.exists(sql_file_path):
            click.secho(f"File {sql_file_path} not found.", fg="red")
            sys.exit(1)
        written = dump_version(sql_file_path)
        mine = tuple(int(part) for part in frappe.__version__.split("-")[0].split("."))
        if written and written > mine and not force:
            print(f"Your site is currently on Frappe {frappe.__version__} and your backup is {written}.")
            click.confirm(
                "This is not recommended and may lead to unexpected behaviour. Do you want to continue anyway?",
                abort=True,
            )
        check_dump(sql_file_path)
        conf = dict(frappe.local.conf)
        frappe.destroy()
        try:
            new_site(
                site,
                db_name=conf["db_name"],
                db_password=None,
                db_host=None,
                db_port=None,
                root_login=db_root_username,
                root_password=db_root_password,
                user_host=None,
                admin_password=admin_password,
                install_apps=install_app,
                force=True,
                source_sql=sql_file_path,
            )
        except Exception as error:
            print(error)
            sys.exit(1)
    for kind in ("with_public_files", "with_private_files"):
        if files[kind]:
            _unpack(str(files[kind]))
    what = " with files" if any(files.values()) else ""
    click.secho(f"Site {site} has been restored{what}", fg="green")


def _unpack(path: str) -> None:
    import subprocess

    command = ["tar", "-xf", os.path.abspath(path), "--strip", "2"]
    subprocess.run(command, cwd=frappe.get_site_path(), check=True)


commands = [backup, migrate, restore, run_patch]
