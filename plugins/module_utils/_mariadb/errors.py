# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the MariaDB tools print when they fail, as one line for whoever runs a deployment."""

from __future__ import annotations

import re

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

# `ERROR 1205 (HY000) at line 3: …` (client), `mariadb-dump: Got error: 1045: "…"`, `… Couldn't execute '…': … (1146)`.
_NUMBER = re.compile(r"(?:ERROR|[Ee]rror:?) (\d{4})\b|\((\d{4})\)\s*$", re.MULTILINE)
_NO_ROOM = re.compile(r"\bErrcode: 28\b|\berrno: (?:28|135)\b")

UNKNOWN_THREAD = 1094
LOCK_TIMEOUT = 1205
DEADLOCK = 1213
CONNECTION_LOST = (2006, 2013, 1927, 4031, 1053)  # gone away, lost, killed, idle for too long, server shut down
STATEMENT_TIMEOUT = 1969
NO_SUCH_TABLE = 1146
INVALID_VIEW = 1356
NEEDS_PRIVILEGE = 1227
DISK_FULL = 1021
DEFINER_REFUSED = (NEEDS_PRIVILEGE, 1449, 4085)  # needs SUPER or SET USER; the definer is gone; needs SET USER

_SAYINGS = {
    (2002, 2003, 2005): "the database server at {where} does not answer",
    CONNECTION_LOST: "the connection to the database server at {where} was lost",
    (1045, 1698, 1130): "the database server at {where} does not let user {user} in: wrong password or unknown user",
    (1049,): "there is no database {name} at {where}",
    (1044,): "user {user} may not use database {name} at {where}",
    (1040, 1203, 1226): "the database server at {where} has no connection left",
    (LOCK_TIMEOUT,): "a table of {name} is locked by somebody else",
    (STATEMENT_TIMEOUT,): "a query in {name} took longer than it may",
    (1153, 2020): "the database server at {where} refuses a row as too large: raise its max_allowed_packet",
    (DISK_FULL, 1114, 28): "the disk of the database server at {where} is full",
    (1290, 1836): "the database server at {where} is read-only",
}


class DatabaseError(LockstepError):
    """A database did not do what it was asked.

    Args:
        number: MariaDB's error number, None when the failure was none of the server's or the client's own.
    """

    def __init__(self, message: str, *, number: int | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.number = number


def explain(printed: str, *, where: str, user: str, name: str) -> DatabaseError:
    """Turn what a tool printed on standard error into an error.

    Args:
        printed: All of standard error.
        where: Socket or host and port.
        user: Who was to be let in.
        name: The database.
    """
    lines = [line for line in printed.strip().splitlines() if line.strip()]
    found = _NUMBER.search(printed)
    number = int(found.group(1) or found.group(2)) if found else None
    detail = "\n".join(lines[-5:]) or None
    # Of what it can't write the server tells the file first, and why in brackets.
    meant = DISK_FULL if _NO_ROOM.search(printed) else number
    for numbers, saying in _SAYINGS.items():
        if meant in numbers:
            return DatabaseError(saying.format(where=where, user=user, name=name), number=number, detail=detail)
    last = lines[-1] if lines else "its client ended without a word"
    return DatabaseError(f"database {name} at {where}: {last}", number=number, detail=detail)
