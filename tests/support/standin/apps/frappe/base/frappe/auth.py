# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who asks: sessions by cookie, API tokens whose secrets are encrypted with the site's key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import typing as t

import frappe
from frappe.exceptions import AuthenticationError
from frappe.site_config import update_site_config

_ROUNDS = 1000


def update_password(user: str, password: str) -> None:
    salt = secrets.token_hex(8)
    _store("User", user, "password", f"{salt}${_hash(password, salt)}", encrypted=False)


def check_password(user: str, password: str) -> None:
    stored = _stored("User", user, "password") or "$"
    salt, _ignored, digest = stored.partition("$")
    if not hmac.compare_digest(_hash(password, salt), digest):
        raise AuthenticationError("Invalid login credentials")


def login(user: str, password: str) -> str:
    """Check the password and return the id of a new session; a refused one is written down, as in the real one."""
    try:
        check_password(user, password)
    except AuthenticationError:
        log = {"doctype": "Activity Log", "subject": f"{user or 'Unknown User'} failed to log in"}
        frappe.get_doc(log).insert(ignore_permissions=True)
        frappe.local.db.commit()
        raise
    sid = secrets.token_hex(28)
    frappe.local.db.sql(
        "INSERT INTO `tabSessions` (user, sid, lastupdate, status) VALUES (%s, %s, NOW(6), 'Active')", (user, sid)
    )
    frappe.local.db.commit()
    return sid


def authenticate(cookies: t.Mapping[str, str], authorization: str) -> None:
    """Set the session's user from a cookie or an ``Authorization: token key:secret`` header."""
    sid = cookies.get("sid")
    if sid and sid != "Guest":
        rows = frappe.local.db.sql("SELECT user FROM `tabSessions` WHERE sid = %s", (sid,))
        if rows:
            frappe.local.session.update(user=rows[0][0], sid=sid)
    kind, _ignored, rest = authorization.partition(" ")
    if kind.lower() == "token":
        key, _ignored, secret = rest.partition(":")
        user = frappe.local.db.get_value("User", {"api_key": key})
        if not user or not hmac.compare_digest(_decrypt(_stored("User", user, "api_secret") or ""), secret):
            raise AuthenticationError("Invalid API token")
        frappe.set_user(user)


def generate_keys(user: str = "Administrator") -> dict[str, str]:
    """A new API key and secret for a user."""
    key, secret = secrets.token_hex(8)[:15], secrets.token_hex(8)[:15]
    frappe.local.db.set_value("User", user, "api_key", key)
    _store("User", user, "api_secret", _encrypt(secret), encrypted=True)
    return {"api_key": key, "api_secret": secret}


def _hash(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _ROUNDS).hex()


def _store(doctype: str, name: str, field: str, value: str, encrypted: bool) -> None:
    frappe.local.db.sql(
        "INSERT INTO `__Auth` (doctype, name, fieldname, password, encrypted) VALUES (%s, %s, %s, %s, %s) "
        "ON DUPLICATE KEY UPDATE password = VALUES(password), encrypted = VALUES(encrypted)",
        (doctype, name, field, value, int(encrypted)),
    )


def _stored(doctype: str, name: str, field: str) -> str | None:
    query = "SELECT password FROM `__Auth` WHERE doctype = %s AND name = %s AND fieldname = %s"
    rows = frappe.local.db.sql(query, (doctype, name, field))
    return rows[0][0] if rows else None


def _key() -> bytes:
    """The site's encryption key; made and written into its configuration when first needed."""
    conf = frappe.local.conf
    if not conf.encryption_key:
        conf.encryption_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        update_site_config("encryption_key", conf.encryption_key)
    return str(conf.encryption_key).encode()


def _stream(nonce: bytes, length: int) -> bytes:
    return hashlib.shake_256(_key() + nonce).digest(length)


def _encrypt(text: str) -> str:
    nonce, plain = secrets.token_bytes(12), text.encode()
    sealed = bytes(one ^ other for one, other in zip(plain, _stream(nonce, len(plain)), strict=True))
    seal = hmac.new(_key(), nonce + sealed, hashlib.sha256).digest()[:16]
    return base64.b64encode(nonce + seal + sealed).decode()


def _decrypt(text: str) -> str:
    raw = base64.b64decode(text)
    nonce, seal, sealed = raw[:12], raw[12:28], raw[28:]
    if not hmac.compare_digest(seal, hmac.new(_key(), nonce + sealed, hashlib.sha256).digest()[:16]):
        frappe.throw("Encryption key is invalid! Please check site_config.json")
    return bytes(one ^ other for one, other in zip(sealed, _stream(nonce, len(sealed)), strict=True)).decode()
