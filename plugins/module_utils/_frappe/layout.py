# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where everything of a bench lies: releases, site data, backups, sources, sockets."""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,71}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


def valid_name(kind: str, name: str) -> str:
    """A name that may become a path, a host or an argument.

    Raises:
        LockstepError: It has a space, a slash, a quote, begins like an option or a hidden file, or is over 72 long.
    """
    if not _NAME.match(name):
        raise LockstepError(f"{name!r} is no name for a {kind}: up to 72 letters, digits, dots, dashes, underscores")
    return name


class App(t.NamedTuple):
    """An app at one commit."""

    name: str
    commit: str
    version: str | None = None


def app_of(item: t.Mapping[str, t.Any]) -> App:
    """An app from a module's argument.

    Raises:
        LockstepError: Name or commit are of the wrong form.
    """
    commit = str(item["commit"])
    if not _COMMIT.match(commit):
        raise LockstepError(f"app {item['name']}: {commit!r} is no commit id of 40 hexadecimal digits")
    return App(valid_name("app", str(item["name"])), commit, item.get("version"))


def short_id(text: str) -> str:
    """Eight hexadecimal digits for a text: names of folders whose paths must stay under 108 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def release_id(apps: t.Sequence[App]) -> str:
    """The id of a release: the same apps at the same commits are the same release."""
    return short_id(json.dumps(sorted([app.name, app.commit] for app in apps)))


class Layout:
    """The folders of one bench.

    Args:
        name: The bench's name.
        root: Where releases, data and backups lie; on the same file system as the adopted bench.
        state_dir: Where journals and locks of the server lie, ``/var/lib/lockstep``.
        backup_dir: Where backups lie; ``<root>/backups`` if not given.
    """

    def __init__(self, *, name: str, root: str, state_dir: str, backup_dir: str | None = None) -> None:
        self._backup_dir = backup_dir or os.path.join(root, "backups")
        self.name = valid_name("bench", name)
        self.root = os.path.normpath(root)
        self.state_dir = state_dir
        # With the state, which is root's: nobody who may write to the bench decides what gets removed.
        # Names of units depend on what an inventory calls the server; this doesn't.
        self.identity = f"{self.name}-{short_id(self.root)}"
        self.record = os.path.join(state_dir, "benches", f"{self.identity}.json")

    def release(self, release: str) -> str:
        return os.path.join(self.root, "releases", release)

    def data(self, site: str) -> str:
        return os.path.join(self.root, "data", valid_name("site", site))

    def backups(self, site: str) -> str:
        return os.path.join(self._backup_dir, valid_name("site", site))

    @property
    def rehearsals(self) -> str:
        """Where the data of copies of sites lies for a while; not among the data of sites, which stays."""
        return os.path.join(self.root, "rehearsals")

    @property
    def clones(self) -> str:
        """Where sites have their folders for as long as a new release works on clones of their databases."""
        return os.path.join(self.root, "clones")

    def source(self, app: App) -> str:
        """The repository an app is cloned from; its last part is the app's name, as bench derives it from there."""
        return os.path.join(self.root, "sources", app.commit[:12], app.name)

    def archive(self, app: App) -> str:
        """Where an app's repository is shipped to as a tar: with the state, which is root's, and not with the bench."""
        return os.path.join(self.state_dir, "sources", self.identity, f"{app.commit}.tar")
