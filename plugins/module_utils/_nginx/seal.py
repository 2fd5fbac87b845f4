# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checksum in the head of a file we wrote, by which a change made by hand is recognised without any record.

The pre-commit hook of the collection loads this file by its path, so it imports nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import re

#: How a file of ours is judged.
INTACT, EDITED, FOREIGN = "intact", "edited", "foreign"

_OURS = "# Written by lockstep.deploy"
_HEAD = f"""\
{_OURS} from its records. Don't change it here: change the deployment file and deploy, or run
# playbooks/traffic.yml -e state=rendered. Neither overwrites what was changed by hand, unless force=true is given.
"""
_LINE = re.compile(r"^# lockstep-checksum: ([0-9a-f]{64})\n", re.MULTILINE)
#: The head of versions without a checksum. Their generation is a hash of all the rest, which serves as well.
_LEGACY = f"{_OURS}, which overwrites changes made here.\n"
_GENERATION = re.compile(r'^map \$server_name \$lockstep_generation \{\n    default "([0-9a-f]{16})";', re.MULTILINE)
# A comment that somebody put above our head doesn't make the file somebody else's.
_HEAD_LINES = 20


def seal(text: str) -> str:
    """A text with our head and its checksum above it."""
    return f"{_HEAD}# lockstep-checksum: {_checksum(_HEAD + text)}\n{text}"


def judge(text: str) -> str:
    """Whether a file is as we wrote it.

    Returns:
        :data:`INTACT`, :data:`EDITED` if it was changed since, :data:`FOREIGN` if nothing says that we wrote it.
    """
    lines = text.splitlines()[:_HEAD_LINES]
    found = _LINE.search(text)
    if found is None and not any(line.startswith(_OURS) for line in lines):
        return FOREIGN
    if found is None:
        return INTACT if text.startswith(_LEGACY) and _fits_generation(text) else EDITED
    rest = text[: found.start()] + text[found.end() :]
    return INTACT if found.group(1) == _checksum(rest) else EDITED


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _fits_generation(text: str) -> bool:
    found = _GENERATION.search(text)
    if found is None:
        # A form we don't know any more; it is ours by its head.
        return True
    plain = text.replace(found.group(1), "@generation@")
    return found.group(1) == _checksum(plain)[:16]
