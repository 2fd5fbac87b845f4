# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas of our own beside a site's, and who may make them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import end_orphans
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session

PREFIX = "_lockstep_"

#: The current user as GRANTEE has it: 'name'@'host'.
ME = r"REGEXP_REPLACE(CURRENT_USER(), '^(.*)@(.*)$', '\'\\1\'@\'\\2\'')"

_LOCAL = (None, "", "localhost", "127.0.0.1", "::1")
_IN_SCRATCH = {"SELECT", "INSERT", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "LOCK TABLES"}
_IN_SITE = {"SELECT", "INSERT", "CREATE", "DROP", "ALTER"}


def find_admin(database: Database, user: str | None = None, password: str | None = None) -> Database | None:
    """Somebody who may make scratch schemas and exchange tables between them and a database. Only looks.

    Tried in this order: the user given; ``root`` by the server's socket, when we are root on the same machine; the
    database's own user, who may have been granted ``ALL`` on ``\\_lockstep\\_%``.

    Args:
        database: The database in question, as its own user.
        user: An administrator of the server, if known.
        password: Theirs.

    Returns:
        The server as that user, in no schema; None when there is nobody.

    Raises:
        DatabaseError: The server does not answer, or does not let the given user in.
    """
    if user is not None:
        given = dataclasses.replace(database, name="", user=user, password=password or "", run_as=None)
        given.query("SELECT 1")
        return given if _may(given, database) else None
    root = _root(database)
    for candidate in (root, database.schema("")):
        if candidate is not None and _may(candidate, database):
            return candidate
    return None


def _root(database: Database) -> Database | None:
    """``root`` by the socket that the server says it has, if it is the same server that answers there."""
    if os.geteuid() != 0 or not is_local(database):
        return None
    with Session(database) as session:
        socket = session.query("SELECT @@socket")[0][0]
        if not socket or not os.path.exists(socket):
            return None
        root = Database("", "root", "", socket=socket)
        try:
            known = root.value(
                f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {session.connection_id}"
                f" AND USER = {text(database.user)} AND DB = {text(database.name)}"
            )
        except DatabaseError:
            return None
    return root if known == "1" else None


def is_local(database: Database) -> bool:
    """Whether a database's server is on this machine, by the way it is reached."""
    return database.socket is not None or database.host in _LOCAL


def _may(admin: Database, database: Database) -> bool:
    """Whether the privileges suffice. Those that come by a role don't count: the server doesn't list them by user."""
    sample = PREFIX + "0" * 12
    rows = admin.query(
        f"SELECT PRIVILEGE_TYPE, '*' FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = {ME}"
        " UNION SELECT PRIVILEGE_TYPE, 'scratch' FROM information_schema.SCHEMA_PRIVILEGES"
        f" WHERE GRANTEE = {ME} AND {text(sample)} LIKE TABLE_SCHEMA"
        " UNION SELECT PRIVILEGE_TYPE, 'site' FROM information_schema.SCHEMA_PRIVILEGES"
        f" WHERE GRANTEE = {ME} AND {text(database.name)} LIKE TABLE_SCHEMA"
    )
    everywhere = {kind for kind, scope in rows if scope == "*"}
    scratch = everywhere | {kind for kind, scope in rows if scope == "scratch"}
    site = everywhere | {kind for kind, scope in rows if scope == "site"}
    return scratch >= _IN_SCRATCH and site >= _IN_SITE


def scratch_name(database: Database, purpose: str) -> str:
    """The scratch schema for a purpose: always the same, so that a repetition finds what a crash left."""
    digest = hashlib.sha256(f"{database.name}\0{purpose}".encode("utf-8", "surrogateescape")).hexdigest()
    return PREFIX + digest[:12]


@contextlib.contextmanager
def scratch_schema(
    admin: Database, database: Database, purpose: str, charset: str, collation: str
) -> t.Iterator[Database]:
    """An empty schema beside a database, dropped afterwards; one left over from a crash is dropped before.

    Args:
        admin: From :func:`find_admin`.
        database: Whose scratch schema.
        purpose: What for; two purposes don't meet.
        charset: Its default character set.
        collation: Its default collation.

    Yields:
        The schema as the admin sees it.
    """
    name = scratch_name(database, purpose)
    try:
        yield make_schema(admin, name, charset, collation)
    finally:
        drop_schema(admin, name)


def make_schema(admin: Database, name: str, charset: str, collation: str) -> Database:
    """Make an empty scratch schema; what a crash left of one of that name is dropped before.

    Returns:
        The schema as the admin sees it.
    """
    clear_schema(admin, name)
    admin.execute(f"CREATE DATABASE {quote(name)} CHARACTER SET {quote(charset)} COLLATE {quote(collation)}")
    return admin.schema(name)


def clear_schema(admin: Database, name: str) -> None:
    """Drop a scratch schema that somebody of ours who was killed may still be at work on."""
    end_orphans(admin, name)
    drop_schema(admin, name)


def drop_schema(admin: Database, name: str) -> None:
    """Drop a scratch schema with all that is in it; refuses any other schema."""
    if not name.startswith(PREFIX):
        raise ValueError(f"{name} is no scratch schema")
    # Its tables may refer to each other.
    admin.execute("SET SESSION foreign_key_checks = 0", f"DROP DATABASE IF EXISTS {quote(name)}")
