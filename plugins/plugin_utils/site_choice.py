# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites that a user names to a playbook, and what became of each."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.names import split_names

ALL = "all"

Record = t.Mapping[str, t.Any]
Records = t.Mapping[str, Record]

_NAMED = 10
_NOT_ASKED = "nothing is known of it: its server was not asked"


class Choice(t.NamedTuple):
    """What was chosen.

    Attributes:
        units: Units of the sites; all of them where none was named.
        given: Whether anything was said, be it all.
        named: Whether each was called by its name.
        problem: Why it can't be done, in a sentence; empty if it can.
    """

    units: list[str]
    given: bool
    named: bool
    problem: str


def choose(sites: t.Any, known: t.Mapping[str, str]) -> Choice:
    """Find the units of sites.

    Args:
        sites: Names of sites or of their units, :data:`ALL` for every one; see :func:`names.split_names`.
        known: Name of the site, by unit.
    """
    try:
        wanted = split_names(sites)
    except ValueError as error:
        return Choice([], True, False, f"sites: {error}. Nothing was changed.")
    every = not wanted or wanted == [ALL]
    units = [unit for unit, site in known.items() if every or {unit, site} & set(wanted)]
    return Choice(units, bool(wanted), not every, "" if every else _unknown(wanted, {*known, *known.values()}))


def _unknown(wanted: t.Sequence[str], there: t.Collection[str]) -> str:
    unknown = [name for name in dict.fromkeys(wanted) if name not in there]
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown[0], sorted(there), 1)
    meant = f" Did you mean {near[0]}?" if near else ""
    sites = sorted(there)
    more = f" and {len(sites) - _NAMED} more" if len(sites) > _NAMED else ""
    has = f" It has {', '.join(sites[:_NAMED])}{more}." if sites else ""
    return f"The deployment file has no site {', '.join(unknown)}.{meant}{has} Nothing was changed."


def reports(units: t.Iterable[str], records: Records) -> dict[str, Record]:
    """What is known of each unit; of one that was not asked, that as its ``error``."""
    return {unit: records.get(unit) or {"error": _NOT_ASKED} for unit in units}


def failure(unit: str, record: Record) -> str:
    """Why nothing was found out of a unit, or done to it; empty if something was."""
    return str(record.get("error") or "").removeprefix(f"{unit}: ")


def together(failures: t.Mapping[str, str]) -> str:
    """Failures by unit as one text, in which each cause is told once."""
    causes: dict[str, list[str]] = {}
    for unit, cause in failures.items():
        causes.setdefault(cause, []).append(unit)
    return " | ".join(f"{', '.join(units)}: {cause}" for cause, units in causes.items())
