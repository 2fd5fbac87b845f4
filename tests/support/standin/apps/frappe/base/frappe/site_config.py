# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing ``site_config.json`` the way the framework does: truncated first, then written."""

from __future__ import annotations

import json
import os
import secrets
import string
import typing as t

import frappe
from frappe.utils import filelock


def make_site_config(db_name: str, db_password: str | None, db_host: str | None, db_port: int | None) -> None:
    """Write the configuration of a new site; one that is there stays."""
    path = frappe.get_site_path("site_config.json")
    if os.path.exists(path):
        return
    letters = string.ascii_letters + string.digits
    config: dict[str, t.Any] = {
        "db_name": db_name,
        "db_password": db_password or "".join(secrets.choice(letters) for _ignored in range(16)),
        "db_type": "mariadb",
    }
    if db_host:
        config["db_host"] = db_host
    if db_port:
        config["db_port"] = db_port
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(json.dumps(config, indent=1, sort_keys=True))


def update_site_config(key: str, value: t.Any, path: str | None = None) -> None:
    """Set a key, or remove it by the value ``None``; who reads meanwhile finds an empty file."""
    is_common = bool(path and "common_site_config" in path)
    with filelock("site_config", is_global=is_common):
        _write(key, value, path or frappe.get_site_path("site_config.json"))


def _write(key: str, value: t.Any, path: str) -> None:
    with open(path, encoding="utf-8") as handle:
        config = json.load(handle)
    if value in ("0", "1"):
        value = int(value)
    value = {"false": False, "true": True}.get(value, value) if isinstance(value, str) else value
    if value == "None":
        config.pop(key, None)
    else:
        config[key] = value
    text = json.dumps(config, indent=1, sort_keys=True)
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)
