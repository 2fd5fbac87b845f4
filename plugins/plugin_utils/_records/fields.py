# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be kept of results: named fields only, and text without credentials.

A module may return anything; what is written to a ledger stays for years and is read by many. So nothing is kept
because it was there, only because it is listed here.
"""

from __future__ import annotations

import re
import typing as t

TEXT_LIMIT = 2000
"""Characters of a message that are kept."""

_LIST_LIMIT = 50
_VALUE_LIMIT = 200

DETAIL_FIELDS = frozenset(
    {
        "action",
        "additive",
        "apps",
        "apps_installed",
        "attempt",
        "attempts",
        "backup",
        "bytes",
        "checks",
        "clone",
        "clone_seconds",
        "commit",
        "copy",
        "error",
        "exchange_seconds",
        "failed",
        "freeze",
        "freeze_estimate",
        "freeze_seconds",
        "from",
        "jobs",
        "jobs_drained",
        "killed_readers",
        "migrate_seconds",
        "migration",
        "minutes",
        "mode",
        "passed",
        "patches",
        "port",
        "reason",
        "reasons",
        "rehearsal",
        "release",
        "restore_seconds",
        "retained_until",
        "rows",
        "size",
        "skipped",
        "source",
        "source_age",
        "status",
        "tables",
        "tables_touched",
        "to",
        "touched_tables",
        "until",
        "verify_seconds",
        "version",
        "warnings",
        "workers",
    }
)
"""The keys of an event's ``detail`` that are kept."""

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_ASSIGNED = re.compile(r"(?i)\b(\w*(?:password|passwd|secret|token|api_?key)\w*\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|\S+)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def is_identifier(value: object) -> bool:
    """Whether something may be used as a deployment's id: it becomes a file's name, and it comes from servers."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None and ".." not in value


def shown(text: str) -> str:
    """Text for a terminal, which takes orders in control characters: apps on servers wrote some of it."""
    return _CONTROL.sub("", text)


def scrub(text: object, limit: int = TEXT_LIMIT) -> str:
    """Text as it may be kept: without credentials in URLs, assigned secrets and control characters.

    Args:
        text: Anything; it is taken as text.
        limit: Characters that are kept.
    """
    found = _CREDENTIALS.sub("***@", str(text))
    found = _ASSIGNED.sub(r"\1***", found)
    found = shown(found).strip()
    return found if len(found) <= limit else found[: limit - 1] + "…"


def bare_message(result: t.Mapping[str, t.Any]) -> str:
    """A failure's message without what the result says elsewhere: its unit and phase, ``left`` and ``hint``.

    An error of ours puts all of it into ``msg``, in one line (see ``LockstepError``).
    """
    message = result.get("msg")
    found = "\n".join(str(line) for line in message) if isinstance(message, list) else str(message or "")
    phase = f"({result['phase']})" if result.get("phase") else ""
    place = " ".join(str(part) for part in (result.get("unit"), phase) if part)
    if not place or not found.startswith(f"{place}: "):
        return found
    found = found.removeprefix(f"{place}: ").removesuffix(".")
    for said in (result.get("hint"), result.get("left")):
        found = found.removesuffix(". " + str(said).rstrip(".")) if said else found
    return found


def allowed_detail(detail: object) -> dict[str, t.Any]:
    """The part of an event's ``detail`` that may be kept: listed keys with plain values."""
    if not isinstance(detail, dict):
        return {}
    kept: dict[str, t.Any] = {}
    for key, value in detail.items():
        if key in DETAIL_FIELDS:
            plain = _plain(value)
            if plain is not None:
                kept[key] = plain
    return kept


def allowed_versions(versions: object) -> dict[str, str]:
    """App names and their versions, or nothing when it isn't such a mapping."""
    if not isinstance(versions, dict):
        return {}
    return {
        scrub(app, _VALUE_LIMIT): scrub(version, _VALUE_LIMIT)
        for app, version in list(versions.items())[:_LIST_LIMIT]
        if isinstance(app, str) and isinstance(version, (str, int, float))
    }


def _plain(value: object) -> t.Any:
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return scrub(value, _VALUE_LIMIT)
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int, float)) for item in value):
        return [_plain(item) for item in value[:_LIST_LIMIT]]
    return None
