# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's DNS records were before they were changed, kept on its server, where it outlives the controller."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import mutex
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.claims import valid_unit

Entries = dict[str, t.Any]


class History:
    """``<state>/units/<unit>/dns.json``: an entry for each name.

    Args:
        state_dir: The state folder of the server.
        unit: The unit of the site.
    """

    def __init__(self, state_dir: str, unit: str) -> None:
        self._folder = os.path.join(state_dir, "units", valid_unit(unit))
        self._path = os.path.join(self._folder, "dns.json")

    def read(self) -> Entries:
        """All entries by name; none if nothing was changed yet.

        Raises:
            LockstepError: The file is there and can't be read.
        """
        return dict(atomic.read_json(self._path, {}))

    def merged(self, entries: t.Mapping[str, t.Any]) -> Entries:
        """What would be recorded after :meth:`write`."""
        return {**self.read(), **entries}

    def write(self, entries: t.Mapping[str, t.Any]) -> bool:
        """Write down entries, durably; those of other names stay.

        Args:
            entries: Entries by name.

        Returns:
            Whether that is anything new.

        Raises:
            LockstepError: The file can't be written.
        """
        folders.ensure(os.path.dirname(self._folder), mode=0o755)
        folders.ensure(self._folder, mode=0o700)
        with mutex(os.path.join(self._folder, ".dns.mutex")):
            before, after = self.read(), self.merged(entries)
            if after != before:
                atomic.write_json(self._path, after)
            return after != before
