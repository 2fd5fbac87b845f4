# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables as doctypes describe them."""

from __future__ import annotations

import typing as t

import frappe

_TYPES = {
    "Data": "varchar(140)",
    "Link": "varchar(140)",
    "Select": "varchar(140)",
    "Read Only": "varchar(140)",
    "Int": "int(11) NOT NULL DEFAULT 0",
    "Long Int": "bigint(20) NOT NULL DEFAULT 0",
    "Check": "tinyint(4) NOT NULL DEFAULT 0",
    "Float": "decimal(21,9) NOT NULL DEFAULT 0.000000000",
    "Currency": "decimal(21,9) NOT NULL DEFAULT 0.000000000",
    "Text": "text",
    "Small Text": "text",
    "Long Text": "longtext",
    "Code": "longtext",
    "JSON": "longtext",
    "Date": "date",
    "Datetime": "datetime(6)",
}
_STANDARD = {
    "creation": "datetime(6)",
    "modified": "datetime(6)",
    "modified_by": "varchar(140)",
    "owner": "varchar(140)",
    "docstatus": "tinyint(4) NOT NULL DEFAULT 0",
    "idx": "int(8) NOT NULL DEFAULT 0",
}
_OF_CHILDREN = {"parent": "varchar(140)", "parentfield": "varchar(140)", "parenttype": "varchar(140)"}
_OF_PARENTS = {"_user_tags": "text", "_comments": "text", "_assign": "text", "_liked_by": "text"}


def columns(meta: dict[str, t.Any]) -> dict[str, str]:
    """Columns of a doctype's table and how each is defined, without the name."""
    extra = _OF_CHILDREN if meta.get("istable") else _OF_PARENTS
    found = {**_STANDARD, **extra}
    for field in meta["fields"]:
        kind = _TYPES.get(field["fieldtype"])
        if kind is None:
            continue
        if field.get("length") and kind.startswith("varchar"):
            kind = f"varchar({field['length']})"
        found[field["fieldname"]] = kind
    return found


def sync_table(meta: dict[str, t.Any]) -> None:
    """Create the doctype's table, or add and change columns; nothing is ever dropped."""
    if meta.get("issingle"):
        return
    if f"tab{meta['name']}" in frappe.local.db.get_tables():
        _alter(meta)
    else:
        create(meta)


def create(meta: dict[str, t.Any]) -> None:
    """Create the doctype's table, and its sequence where names are numbers."""
    name = "varchar(140) NOT NULL"
    if meta.get("autoname") == "autoincrement":
        frappe.local.db.sql_ddl(f"create sequence if not exists {sequence(meta['name'])} nocache nocycle")
        name = "bigint(20) NOT NULL"
    lines = [f"`name` {name} PRIMARY KEY", *(f"`{column}` {kind}" for column, kind in columns(meta).items())]
    lines += [f"INDEX `{column}` (`{column}`)" for column in _indexed(meta)]
    lines += [f"UNIQUE INDEX `{field['fieldname']}` (`{field['fieldname']}`)" for field in _unique(meta)]
    frappe.local.db.sql_ddl(
        f"create table if not exists `tab{meta['name']}` ({', '.join(lines)}) "
        f"ENGINE={meta.get('engine') or 'InnoDB'} ROW_FORMAT=DYNAMIC CHARACTER SET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
    )


def sequence(doctype: str) -> str:
    """The sequence that numbers a doctype's rows."""
    return frappe.scrub(f"{doctype}_id_seq")


def _indexed(meta: dict[str, t.Any]) -> list[str]:
    first = "parent" if meta.get("istable") else "modified"
    return [first, *(field["fieldname"] for field in meta["fields"] if field.get("search_index"))]


def _unique(meta: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return [field for field in meta["fields"] if field.get("unique")]


def _alter(meta: dict[str, t.Any]) -> None:
    table = f"tab{meta['name']}"
    have = frappe.local.db.get_table_columns(table)
    changes = []
    for column, kind in columns(meta).items():
        if column not in have:
            changes.append(f"ADD COLUMN `{column}` {kind}")
        elif column not in _STANDARD and not _same_type(have[column], kind):
            changes.append(f"MODIFY `{column}` {kind}")
    if changes:
        frappe.local.db.sql_ddl(f"ALTER TABLE `{table}` {', '.join(changes)}")


def _same_type(have: str, wanted: str) -> bool:
    return have == wanted.split(" ")[0].lower()
