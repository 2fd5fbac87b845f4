# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account for one scratch schema: whoever works in a copy with it can't reach the database it is a copy of."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import secrets

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import UNKNOWN_THREAD, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import threads
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import PREFIX

_BYTES = 24  # of a password
_NOT_ALLOWED = (1044, 1045, 1142, 1227, 1410)
_NO_SUCH_ACCOUNT = 1396


def create(admin: Database, database: Database, schema: str) -> Database:
    """Make an account that may do everything in a scratch schema and nothing elsewhere. It is called as the schema is.

    Args:
        admin: From :func:`.scratch.find_admin`.
        database: The database whose scratch schema it is, as its own user: the account is let in from where that is.
        schema: The scratch schema.

    Returns:
        The schema as that account, with a password that nobody else knows.

    Raises:
        LockstepError: The admin may not make accounts.
    """
    _require_scratch(schema)
    drop(admin, schema)
    password = secrets.token_hex(_BYTES)
    host = (database.value("SELECT USER()") or "").rpartition("@")[2]
    account = f"{text(schema)}@{text(host)}"
    try:
        admin.execute(
            # By its hash, so that no log of the server can have it.
            f"CREATE USER {account} IDENTIFIED BY PASSWORD {text(_hash(password))}",
            f"GRANT ALL PRIVILEGES ON {_pattern(schema)}.* TO {account}",
        )
    except DatabaseError as error:
        drop(admin, schema)
        if error.number not in _NOT_ALLOWED:
            raise
        raise LockstepError(
            f"{admin.user} at {admin.where} may not make database accounts",
            hint="let database.admin have CREATE USER, and ALL on its scratch schemas with GRANT OPTION",
        ) from error
    return dataclasses.replace(database, name=schema, user=schema, password=password)


def drop(admin: Database, schema: str) -> None:
    """Remove the account of a scratch schema, and end what it is at; one that isn't there is fine."""
    _require_scratch(schema)
    rows = admin.query(
        "SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES"
        f" WHERE LEFT(GRANTEE, {len(schema) + 3}) = {text(_quoted(schema) + '@')}"
    )
    for (grantee,) in rows:
        with contextlib.suppress(_Gone):
            _execute(admin, f"DROP USER {grantee}", _NO_SUCH_ACCOUNT)
    for thread in threads(admin.query, [schema]):
        with contextlib.suppress(_Gone):
            _execute(admin, f"KILL {thread.id}", UNKNOWN_THREAD)


class _Gone(Exception):
    """What was to be ended has ended by itself."""


def _execute(admin: Database, statement: str, gone: int) -> None:
    try:
        admin.execute(statement)
    except DatabaseError as error:
        if error.number == gone:
            raise _Gone from error
        raise


def _hash(password: str) -> str:
    """As ``mysql_native_password`` keeps it."""
    inner = hashlib.sha1(password.encode()).digest()
    return "*" + hashlib.sha1(inner).hexdigest().upper()


def _quoted(name: str) -> str:
    return f"'{name}'"


def _pattern(schema: str) -> str:
    """A schema's name in GRANT, which takes it as a pattern."""
    return "`" + schema.replace("_", "\\_") + "`"


def _require_scratch(schema: str) -> None:
    if not schema.startswith(PREFIX) or not schema.replace("_", "").isalnum():
        raise ValueError(f"{schema} is no scratch schema")
