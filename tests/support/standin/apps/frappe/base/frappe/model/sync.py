# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doctypes from their JSON files into the database."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import sys
import typing as t

import frappe
from frappe.model.schema import sync_table

_CORE_FIRST = ("docfield", "docperm", "doctype", "module_def")


def sync_all(force: bool = False) -> None:
    """All doctypes of all installed apps."""
    for app in frappe.get_installed_apps():
        sync_for(app, force=force)
    frappe.clear_cache()


def sync_for(app: str, force: bool = False) -> None:
    """All doctypes of one app; a progress bar is printed as the framework prints it."""
    files = doctype_files(app)
    for number, path in enumerate(files, start=1):
        import_doctype(path, app, force=force)
        frappe.local.db.commit()
        _progress(f"Updating DocTypes for {app}", number, len(files))
    print()


def doctype_files(app: str) -> list[str]:
    """The JSON files of an app's doctypes, those first that the others need."""
    found = glob.glob(frappe.get_app_path(app, "*", "doctype", "*", "*.json"))
    names = {path: os.path.basename(path)[: -len(".json")] for path in found}

    def order(path: str) -> tuple[int, str]:
        name = names[path]
        return (_CORE_FIRST.index(name) if app == "frappe" and name in _CORE_FIRST else len(_CORE_FIRST), name)

    return sorted((path for path in found if os.path.basename(os.path.dirname(path)) == names[path]), key=order)


def reload_doc(module: str, name: str, force: bool = False) -> None:
    """One doctype, found by its module's and its own name."""
    wanted = os.path.join(frappe.scrub(module), "doctype", frappe.scrub(name), f"{frappe.scrub(name)}.json")
    for app in frappe.get_installed_apps():
        path = frappe.get_app_path(app, wanted)
        if os.path.exists(path):
            import_doctype(path, app, force=force)
            return
    raise FileNotFoundError(wanted)


def import_doctype(path: str, app: str, force: bool = False) -> bool:
    """Rewrite a doctype's rows and change its table, unless its file is the one that was imported last.

    Returns:
        Whether it was imported.
    """
    with open(path, "rb") as handle:
        content = handle.read()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    meta = json.loads(content)
    db = frappe.local.db
    known = db.sql("SELECT migration_hash FROM `tabDocType` WHERE name = %s", (meta["name"],))
    if known and known[0][0] == digest and not force:
        return False
    _write_rows(meta, digest)
    sync_table(meta)
    return True


def _write_rows(meta: dict[str, t.Any], digest: str) -> None:
    db = frappe.local.db
    for table in ("DocField", "DocPerm"):
        db.sql(f"DELETE FROM `tab{table}` WHERE parent = %s", (meta["name"],))
    db.sql("DELETE FROM `tabDocType` WHERE name = %s", (meta["name"],))
    stamp = meta["modified"]
    db.sql(
        "INSERT INTO `tabDocType` (name, creation, modified, owner, modified_by, module, issingle, istable, autoname, "
        "migration_hash) VALUES (%s, %s, %s, 'Administrator', 'Administrator', %s, %s, %s, %s, %s)",
        (
            meta["name"],
            meta.get("creation", stamp),
            stamp,
            meta["module"],
            int(bool(meta.get("issingle"))),
            int(bool(meta.get("istable"))),
            meta.get("autoname"),
            digest,
        ),
    )
    for number, field in enumerate(meta["fields"], start=1):
        _insert_child("DocField", meta, number, {name: field.get(name) for name in ("fieldname", "fieldtype", "label")})
    for number, rule in enumerate(meta.get("permissions", []), start=1):
        _insert_child("DocPerm", meta, number, {"role": rule["role"], "read": rule.get("read", 0)})


def _insert_child(table: str, meta: dict[str, t.Any], number: int, values: dict[str, t.Any]) -> None:
    row = {
        "name": frappe.generate_hash(),
        "creation": meta["modified"],
        "modified": meta["modified"],
        "owner": "Administrator",
        "modified_by": "Administrator",
        "parent": meta["name"],
        "parenttype": "DocType",
        "parentfield": "fields" if table == "DocField" else "permissions",
        "idx": number,
        **values,
    }
    names = ", ".join(f"`{name}`" for name in row)
    frappe.local.db.sql(
        f"INSERT INTO `tab{table}` ({names}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values())
    )


def _progress(text: str, number: int, total: int) -> None:
    done = int(number / total * 100)
    filled = int(done / 100 * 40)
    sys.stdout.write(f"\r{text:<30}: [{'=' * filled}{' ' * (40 - filled)}] {done}%")
    sys.stdout.flush()
