# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception the collection raises on purpose."""

from __future__ import annotations

import typing as t


class LockstepError(Exception):
    """Something a user must be told, in one line, with what follows from it.

    Args:
        message: What failed, without a full stop of detail behind it.
        unit: The unit it happened to.
        phase: The phase it happened in.
        left: How the unit was left ("nothing was changed", "restored to the release before").
        hint: What to do next.
        detail: Output or a list of findings for whoever looks closer; never secrets.
    """

    def __init__(
        self,
        message: str,
        *,
        unit: str | None = None,
        phase: str | None = None,
        left: str | None = None,
        hint: str | None = None,
        detail: str | list[str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.unit = unit
        self.phase = phase
        self.left = left
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        where = " ".join(part for part in (self.unit, f"({self.phase})" if self.phase else None) if part)
        parts = [f"{where}: {self.message}" if where else self.message]
        if self.left:
            parts.append(self.left)
        if self.hint:
            parts.append(self.hint)
        return ". ".join(part.rstrip(".") for part in parts) + "."

    def result(self) -> dict[str, t.Any]:
        """The error as keyword arguments for ``fail_json``."""
        found: dict[str, t.Any] = {"msg": str(self)}
        for name in ("unit", "phase", "left", "hint", "detail"):
            value = getattr(self, name)
            if value is not None:
                found[name] = value
        return found
