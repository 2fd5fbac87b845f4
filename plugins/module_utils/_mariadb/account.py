# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account for one scratch schema: whoever works in a copy with it can't reach the database it is a copy of."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import scratch
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import UNKNOWN_THREAD, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.processlist import threads
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.scratch import ME, PREFIX

_BYTES = 24  # of a password


class OwnSchema:
    """A scratch schema with an account of its own.

    Args:
        admin: Who may make both, see :func:`may_create`.
        database: The database that it lies beside, as its own user.
        purpose: What for; two purposes don't meet.
    """

    def __init__(self, admin: Database, database: Database, purpose: str) -> None:
        self._admin = admin
        self._database = database
        # The same for every use, so that one which was left over is found.
        self.name = scratch.scratch_name(database, purpose)

    def make(self, charset: str, collation: str) -> tuple[Database, Database]:
        """Make it, empty.

        Args:
            charset: Its default character set.
            collation: Its default collation.

        Returns:
            The schema as the admin, and as its account.
        """
        schema = scratch.make_schema(self._admin, self.name, charset, collation)
        return schema, create(self._admin, self._database, self.name)

    def drop_account(self) -> None:
        """Remove the account, and end what it is at."""
        drop(self._admin, self._database, self.name)

    def drop(self) -> None:
        """Remove the schema with all that is in it."""
        scratch.clear_schema(self._admin, self.name)


def may_create(admin: Database) -> bool:
    """Whether an admin may make accounts, and give them rights in scratch schemas. Only looks."""
    sample = PREFIX + "0" * 12
    rows = admin.query(
        "SELECT 'create' FROM information_schema.USER_PRIVILEGES"
        f" WHERE GRANTEE = {ME} AND PRIVILEGE_TYPE = 'CREATE USER'"
        f" UNION SELECT 'grant' FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = {ME} AND IS_GRANTABLE = 'YES'"
        f" UNION SELECT 'grant' FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = {ME}"
        f" AND IS_GRANTABLE = 'YES' AND {text(sample)} LIKE TABLE_SCHEMA"
    )
    return {str(row[0]) for row in rows} == {"create", "grant"}


def create(admin: Database, database: Database, schema: str) -> Database:
    """Make an account that may do everything in a scratch schema and nothing elsewhere. It is called as the schema is.

    Args:
        admin: Who may, see :func:`may_create`.
        database: The database whose scratch schema it is, as its own user: the account is let in from where that is.
        schema: The scratch schema.

    Returns:
        The schema as that account, with a password that nobody else knows.

    Raises:
        DatabaseError: The server refuses.
    """
    drop(admin, database, schema)
    password = secrets.token_hex(_BYTES)
    account = _account(database, schema)
    admin.execute(
        # By its hash, so that no log of the server can have it.
        f"CREATE USER {account} IDENTIFIED BY PASSWORD {text(_hash(password))}",
        f"GRANT ALL PRIVILEGES ON {_pattern(schema)}.* TO {account}",
    )
    return dataclasses.replace(database, name=schema, user=schema, password=password)


def drop(admin: Database, database: Database, schema: str) -> None:
    """Remove the account of a scratch schema, and end what it is at; one that isn't there is fine.

    Args:
        admin: As for :func:`create`.
        database: As for :func:`create`.
        schema: The scratch schema.
    """
    if not schema.startswith(PREFIX) or not schema.replace("_", "").isalnum():
        raise ValueError(f"{schema} is no scratch schema")
    begin = f"'{schema}'@"
    rows = admin.query(
        "SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES"
        f" WHERE LEFT(GRANTEE, {len(begin)}) = {text(begin)}"
    )
    # Who may not read the server's own tables sees no account but their own.
    for account in {str(row[0]) for row in rows} | {_account(database, schema)}:
        admin.execute(f"DROP USER IF EXISTS {account}")
    for thread in threads(admin.query, [schema]):
        _end(admin, thread.id)


def _end(admin: Database, number: int) -> None:
    try:
        admin.execute(f"KILL {number}")
    except DatabaseError as error:
        if error.number != UNKNOWN_THREAD:
            raise


def _account(database: Database, schema: str) -> str:
    """An account of the schema's name, from where the server sees the database's own user."""
    host = (database.value("SELECT USER()") or "").rpartition("@")[2]
    return f"{text(schema)}@{text(host)}"


def _hash(password: str) -> str:
    """As ``mysql_native_password`` keeps it."""
    inner = hashlib.sha1(password.encode()).digest()
    return "*" + hashlib.sha1(inner).hexdigest().upper()


def _pattern(schema: str) -> str:
    """A schema's name in GRANT, which takes it as a pattern."""
    return "`" + schema.replace("_", "\\_") + "`"
