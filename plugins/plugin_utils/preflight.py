# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The findings of all units before a deployment, judged together."""

from __future__ import annotations

import typing as t

_KINDS = ("passed", "failed", "warnings")
_NAMED = 3


def judge(
    units: t.Sequence[str],
    records: t.Mapping[str, t.Any],
    force: bool = False,
    missing: t.Mapping[str, t.Sequence[str]] | None = None,
) -> dict[str, t.Any]:
    """Say whether a deployment may begin.

    Args:
        units: The selected units, in their order.
        records: What was found on each: ``findings`` with ``passed``, ``failed``, ``firm`` (those failures that force
            doesn't help with), ``warnings``. A unit without a record was not looked at, and that is a failure: no data
            is never a pass.
        force: Whether to go on in spite of failures.
        missing: Further failures by unit: what it depends on and is not live.

    Returns:
        ``valid``, ``may_begin``, ``forced`` (the failures that are overridden), ``results`` and ``units`` (the same by
        unit), for people ``lines``, and ``msg``: all failures in one text.
    """
    missing = missing or {}
    by_unit = {unit: _record(records.get(unit), missing.get(unit, ())) for unit in units}
    # What nobody could look at, and what isn't there to stand on, doesn't get better by going on.
    helps = not missing and not any(_is_firm(records.get(unit)) for unit in units)
    can_go_on = force and helps
    results = {kind: _united(by_unit, kind) for kind in _KINDS}
    failed = results["failed"]
    return {
        "valid": not failed,
        "forced": failed if can_go_on else [],
        "may_begin": not failed or can_go_on,
        "results": results,
        "units": by_unit,
        "lines": _lines(results, by_unit, can_go_on),
        "msg": _message(failed, force, helps),
    }


def _is_firm(record: t.Any) -> bool:
    """Whether a unit could not be looked at, or a later step would refuse it all the same."""
    if not isinstance(record, dict) or record.get("blind"):
        return True
    return bool((record.get("findings") or {}).get("firm"))


def _record(record: t.Any, missing: t.Sequence[str]) -> dict[str, t.Any]:
    if isinstance(record, dict) and isinstance(record.get("findings"), dict):
        results = {kind: [str(text) for text in record["findings"].get(kind) or []] for kind in _KINDS}
    else:
        results = {"passed": [], "failed": ["nothing was found out about it: it was not looked at"], "warnings": []}
    results["failed"] += missing
    return {"valid": not results["failed"], "results": results}


def _united(by_unit: t.Mapping[str, t.Any], kind: str) -> list[str]:
    """What was found, each once, with the units it was found on."""
    found: dict[str, list[str]] = {}
    for unit, record in by_unit.items():
        for text in record["results"][kind]:
            found.setdefault(text, []).append(unit)
    return [_told(text, units) for text, units in found.items()]


def _told(text: str, units: t.Sequence[str]) -> str:
    """A sentence with the units it is about, unless it says that itself."""
    return text if len(units) == 1 and units[0] in text else f"{_names(units)}: {text}"


def _names(units: t.Sequence[str]) -> str:
    shown = ", ".join(units[:_NAMED])
    return f"{shown} and {len(units) - _NAMED} more" if len(units) > _NAMED else shown


def _lines(results: t.Mapping[str, list[str]], by_unit: t.Mapping[str, t.Any], force: bool) -> list[str]:
    counts = [(len(results["passed"]), "passed"), (len(results["failed"]), "failed")]
    told = ", ".join(f"{number:,} {word}" for number, word in counts)
    warnings = len(results["warnings"])
    lines = [f"Checks of {_count(len(by_unit), 'unit')}: {told}, {_count(warnings, 'warning')}"]
    if results["failed"]:
        title = "Failures, overridden by force" if force else "Failures"
        lines += ["", title, *(f"  x {text}" for text in results["failed"])]
    if results["warnings"]:
        lines += ["", "Warnings", *(f"  ! {text}" for text in results["warnings"])]
    return lines


def _message(failed: t.Sequence[str], force: bool, helps: bool) -> str:
    if not failed:
        return ""
    number = "1 check" if len(failed) == 1 else f"{len(failed):,} checks"
    mend = "Mend that; force=true does not help here" if force else "Mend that first"
    way = "Mend that; or go on all the same with -e force=true, which is recorded" if helps and not force else mend
    return f"{number} before the deployment failed, and nothing was changed: {' | '.join(failed)}. {way}."


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
