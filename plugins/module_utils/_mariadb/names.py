# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and texts as they are written into SQL."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_LONGEST = 64  # characters, https://mariadb.com/kb/en/identifier-names/


def quote(name: str) -> str:
    """A name of a schema, table or column in backticks.

    Raises:
        LockstepError: The server could not have anything of that name.
    """
    if not name or len(name) > _LONGEST or "\0" in name or name.endswith(" "):
        raise LockstepError(f"{name[:80]!r} can't be a name in a database")
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """A text as an SQL literal, for the SQL mode that :mod:`.client` sets (backslash escapes)."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def texts(values: t.Iterable[str]) -> str:
    """Texts as the inside of ``IN (…)``, which SQL does not allow to be empty."""
    return ", ".join(text(value) for value in values) or "NULL"
