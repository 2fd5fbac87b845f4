# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents: enough of them to insert, read and save."""

from __future__ import annotations

import json
import typing as t

import frappe
from frappe.model.schema import sequence
from frappe.utils import now_datetime

_STAMPS = ("creation", "modified")


class Document(frappe._dict):
    """A row of a doctype's table, or the fields of a single."""

    def insert(self, ignore_permissions: bool = False, ignore_if_duplicate: bool = False) -> Document:
        """Write it as a new row; it gets a name by its doctype's rule if it has none."""
        if ignore_if_duplicate and self.name and frappe.local.db.exists(self.doctype, self.name):
            return self
        if self.name is None:
            self.name = _new_name(self.doctype, self)
        user = frappe.local.session.user
        row = {name: _plain(value) for name, value in self.items() if name not in ("doctype", *_STAMPS)}
        row.setdefault("owner", user)
        row.setdefault("modified_by", user)
        names = ", ".join(f"`{name}`" for name in (*row, *_STAMPS))
        values = [*row.values(), *[now_datetime()] * len(_STAMPS)]
        marks = ", ".join(["%s"] * len(values))
        frappe.local.db.sql(f"INSERT INTO `tab{self.doctype}` ({names}) VALUES ({marks})", values)
        return self

    def save(self, ignore_permissions: bool = False) -> Document:
        if _is_single(self.doctype):
            for name, value in self.items():
                if name not in ("doctype", "name"):
                    frappe.local.db.set_single_value(self.doctype, name, _plain(value))
            return self
        for name, value in self.items():
            if name not in ("doctype", "name", *_STAMPS):
                frappe.local.db.set_value(self.doctype, self.name, name, _plain(value))
        return self

    def delete(self) -> None:
        frappe.local.db.delete(self.doctype, self.name)


def get_doc(*args: t.Any, **kwargs: t.Any) -> Document:
    """A new document from its fields, or an existing one by doctype and name.

    Raises:
        DoesNotExistError: There is no such row.
    """
    if args and isinstance(args[0], dict):
        return Document(args[0])
    if not args:
        return Document(kwargs)
    doctype, name = args[0], args[1] if len(args) > 1 else args[0]
    if name == doctype and _is_single(doctype):
        return Document({"doctype": doctype, "name": doctype, **frappe.local.db.get_singles_dict(doctype)})
    rows = frappe.local.db.sql(f"SELECT * FROM `tab{doctype}` WHERE name = %s", (name,), as_dict=True)
    if not rows:
        raise frappe.DoesNotExistError(f"{doctype} {name} not found")
    return Document({"doctype": doctype, **rows[0]})


def get_all(
    doctype: str,
    filters: dict[str, t.Any] | None = None,
    fields: t.Any = ("name",),
    pluck: str | None = None,
    order_by: str = "modified desc",
) -> t.Any:
    """Rows of a doctype's table, or one column of them."""
    wanted = [pluck] if pluck else ([fields] if isinstance(fields, str) else list(fields))
    names = ", ".join("*" if name == "*" else f"`{name}`" for name in wanted)
    where = " WHERE " + " AND ".join(f"`{name}` = %s" for name in filters) if filters else ""
    return frappe.local.db.sql(
        f"SELECT {names} FROM `tab{doctype}`{where} ORDER BY {order_by}",
        list((filters or {}).values()),
        as_dict=not pluck,
        pluck=bool(pluck),
    )


def _new_name(doctype: str, fields: t.Mapping[str, t.Any]) -> t.Any:
    rule = frappe.local.db.sql("SELECT autoname FROM `tabDocType` WHERE name = %s", (doctype,))
    autoname = rule[0][0] if rule else None
    if autoname == "autoincrement":
        return frappe.local.db.sql(f"SELECT nextval({sequence(doctype)})")[0][0]
    if autoname and autoname.startswith("field:"):
        return fields[autoname.partition(":")[2]]
    return frappe.generate_hash()


def _is_single(doctype: str) -> bool:
    rows = frappe.local.db.sql("SELECT issingle FROM `tabDocType` WHERE name = %s", (doctype,))
    return bool(rows and rows[0][0])


def _plain(value: t.Any) -> t.Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
