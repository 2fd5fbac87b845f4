# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites and the apps installed on them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import typing as t

import click

import frappe
from frappe.database import Database
from frappe.model.sync import sync_for
from frappe.modules import patch_handler
from frappe.site_config import make_site_config
from frappe.utils import cint, filelock

_FOLDERS = (("public", "files"), ("private", "backups"), ("private", "files"), ("locks",), ("logs",))


def new_site(
    site: str,
    *,
    db_name: str | None,
    db_password: str | None,
    db_host: str | None,
    db_port: int | None,
    root_login: str | None,
    root_password: str | None,
    user_host: str | None,
    admin_password: str | None,
    install_apps: t.Sequence[str],
    force: bool,
    source_sql: str | None = None,
) -> None:
    """Make a site: folders, configuration, database, account, frappe and other apps.

    Args:
        user_host: Host part of the database account; the host root came from if None.
        source_sql: A dump to start from in place of empty tables.
    """
    if not force and os.path.exists(site):
        print(f"Site {site} already exists")
        sys.exit(1)
    frappe.init(site=site, new_site=True)
    for parts in _FOLDERS:
        os.makedirs(frappe.get_site_path(*parts), exist_ok=True)
    if not db_name:
        path = os.path.realpath(frappe.get_site_path())
        db_name = "_" + hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()[:16]
    with filelock("bench_new_site", timeout=1):
        make_site_config(db_name, db_password, db_host, db_port)
        frappe.destroy()
        frappe.init(site=site)
        frappe.local.flags.in_install_db = True
        _create_database(root_login or "root", root_password, user_host, force)
        frappe.connect()
        _fill(source_sql)
        frappe.local.flags.in_install_db = False
        _install_all(admin_password, install_apps, from_dump=bool(source_sql))
    print("*** Scheduler is", "enabled" if _scheduler_enabled() else "disabled", "***")


def _create_database(login: str, password: str | None, user_host: str | None, force: bool) -> None:
    import getpass

    conf = frappe.local.conf
    secret = password or conf.root_password or getpass.getpass("MySQL root password: ")
    root = Database(conf.db_host, conf.db_port, login, secret, None)
    host = user_host or root.sql("SELECT user()")[0][0].split("@")[1]
    name = conf.db_name
    if not force and name in root.sql("SHOW DATABASES", pluck=True):
        raise Exception(f"Database {name} already exists")
    root.sql(f"DROP USER IF EXISTS '{name}'@'{host}'")
    root.sql_ddl(f"DROP DATABASE IF EXISTS `{name}`")
    root.sql("CREATE USER %s@%s IDENTIFIED BY %s", (name, host, conf.db_password))
    root.sql_ddl(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    root.sql(f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{name}'@'{host}'")
    root.sql("FLUSH PRIVILEGES")
    root.close()


def drop_database(login: str | None, password: str | None) -> None:
    """Drop the site's database and its account, however that is scoped."""
    conf = frappe.local.conf
    root = Database(conf.db_host, conf.db_port, login or "root", password or conf.root_password, None)
    root.sql_ddl(f"DROP DATABASE IF EXISTS `{conf.db_name}`")
    host = root.sql("SELECT user()")[0][0].split("@")[1]
    for one in ("%", host):
        root.sql(f"DROP USER IF EXISTS '{conf.db_name}'@'{one}'")
    root.close()


def _fill(source_sql: str | None) -> None:
    if source_sql:
        from frappe.utils.backups import load_dump

        load_dump(source_sql)
        frappe.clear_cache()
        if "tabDefaultValue" not in frappe.local.db.get_tables():
            print("Table 'tabDefaultValue' missing in the restored site.")
            sys.exit(1)
        return
    with open(os.path.join(os.path.dirname(__file__), "framework.sql"), encoding="utf-8") as handle:
        lines = [line for line in handle.read().splitlines() if not line.startswith("--")]
    for statement in "\n".join(lines).split(";\n"):
        if statement.strip():
            frappe.local.db.sql_ddl(statement)


def _install_all(admin_password: str | None, apps: t.Sequence[str], from_dump: bool) -> None:
    frappe.local.flags.admin_password = admin_password
    for app in ["frappe", *(frappe.local.conf.install_apps or []), *apps]:
        install_app(app, set_as_patched=not from_dump)
    if not from_dump:
        frappe.local.db.set_single_value("System Settings", "enable_scheduler", 0)
    elif admin_password:
        from frappe.auth import update_password

        update_password("Administrator", admin_password)
    frappe.local.db.commit()


def _scheduler_enabled() -> bool:
    return bool(cint(frappe.local.db.get_single_value("System Settings", "enable_scheduler")))


def required_name(required: str) -> str:
    """The app an entry of ``required_apps`` names: a path, a URL, ``org/app``.

    A bare name is looked up at GitHub by the framework, even for an app that is installed. There is no network here.

    Raises:
        ConnectionError: It is a bare name.
    """
    name = required.rstrip("/")
    if os.path.exists(name):
        return os.path.basename(name)
    if "/" in name:
        return name.rpartition("/")[2].split("@")[0].removesuffix(".git")
    raise ConnectionError(f"HEAD https://api.github.com/repos/frappe/{name}: Failed to resolve 'api.github.com'")


def install_app(name: str, set_as_patched: bool = True, force: bool = False) -> None:
    """Install an app and before it what it requires; an installed one is left as it is, silently."""
    frappe.clear_cache()
    hooks = frappe.get_hooks(app_name=name)
    for required in hooks.required_apps or []:
        install_app(required_name(required))
    frappe.clear_cache()
    if name not in frappe.get_all_apps():
        raise Exception(f"App {name} not in apps.txt")
    if not force and name in frappe.get_installed_apps():
        click.secho(f"App {name} already installed", fg="yellow")
        return
    print(f"\nInstalling {name}...")
    for function in hooks.before_install or []:
        frappe.get_attr(function)()
    if name == "frappe":
        sync_for(name, force=force)
    _add_modules(name)
    if name != "frappe":
        sync_for(name, force=force)
    installed = [*frappe.get_installed_apps(), name]
    frappe.local.db.set_global("installed_apps", json.dumps(installed))
    frappe.local.db.commit()
    frappe.clear_cache()
    if set_as_patched:
        patch_handler.set_all_as_done(name)
    for function in hooks.after_install or []:
        frappe.get_attr(function)()
    from frappe.migrate import sync_jobs

    sync_jobs()
    frappe.local.db.commit()


def _add_modules(app: str) -> None:
    for module in modules_of(app):
        frappe.get_doc({"doctype": "Module Def", "name": module, "module_name": module, "app_name": app}).insert(
            ignore_if_duplicate=True
        )


def modules_of(app: str) -> list[str]:
    with open(frappe.get_app_path(app, "modules.txt"), encoding="utf-8") as handle:
        return [line.strip() for line in handle if line.strip()]


def remove_app(app: str, *, yes: bool, no_backup: bool, force: bool, dry_run: bool) -> None:
    """Remove an app's doctypes, tables and modules from the site; says so and does nothing where it may not."""
    installed = frappe.get_installed_apps()
    if not force and app not in installed:
        click.secho(f"App {app} not installed on Site {frappe.local.site}", fg="yellow")
        return
    for other in installed:
        if other != app and any(app in one for one in frappe.get_hooks(app_name=other).required_apps or []):
            click.secho(f"App {app} is a dependency of {other}. Uninstall {other} first.", fg="yellow")
            return
    print(f"Uninstalling App {app} from Site {frappe.local.site}...")
    if not (dry_run or yes) and not click.confirm(
        "All doctypes (including custom), modules related to this app will be deleted. "
        "Are you sure you want to continue?"
    ):
        return
    if not (dry_run or no_backup):
        from frappe.utils.backups import Backup

        print("Backing up...")
        Backup().take()
    _drop_modules(app, dry_run)
    if not dry_run:
        from frappe.migrate import update_versions

        left = [one for one in installed if one != app]
        frappe.local.db.set_global("installed_apps", json.dumps(left))
        frappe.clear_cache()
        update_versions()
        frappe.local.db.commit()
    click.secho(f"Uninstalled App {app} from Site {frappe.local.site}", fg="green")


def _drop_modules(app: str, dry_run: bool) -> None:
    db = frappe.local.db
    for module in frappe.get_all("Module Def", filters={"app_name": app}, pluck="name"):
        print(f"Deleting Module '{module}'")
        for doctype in frappe.get_all("DocType", filters={"module": module}, fields=["name", "issingle"]):
            print(f"* removing DocType '{doctype.name}'...")
            if dry_run:
                continue
            db.sql("DELETE FROM `tabDocField` WHERE parent = %s", (doctype.name,))
            db.sql("DELETE FROM `tabDocPerm` WHERE parent = %s", (doctype.name,))
            db.delete("DocType", doctype.name)
            if doctype.issingle:
                db.sql("DELETE FROM `tabSingles` WHERE doctype = %s", (doctype.name,))
            else:
                print(f"* dropping Table for '{doctype.name}'...")
                db.sql_ddl(f"DROP TABLE IF EXISTS `tab{doctype.name}`")
        print(f"* removing Module Def '{module}'...")
        if not dry_run:
            db.delete("Module Def", module)


def archive_site(folder: str | None) -> str:
    """Move the site's folder to where dropped sites are kept."""
    from frappe.utils import get_bench_path

    base = os.path.realpath(folder or os.path.join(get_bench_path(), "archived", "sites"))
    os.makedirs(base, exist_ok=True)
    target, number = os.path.join(base, frappe.local.site), 0
    while os.path.exists(target + (str(number) if number else "")):
        number += 1
    target += str(number) if number else ""
    shutil.move(frappe.get_site_path(), target)
    return target
