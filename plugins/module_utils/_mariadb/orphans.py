# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections of a restore that was killed, which its client programs keep at work.

A client program that reads a whole file, or has its statements already, goes on when we are gone. Each such connection
takes a named lock of the server's first, one of a fixed number for each database, so that the next run finds them.
"""

from __future__ import annotations

import hashlib
import time

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import UNKNOWN_THREAD, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session

SLOTS = 64

_PATIENCE = 60.0  # seconds that a connection may take to end: its statement may have to be rolled back
_INTERVAL = 0.1
_NOT_ALLOWED = 1095


def mark(schema: str, slot: int) -> str:
    """An expression by which a connection takes a lock, for ``DO`` or ``SET``.

    Args:
        schema: What it is going to change.
        slot: Different for connections that are open at the same time.
    """
    return f"GET_LOCK({_name(schema, slot)}, 0)"


def _name(schema: str, slot: int) -> str:
    digest = hashlib.sha256(schema.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return text(f"lockstep-{digest}-{slot % SLOTS}")


def end_orphans(server: Database, schema: str) -> int:
    """End the connections that a killed run left at work on a schema, and wait until they are gone.

    Args:
        server: Somebody who may end them: the admin, or the user who opened them.
        schema: What they change.

    Returns:
        How many there were.

    Raises:
        LockstepError: One does not end.
    """
    ended: set[str] = set()
    deadline = time.monotonic() + _PATIENCE
    users = ", ".join(f"IS_USED_LOCK({_name(schema, slot)})" for slot in range(SLOTS))
    with Session(server) as session:
        while True:
            left = {number for number in session.query(f"SELECT {users}")[0] if number is not None}
            for number in left - ended:
                _end(session, int(number))
            ended |= left
            if not left:
                return len(ended)
            if time.monotonic() >= deadline:
                raise LockstepError(
                    f"thread {min(left)} of an earlier restore of {schema} is still at work",
                    hint="wait for it to end, or end it yourself",
                )
            time.sleep(_INTERVAL)


def _end(session: Session, number: int) -> None:
    try:
        session.execute(f"KILL {number}")
    except DatabaseError as error:
        if error.number not in (UNKNOWN_THREAD, _NOT_ALLOWED):
            raise
