# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data to migrate: ``bench --site S execute erpnext.demo.seed --kwargs '{"orders": 500}'``."""

from __future__ import annotations

import frappe

_ITEMS_PER_ORDER = 3


def seed(orders: int = 100) -> int:
    """Add customers, orders and items; returns how many orders there are then."""
    have = int(frappe.db.sql("SELECT COUNT(*) FROM `tabSales Order`")[0][0])
    for number in range(have, have + int(orders)):
        customer = f"Customer {number % 10}"
        if not frappe.db.sql("SELECT name FROM `tabCustomer` WHERE name = %s", (customer,)):
            frappe.get_doc({"doctype": "Customer", "customer_name": customer}).insert(ignore_permissions=True)
        order = f"SO-{number:06d}"
        _row("Sales Order", order, customer=customer, status="Open", grand_total=_ITEMS_PER_ORDER * 10)
        for place in range(_ITEMS_PER_ORDER):
            extra = {"parent": order, "parenttype": "Sales Order", "parentfield": "items", "idx": place + 1}
            _row("Sales Order Item", f"{order}-{place}", item_code=f"ITEM-{place}", qty=1, rate=10, **extra)
            _row("Stock Ledger Entry", f"{order}-{place}", item_code=f"ITEM-{place}", actual_qty=-1)
    if not have:
        _row("Terms and Conditions", "Standard", title="Standard", terms="30 days")
    frappe.db.commit()
    return have + int(orders)


def spoil() -> str:
    """A customer's own data: an order whose customer was deleted by hand. The next major release can't migrate it."""
    _row("Sales Order", "SO-ORPHAN", customer="Customer Gone", status="Open", grand_total=1)
    frappe.db.commit()
    return "SO-ORPHAN"


def _row(doctype: str, name: str, **values: object) -> None:
    row = {"name": name, "owner": "Administrator", "modified_by": "Administrator", **values}
    names = ", ".join(f"`{column}`" for column in row)
    frappe.db.sql(
        f"INSERT INTO `tab{doctype}` ({names}, creation, modified) "
        f"VALUES ({', '.join(['%s'] * len(row))}, NOW(6), NOW(6))",
        list(row.values()),
    )
