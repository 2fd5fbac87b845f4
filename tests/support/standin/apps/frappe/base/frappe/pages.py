# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Web pages. Each one, 404 too, holds its bench's whole map of assets, and needs the code of every installed app."""

from __future__ import annotations

import html
import importlib
import json

import frappe
from frappe.build import assets_json


def page(route: str) -> str:
    """A page with its style sheets and scripts."""
    scripts, styles = [], []
    for app in frappe.get_installed_apps():
        hooks = importlib.import_module(f"{app}.hooks")
        scripts += _listed(getattr(hooks, "web_include_js", []))
        styles += _listed(getattr(hooks, "web_include_css", []))
    known = assets_json()
    tags = [f'<link type="text/css" rel="stylesheet" href="{known.get(name, name)}">' for name in styles]
    tags += [f'<script type="text/javascript" src="{known.get(name, name)}"></script>' for name in scripts]
    tags.append(f"<script>frappe.boot = {json.dumps({'sitename': frappe.local.site, 'assets_json': known})};</script>")
    site = frappe.local.db.get_single_value("Website Settings", "app_name") or "Frappe"
    title = html.escape(f"{route.title()} - {site}")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        + "\n".join(tags)
        + f'\n</head><body data-path="{html.escape(route)}"><h1>{title}</h1></body></html>\n'
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _plain(title: str, text: str) -> str:
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>\n"
    )


def not_found() -> str:
    return _plain("404 Not Found", "The requested URL was not found on the server.")


def stopped() -> str:
    return _plain("Updating", "Your system is being updated. Please refresh again after a few moments.")


def error(status: int) -> str:
    titles = {401: "Session Expired", 403: "Not Permitted", 404: "Not Found", 417: "Validation Error"}
    return _plain(titles.get(status, "Server Error"), "")


@frappe.whitelist(allow_guest=True)
def logout() -> None:
    frappe.local.db.sql("DELETE FROM `tabSessions` WHERE sid = %s", (frappe.local.session.sid,))
