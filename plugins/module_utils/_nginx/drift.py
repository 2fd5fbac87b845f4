# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How our files for nginx differ from what they should be: changed by hand, gone, behind the records, not served."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import seal

#: What a file can be, the gravest first. ``NOT_SERVED`` is as it should be and nginx runs with another one.
EDITED, FOREIGN, MISSING, OUTDATED, NOT_SERVED, NONE = (
    "edited",
    "foreign",
    "missing",
    "outdated",
    "not served",
    "none",
)
_BY_HAND = (EDITED, FOREIGN)
_SHOWN = 40


@dataclass(frozen=True)
class Drift:
    """One of our files, as it is and as it should be.

    Args:
        path: The file.
        found: Its text; None if there is none.
        wanted: What it should be; None if there should be none.
        served: The generation that the running server tells.
        generation: The one it should tell.
    """

    path: str
    found: str | None
    wanted: str | None
    served: str | None
    generation: str | None

    @property
    def kind(self) -> str:
        """Which of the kinds above it is."""
        if self.found == self.wanted:
            return NONE if self.served == self.generation else NOT_SERVED
        if self.found is None:
            return MISSING
        return {seal.EDITED: EDITED, seal.FOREIGN: FOREIGN}.get(seal.judge(self.found), OUTDATED)

    @property
    def by_hand(self) -> bool:
        """Whether somebody's work would be overwritten."""
        return self.kind in _BY_HAND

    def sentence(self) -> str:
        """What is the matter, for people; empty if nothing is."""
        changed = f"{self._count()} from what lockstep.deploy would write, first {self._first()!r}"
        return {
            EDITED: f"{self.path} was changed by hand: {changed}",
            FOREIGN: f"{self.path} was not written by lockstep.deploy, which keeps its sites in a file of that name",
            MISSING: f"{self.path} is gone, and with nginx's next start the sites in it are",
            OUTDATED: f"{self.path} is not what the records of this server say",
            NOT_SERVED: f"nginx serves generation {self.served or 'unknown'}, not {self.generation} of {self.path}",
            NONE: "",
        }[self.kind]

    def lines(self) -> list[str]:
        """The difference, as a unified diff from what is there to what should be."""
        before, after = ((text or "").splitlines() for text in (self.found, self.wanted))
        return list(difflib.unified_diff(before, after, self.path, "lockstep.deploy", lineterm="", n=1))

    def refusal(self) -> LockstepError:
        """The error that says why it is not overwritten."""
        lines = self.lines()
        more = [f"… {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
        return LockstepError(
            self.sentence(),
            left="it was left as it is",
            hint="move what was changed into the deployment file, or into a file of your own beside it, and put the "
            "file back; or have it overwritten with force=true, which keeps a copy",
            detail=[*lines[:_SHOWN], *more],
        )

    def _changed(self) -> list[str]:
        return [line for line in self.lines()[2:] if line[:1] in "+-" and "lockstep-checksum" not in line]

    def _count(self) -> str:
        number = len(self._changed())
        return "1 line differs" if number == 1 else f"{number} lines differ"

    def _first(self) -> str:
        return next((line[0] + " " + line[1:].strip() for line in self._changed()), "its checksum")


def gravest(found: t.Iterable[Drift]) -> Drift | None:
    """The one that matters most; None where nothing differs."""
    order = (EDITED, FOREIGN, MISSING, OUTDATED, NOT_SERVED)
    return min((one for one in found if one.kind != NONE), key=lambda one: order.index(one.kind), default=None)
