# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of each unit, one line per unit, for the end of a run."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.progress import text_seconds

_TITLES = ("unit", "state", "versions", "freeze", "took")
_GAP = "  "


@dataclasses.dataclass
class _Row:
    state: str = "not started"
    before: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    after: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    freeze: float | None = None
    way: str | None = None
    began: str | None = None
    took: float | None = None
    changed: bool = False


class Summary:
    """Collects what happened to units and tells it as a table.

    Args:
        check: Whether nothing is really done.
    """

    def __init__(self, check: bool = False) -> None:
        self._check = check
        self._rows: dict[str, _Row] = {}

    def plan(self, units: t.Iterable[str]) -> None:
        """Name the units in the order they shall be told in."""
        for unit in units:
            self._rows.setdefault(unit, _Row())

    def apply(self, event: model.Event) -> None:
        """Take in what happened."""
        if event.unit is None:
            return
        row = self._rows.setdefault(event.unit, _Row())
        row.before = event.versions.get("before") or row.before
        row.after = event.versions.get("after") or row.after
        row.changed = row.changed or event.changed
        # A run that only goes back hears from the journals of the freeze on the way forward, which was not its own.
        if row.way == "forward" and event.freeze_seconds is not None:
            row.freeze = event.freeze_seconds
        if event.kind == "started" and row.way in (None, event.direction):
            row.way, row.began = event.direction, event.at
            row.state = "running" if event.direction == "forward" else row.state
        elif event.kind == "state" and event.state is not None:
            row.state = event.state
        elif event.kind in ("failed", "unreachable", "withheld"):
            row.state = row.state if row.state in model.BACK else event.kind
        if event.kind == "finished" and event.direction == row.way:
            row.took = model.seconds_between(row.began, event.at)
            if event.direction == "forward" and event.status == "completed":
                row.state = "live"

    def lines(self) -> list[str]:
        """The table: title, then one line per unit; nothing when there were none."""
        if not self._rows:
            return []
        cells = [_TITLES, *(self._cells(unit, row) for unit, row in self._rows.items())]
        widths = [max(len(line[column]) for line in cells) for column in range(len(_TITLES))]
        return [
            _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]

    def _cells(self, unit: str, row: _Row) -> tuple[str, ...]:
        freeze = "-" if row.freeze is None else f"{row.freeze:.1f} s"
        took = "-" if row.took is None else text_seconds(row.took)
        return (unit, self._state(row), _versions(row), freeze, took)

    def _state(self, row: _Row) -> str:
        if self._check and row.state not in ("failed", "unreachable", "withheld"):
            return "would change" if row.changed else "unchanged"
        if row.state != "live":
            return row.state
        return "live" if row.changed else "live, unchanged"


def _versions(row: _Row) -> str:
    """Versions before and after, of the apps that changed; those from before, where the unit went back."""
    if not row.before and not row.after:
        return "-"
    changed = {app: version for app, version in row.after.items() if row.before.get(app) != version}
    if row.state in ("restored", "failed", "unreachable") and row.before:
        return ", ".join(f"{app} {version}" for app, version in row.before.items() if app in changed or not changed)
    told = [f"{app} {row.before.get(app, 'new')} -> {version}" for app, version in changed.items()]
    return ", ".join(told) or "unchanged"
