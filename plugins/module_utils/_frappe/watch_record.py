# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written down of a site that is watched after its deployment, and the word that ends that."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder, holder

#: It is watched right now; the process that did is gone.
WATCHING, ABANDONED = "watching", "abandoned"
#: How it ended: no rule took the release back and every one was satisfied at the end; there was too little data to say
#: that; a rule takes it back; somebody said so; the site is another deployment's by now, or is on its way back; nobody
#: could look at it.
PASSED, INCONCLUSIVE, FAILED, ENDED, SUPERSEDED = "passed", "inconclusive", "failed", "ended", "superseded"
BROKEN = "broken"

_LOCK = "watch"
_KEYS = {"deployment_id", "status", "reasons", "began", "until"}


class WatchRecord:
    """The newest watch of a unit.

    Args:
        folder: The unit's folder, with its journal.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, "watch.json")
        self._word = os.path.join(folder, "watch_word.json")

    def read(self) -> dict[str, t.Any] | None:
        """What is on record: ``deployment_id``, ``status``, ``reasons``, ``began``, ``until``, ``ended``, ``figures``.

        Returns:
            None if it was never watched. While it is, there are no ``ended`` and no ``figures``.

        Raises:
            LockstepError: It can't be read.
        """
        found = self._content()
        if found is None or found["status"] != WATCHING or self.is_watched:
            return found
        # It may have ended well just now: that is written down first.
        found = self._content()
        return {**found, "status": ABANDONED} if found and found["status"] == WATCHING else found

    def told_of(self, deployment_id: str | None) -> dict[str, t.Any] | None:
        """The watch of a deployment, for people; None if it was not watched.

        A record that can't be read is told as broken, without times: it is no reason to tell nothing of the unit, and
        nothing that a rollback needs.
        """
        try:
            found = self.read()
        except LockstepError as error:
            return {"deployment_id": deployment_id, "status": BROKEN, "reasons": [error.message], "until": None}
        return found if found and found["deployment_id"] == deployment_id else None

    def _content(self) -> dict[str, t.Any] | None:
        found = atomic.read_json(self._path)
        if found is not None and not (isinstance(found, dict) and found.keys() >= _KEYS):
            raise LockstepError(f"{self._path} is no record of a watch")
        return t.cast("dict[str, t.Any] | None", found)

    @property
    def is_watched(self) -> bool:
        """Whether a process of this server watches the unit right now."""
        return holder(os.path.join(self._folder, f"{_LOCK}.flock")) is not None

    def hold(self, wait: float) -> t.IO[str]:
        """Be the one who watches, until what is returned is closed or this process ends.

        Args:
            wait: Seconds to wait for another one to hear that it is to end.

        Raises:
            LockstepError: It doesn't.
        """
        if self.is_watched:
            self.end("another watch took its place")
        held = LockFolder(self._folder).at_work(_LOCK, wait)
        self._forget_word()
        return held

    def begin(self, deployment_id: str, seconds: float) -> dict[str, t.Any]:
        """Write down that it is watched from now on.

        Args:
            deployment_id: The deployment that moved the unit.
            seconds: For how long.
        """
        now = clock.utc_now()
        until = clock.told(clock.parse(now).timestamp() + seconds)
        content = {"deployment_id": deployment_id, "status": WATCHING, "reasons": [], "began": now, "until": until}
        atomic.write_json(self._path, content)
        return content

    def close(self, begun: t.Mapping[str, t.Any], **found: t.Any) -> dict[str, t.Any]:
        """Write down how it ended.

        Args:
            begun: What :meth:`begin` returned.
            found: ``status``, ``reasons``, ``figures``.
        """
        content = {**begun, **found, "ended": clock.utc_now()}
        atomic.write_json(self._path, content)
        return content

    def end(self, reason: str) -> None:
        """Have it end; who watches hears of it at the next look."""
        atomic.write_json(self._word, {"reason": reason, "at": clock.utc_now()})

    def word(self) -> str | None:
        """Why it is to end; None if it is not."""
        found = atomic.read_json(self._word)
        return str(found["reason"]) if found else None

    def _forget_word(self) -> None:
        if os.path.exists(self._word):
            os.unlink(self._word)
