# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a deployment, as lines that a user can act on."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import without_credentials

#: What stands for the file of a problem that the command line has.
EXTRA_VARIABLES = "extra variables"

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """A path in a document as users write it: ``sites[3].name``; a key that is no plain word is quoted.

    A key may be an address that got there by mistake, so it is shown without credentials.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "a").replace("-", "a").replace("$", "a").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{without_credentials(part)!r}]"
    return text


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong, at one place.

    Args:
        path: Where in the document; empty for the document as a whole.
        message: What was found and what is expected. Never a secret.
        line: Line in the file, counted from 1, where it is known.
        file: The file, or what stands for it ("extra variables"); empty while it is not known.
    """

    path: Path
    message: str
    line: int | None = None
    file: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return ": ".join(part for part in (place, dotted(self.path), self.message) if part)

    def placed(self, file: str, line: int | None) -> Problem:
        """The same problem with the file and line filled in where they were missing."""
        return dataclasses.replace(self, file=self.file or file, line=self.line or line)


class DeploymentError(LockstepError):
    """A deployment that can't be used, with everything that is wrong with it.

    Args:
        problems: All problems, each a line of its own.
        what: What can't be used.
    """

    def __init__(self, problems: t.Sequence[Problem], what: str = "The deployment") -> None:
        self.problems = list(problems)
        self.what = what
        self.lines = list(dict.fromkeys(str(problem) for problem in self.problems))
        count = len(self.lines)
        shown = "What was given with -e" if self._is_of_command_line() else what
        self.summary = f"{shown} has {count} error{'' if count == 1 else 's'}; nothing was changed"
        super().__init__(self.summary, detail=self.lines)

    def _is_of_command_line(self) -> bool:
        return bool(self.problems) and all(problem.file == EXTRA_VARIABLES for problem in self.problems)

    def __str__(self) -> str:
        return "\n  ".join([f"{self.summary}:", *self.lines])
