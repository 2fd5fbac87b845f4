# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site's database."""

from __future__ import annotations

import re
import typing as t

import pymysql

import frappe
from frappe.exceptions import ImplicitCommitError, InReadOnlyMode
from frappe.utils import now_datetime

Row = t.Sequence[t.Any]

_READ_ONLY_TRANSACTION = 1792
_WRITES = ("insert", "update", "delete", "replace")
_DEFINES = ("alter", "create", "drop", "rename", "truncate")
_TOUCHES = ("insert", "delete", "update", "alter", "drop", "rename")

# Finds what the framework's own two expressions find, with their blind spot: the quote before a name is optional, so
# of a quoted name of several words its first word alone is taken for a table, too. A name whose second word begins
# with a small letter or digit is found only cut off.
_ONE_WORD = re.compile(r"""(?P<quote>[`"]?)(?P<table>tab[A-Z]\w+)(?P=quote)""")
_WORDS = re.compile(r"""(?P<quote>[`"])(?P<table>tab[A-Z]\w+(?: [A-Z]\w+)+)(?P=quote)""")


def touched_names(query: str) -> set[str]:
    """Names of tables a changing statement speaks of; some of them don't exist."""
    return {found["table"] for pattern in (_ONE_WORD, _WORDS) for found in pattern.finditer(query)}


class Database:
    """One connection, one transaction at a time.

    Args:
        host: Server.
        port: Its TCP port.
        user: Account.
        password: Its password.
        name: Database, None for none.
    """

    def __init__(self, host: str, port: int, user: str, password: str | None, name: str | None) -> None:
        self.cur_db_name = name
        self._connection = pymysql.connect(
            host=host, port=int(port), user=user, password=password or "", database=name, charset="utf8mb4"
        )
        self._writes = 0
        self.auto_commit_on_many_writes = 0
        self.after_commit: list[t.Callable[[], t.Any]] = []

    @classmethod
    def of_site(cls, conf: t.Any) -> Database:
        """The connection a site's configuration describes; its account is named like its database."""
        return cls(conf.db_host, conf.db_port, conf.db_name, conf.db_password, conf.db_name)

    def close(self) -> None:
        if self._connection.open:
            self._connection.close()

    def sql(
        self, query: str, values: t.Any = None, as_dict: bool = False, pluck: bool = False, as_list: bool = False
    ) -> t.Any:
        """Run a statement and return its rows.

        Raises:
            ImplicitCommitError: It would commit writes of this transaction unasked.
            InReadOnlyMode: It writes while the site only allows reads.
        """
        kind = query.split(None, 1)[0].lower() if query.strip() else ""
        if kind in _DEFINES and self._writes:
            raise ImplicitCommitError("This statement can cause implicit commit")
        if kind in _WRITES:
            self._writes += 1
        if frappe.local.flags.in_migrate and kind in _TOUCHES:
            frappe.local.flags.touched_tables.update(touched_names(query))
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(query, values)
            except pymysql.err.MySQLError as error:
                if error.args and error.args[0] == _READ_ONLY_TRANSACTION:
                    raise InReadOnlyMode("Site is running in read only mode for maintenance or site update") from error
                raise
            rows = cursor.fetchall()
            names = [column[0] for column in cursor.description or ()]
        if as_dict:
            return [frappe._dict(zip(names, row, strict=True)) for row in rows]
        if pluck:
            return [row[0] for row in rows]
        return [list(row) for row in rows] if as_list else rows

    def sql_ddl(self, query: str) -> t.Any:
        """Commit, then run a statement that defines."""
        self.commit()
        return self.sql(query)

    def begin(self, read_only: bool = False) -> None:
        self.sql(f"START TRANSACTION {'READ ONLY' if read_only else ''}".strip())

    def commit(self) -> None:
        self._connection.commit()
        self._writes = 0
        if frappe.local.flags.read_only:
            self.begin(read_only=True)
        waiting, self.after_commit = self.after_commit, []
        for one in waiting:
            one()

    def rollback(self) -> None:
        self._connection.rollback()
        self._writes = 0
        self.after_commit = []

    def get_tables(self) -> list[str]:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
        return t.cast(list[str], self.sql(query, (self.cur_db_name,), pluck=True))

    def get_table_columns(self, table: str) -> dict[str, str]:
        """Columns and their types, lower case."""
        return {row[0]: row[1].lower() for row in self.sql(f"SHOW COLUMNS FROM `{table}`")}

    def has_column(self, doctype: str, column: str) -> bool:
        return column in self.get_table_columns(f"tab{doctype}")

    def exists(self, doctype: str, filters: t.Any = None) -> t.Any:
        return self.get_value(doctype, filters, "name")

    def count(self, doctype: str, filters: t.Any = None) -> int:
        where, values = _where(filters)
        return int(self.sql(f"SELECT COUNT(*) FROM `tab{doctype}`{where}", values)[0][0])

    def get_value(self, doctype: str, filters: t.Any, fieldname: str = "name") -> t.Any:
        where, values = _where(filters)
        rows = self.sql(f"SELECT `{fieldname}` FROM `tab{doctype}`{where} LIMIT 1", values)
        return rows[0][0] if rows else None

    def set_value(self, doctype: str, filters: t.Any, fieldname: str, value: t.Any) -> None:
        where, values = _where(filters)
        changes = f"`{fieldname}` = %s, modified = %s"
        self.sql(f"UPDATE `tab{doctype}` SET {changes}{where}", [value, now_datetime(), *values])

    def delete(self, doctype: str, filters: t.Any = None) -> None:
        where, values = _where(filters)
        self.sql(f"DELETE FROM `tab{doctype}`{where}", values)

    def get_singles_dict(self, doctype: str) -> dict[str, t.Any]:
        return dict(self.sql("SELECT field, value FROM `tabSingles` WHERE doctype = %s", (doctype,)))

    def get_single_value(self, doctype: str, field: str) -> t.Any:
        return self.get_singles_dict(doctype).get(field)

    def set_single_value(self, doctype: str, field: str, value: t.Any) -> None:
        self.sql("DELETE FROM `tabSingles` WHERE doctype = %s AND field = %s", (doctype, field))
        self.sql("INSERT INTO `tabSingles` (doctype, field, value) VALUES (%s, %s, %s)", (doctype, field, value))
        if doctype == "System Settings":
            frappe.local.cache.delete_value("system_settings")

    def get_global(self, key: str) -> str | None:
        """A default of the whole site; cached, so a restored database needs a cleared cache."""
        defaults = frappe.local.cache.get_value("defaults::__global", self._global_defaults)
        return t.cast("str | None", defaults.get(key))

    def _global_defaults(self) -> dict[str, str]:
        return dict(self.sql("SELECT defkey, defvalue FROM `tabDefaultValue` WHERE parent = '__global'"))

    def set_global(self, key: str, value: str) -> None:
        self.sql("DELETE FROM `tabDefaultValue` WHERE parent = '__global' AND defkey = %s", (key,))
        self.sql(
            "INSERT INTO `tabDefaultValue` (name, creation, modified, owner, modified_by, parent, parentfield, "
            "parenttype, defkey, defvalue) VALUES (%s, NOW(6), NOW(6), 'Administrator', 'Administrator', '__global', "
            "'system_defaults', '__default', %s, %s)",
            (frappe.generate_hash(), key, value),
        )
        frappe.local.cache.delete_value("defaults::__global")


def _where(filters: t.Any) -> tuple[str, list[t.Any]]:
    if not filters:
        return "", []
    if not isinstance(filters, dict):
        filters = {"name": filters}
    return " WHERE " + " AND ".join(f"`{name}` = %s" for name in filters), list(filters.values())
