# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an HTTP answer must be."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health.http import Response

_STATUS = re.compile(r"[1-5]([0-9][0-9]|xx)")
_ABSENT = object()


@dataclass(frozen=True)
class Expectation:
    """What to compare an answer with; what isn't given isn't compared.

    Args:
        status: Accepted statuses: ``200``, ``2xx`` for all of a kind.
        headers: Header → exact value.
        contains: Text in the body.
        matches: Regular expression that is found in the body.
        json: Path in the JSON body (``message.items.0.name``) → value.
        version: The version that must answer.
        version_header: Header that names it.
        version_json: Path in the JSON body that names it.
    """

    status: tuple[str, ...] = ("200",)
    headers: t.Mapping[str, str] = field(default_factory=dict)
    contains: str | None = None
    matches: str | None = None
    json: t.Mapping[str, t.Any] = field(default_factory=dict)
    version: str | None = None
    version_header: str | None = None
    version_json: str | None = None

    def __post_init__(self) -> None:
        for status in self.status:
            if not _STATUS.fullmatch(status):
                raise LockstepError(f"{status!r} is not an HTTP status (200, 2xx)")
        try:
            re.compile(self.matches or "")
        except re.error as error:
            raise LockstepError(f"{self.matches!r} is not a regular expression: {error}") from error
        if self.version is not None and not (self.version_header or self.version_json):
            raise LockstepError("an expected version needs version_header or version_json to say where it is told")

    def problems(self, answer: Response) -> list[str]:
        """Everything that is not as it must be, one sentence each; the version apart."""
        found = []
        if not any(_same_status(answer.status, status) for status in self.status):
            found.append(f"status {answer.status} instead of {' or '.join(self.status)}")
        for name, value in self.headers.items():
            seen = answer.headers.get(name.lower())
            if seen != value:
                found.append(f"header {name} is {seen!r} instead of {value!r}")
        return found + self._body_problems(answer)

    def _body_problems(self, answer: Response) -> list[str]:
        cut = f" in its first {len(answer.body)} bytes" if answer.truncated else ""
        found = []
        if self.contains is not None and self.contains not in answer.text:
            found.append(f"{self.contains!r} is not in the answer{cut}")
        if self.matches is not None and not re.search(self.matches, answer.text):
            found.append(f"nothing in the answer matches {self.matches!r}{cut}")
        for path, value in self.json.items():
            seen = _at_path(answer, path)
            if seen is _ABSENT:
                found.append(f"the answer has no {path}{cut}")
            elif seen != value:
                found.append(f"{path} is {seen!r} instead of {value!r}")
        return found

    def told_version(self, answer: Response) -> str | None:
        """The version an answer names; None when it names none."""
        seen = _at_path(answer, self.version_json) if self.version_json else _ABSENT
        if self.version_header:
            seen = answer.headers.get(self.version_header.lower(), seen)
        return None if seen is _ABSENT or seen is None else str(seen)


def _same_status(status: int, wanted: str) -> bool:
    return str(status) == wanted or (wanted.endswith("xx") and str(status)[0] == wanted[0])


def _at_path(answer: Response, path: str) -> t.Any:
    """What stands at a path of a JSON answer; a marker of its own when there is nothing."""
    try:
        value = json.loads(answer.body)
    except ValueError:
        return _ABSENT
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _ABSENT
    return value
