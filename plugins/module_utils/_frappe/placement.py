# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which bench a site is active.

Site data belongs to no release: it lies in ``<root>/data/<site>``. In every bench ``sites/<site>`` leads there, in one
of two forms. A symlink is passive: HTTP and ``bench --site`` work, the scheduler and ``--site all`` don't see it. A
real folder of links is active: the scheduler sees it too. At most one bench may have it active, or jobs run twice.
Every change is one ``renameat2`` exchange, so that whoever reads meanwhile finds the one or the other.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, beneath, entries, folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import Layout

# A migration removes this file and makes it anew: through a link, the old one would stay in the data.
_NOT_LINKED = ("touched_tables.json",)

CONFIG = "site_config.json"


class Placement:
    """The place of one site in the benches of a server.

    Args:
        layout: The bench's folders.
        site: The site.
        user: Who owns the benches.
    """

    def __init__(self, layout: Layout, site: str, user: str) -> None:
        self._site = site
        self._user = user
        self.data = layout.data(site)
        # Beside the data, not among the sites: a spare folder there would be one more site to the scheduler.
        self._spare = os.path.join(layout.root, "spare", site)

    def is_adopted(self) -> bool:
        """Whether the site's data lies where it belongs."""
        return os.path.exists(os.path.join(self.data, CONFIG))

    def is_active(self, bench: Bench) -> bool:
        return self._is_folder(bench) and os.path.lexists(os.path.join(self._place(bench), CONFIG))

    def adopt(self, bench: Bench) -> bool:
        """Move a site's folder out of its bench, which stays active; readers and writers notice nothing.

        The folder of links is made where the data shall be, naming its own entries there, and then exchanged with the
        real folder in one step.

        Returns:
            Whether it had to be done.
        """
        if self.is_adopted():
            self._link_missing(bench)
            return False
        place = self._place(bench)
        if os.path.islink(place) or not os.path.exists(os.path.join(place, CONFIG)):
            raise LockstepError(
                f"site {self._site} does not exist in {bench.path}", hint="create it with bench new-site"
            )
        if os.stat(place).st_dev != os.stat(os.path.dirname(self.data)).st_dev:
            raise LockstepError(
                f"{place} and {self.data} lie on different file systems",
                hint="set the bench's root to a folder beside it",
            )
        if os.path.lexists(self.data):
            folders.remove_tree(self.data, os.path.dirname(self.data))
        self._make_links(self.data, os.listdir(place))
        atomic.exchange(place, self.data)
        self._link_missing(bench)
        return True

    def release(self, bench: Bench) -> None:
        """The opposite of :meth:`adopt`: a plain site folder in its bench again."""
        if not self.is_adopted():
            return
        place = self._place(bench)
        if self.is_active(bench):
            self._collect(place)
        atomic.exchange(place, self.data)
        folders.remove_tree(self.data, os.path.dirname(self.data))

    def add_passive(self, bench: Bench) -> bool:
        """Let a bench serve the site without its scheduler seeing it."""
        place = self._place(bench)
        self._clear_litter(bench)
        if os.path.lexists(place):
            return False
        folders.link(place, self.data, self._user)
        atomic.fsync_dir(bench.sites_folder)
        return True

    def remove_passive(self, bench: Bench) -> None:
        """Take the site out of a bench in which it is not active."""
        folders.remove_link(self._place(bench))

    def leads_to(self, bench: Bench) -> str | None:
        """Where the passive link of a bench leads; None where the site is active, or not in it."""
        place = self._place(bench)
        return os.readlink(place) if os.path.islink(place) else None

    def lead(self, bench: Bench, folder: str) -> None:
        """Let a bench in which the site is passive serve another folder as the site, from one moment to the next."""
        found = self.leads_to(bench)
        if found == folder:
            return
        self._clear_spare()
        if found is None:
            self._clear_litter(bench)
            folders.link(self._place(bench), folder, self._user)
            atomic.fsync_dir(bench.sites_folder)
            return
        folders.link(self._spare, folder, self._user)
        atomic.exchange(self._spare, self._place(bench))
        folders.remove_link(self._spare)

    def clone(self, folder: str, config: str) -> None:
        """Make a folder of links to the site's data that has a configuration of its own.

        Args:
            folder: The folder.
            config: The text of its configuration; may hold secrets.
        """
        self._make_links(folder, [entry for entry in os.listdir(self.data) if entry != CONFIG])
        atomic.write_text(os.path.join(folder, CONFIG), config, owner=self._user)

    def collect(self, folder: str) -> None:
        """Move to the data what a release made in a clone's folder; its configuration stays there."""
        self._collect(folder, but=(CONFIG,))

    def activate(self, bench: Bench) -> None:
        """Let the bench's scheduler see the site."""
        self._clear_spare()
        if self.is_active(bench):
            self._link_missing(bench)
            return
        self._make_links(self._spare, os.listdir(self.data))
        atomic.exchange(self._spare, self._place(bench))
        folders.remove_link(self._spare)

    def deactivate(self, bench: Bench) -> None:
        """Hide the site from the bench's scheduler; what it made in the site's folder meanwhile goes to the data."""
        self._clear_spare()
        if not self.is_active(bench):
            return
        folders.link(self._spare, self.data, self._user)
        atomic.exchange(self._spare, self._place(bench))
        self._collect(self._spare)
        folders.remove_tree(self._spare, os.path.dirname(self._spare))

    def _is_folder(self, bench: Bench) -> bool:
        place = self._place(bench)
        return os.path.isdir(place) and not os.path.islink(place)

    def _clear_litter(self, bench: Bench) -> None:
        """Remove what a bench made under the site's name after the site was taken out of it.

        A job of a migration that failed still runs when its deployment is undone, and makes the folders that it writes
        to. Frappe takes no folder without a configuration for a site.
        """
        if self._is_folder(bench) and not self.is_active(bench):
            folders.remove_tree(self._place(bench), bench.sites_folder)

    def _place(self, bench: Bench) -> str:
        return os.path.join(bench.sites_folder, self._site)

    def _make_links(self, folder: str, entries: list[str]) -> None:
        folders.ensure(folder, self._user)
        for entry in entries:
            self._link(folder, entry)
        atomic.fsync_dir(folder)

    def _link(self, folder: str, entry: str) -> None:
        if entry in _NOT_LINKED:
            return
        link = os.path.join(folder, entry)
        if not os.path.lexists(link):
            folders.link(link, os.path.join(self.data, entry), self._user)

    def _link_missing(self, bench: Bench) -> None:
        """Links for entries that came to the data after the folder of links was made."""
        if self.is_active(bench):
            for entry in os.listdir(self.data):
                self._link(self._place(bench), entry)

    def _collect(self, folder: str, but: t.Container[str] = ()) -> None:
        """Move to the data what is not a link: made by the bench, or written over a link by rename."""
        try:
            with beneath.folder(folder) as source, beneath.folder(self.data) as target:
                for entry in os.listdir(source):
                    if entry not in but and not beneath.is_link(entry, source):
                        entries.move(entry, source, target)
        except OSError as error:
            raise LockstepError(f"{folder} could not be moved to {self.data}: {error}") from error

    def _clear_spare(self) -> None:
        """What an exchange that died half-way left: a link, or a folder of links with entries worth keeping."""
        folders.ensure(os.path.dirname(self._spare), self._user)
        if os.path.isdir(self._spare) and not os.path.islink(self._spare):
            self._collect(self._spare)
        folders.remove_tree(self._spare, os.path.dirname(self._spare))
