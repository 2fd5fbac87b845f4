# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One site on disk: its configuration, its freeze, its database."""

from __future__ import annotations

import fcntl
import json
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, beneath
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import valid_name
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database

#: What maintenance with reads allowed consists of.
FREEZE = {"maintenance_mode": 1, "allow_reads_during_maintenance": 1}


def is_locked(path: str) -> bool:
    """Whether somebody holds a file lock; the file itself says nothing, since it stays.

    Who wants the lock just now doesn't get it for a moment; Frappe tries again within a second.

    Raises:
        LockstepError: It is no file, or behind a link that may not be followed: the site's user made it.
    """
    try:
        with beneath.reading(path) as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise LockstepError(f"{path} can't be opened: {error.strerror or error}") from error
    return False


class Site:
    """A site of a bench.

    Args:
        name: Its name, which is its folder's and usually its host's.
        folder: Its data.
        user: Who owns it.
    """

    def __init__(self, name: str, folder: str, user: str) -> None:
        self.name = valid_name("site", name)
        self.folder = folder
        self._user = user

    @property
    def config_path(self) -> str:
        return os.path.join(self.folder, "site_config.json")

    def config(self) -> dict[str, t.Any]:
        """The site's configuration, with its secrets.

        Raises:
            LockstepError: There is none, or it is empty or no JSON (an interrupted write of bench leaves it so).
        """
        found = atomic.read_json(self.config_path)
        if not isinstance(found, dict) or not found.get("db_name"):
            raise LockstepError(f"{self.config_path} is no site configuration: it names no database")
        return found

    def change_config(self, changes: t.Mapping[str, t.Any], remove: t.Iterable[str] = ()) -> bool:
        """Set and remove keys in one step; bench itself truncates the file first, and requests meanwhile get errors.

        Returns:
            Whether anything differed.
        """
        before = self.config()
        after = {**before, **changes}
        for name in remove:
            after.pop(name, None)
        if after == before:
            return False
        mode = os.stat(self.config_path).st_mode & 0o777
        text = json.dumps(after, indent=1, sort_keys=True)
        atomic.write_text(self.config_path, text, mode=mode, owner=self._user)
        return True

    def flags(self) -> dict[str, t.Any]:
        """The settings a freeze changes, as they are; absent ones are absent."""
        config = self.config()
        return {name: config[name] for name in FREEZE if name in config}

    def freeze(self) -> None:
        """Let nobody write; reads go on."""
        self.change_config(FREEZE)

    def thaw(self, flags: t.Mapping[str, t.Any]) -> None:
        """Put the settings back to what :meth:`flags` returned before the freeze, which need not be "off"."""
        self.change_config(flags, remove=[name for name in FREEZE if name not in flags])

    def is_frozen(self) -> bool:
        return bool(self.config().get("maintenance_mode"))

    def refuses_readers(self) -> bool:
        """Whether maintenance is on for readers too, as an administrator leaves a site; a freeze lets them read."""
        return self.is_frozen() and not self.config().get("allow_reads_during_maintenance")

    def database(self, bench: Bench, server: t.Mapping[str, t.Any]) -> Database:
        """The site's own database as its own user.

        Args:
            bench: A bench it is in.
            server: The bench's ``database`` option: where the server is when no configuration says it.

        Raises:
            LockstepError: It is not MariaDB's.
        """
        known = {f"db_{name}": server[name] for name in ("host", "port", "socket") if server.get(name)}
        config = {**known, **bench.common_config(), **self.config()}
        kind = config.get("db_type") or "mariadb"
        if kind != "mariadb":
            raise LockstepError(f"site {self.name} lies in {kind}; this version deploys sites on MariaDB")
        socket = config.get("db_socket")
        return Database(
            name=config["db_name"],
            user=config.get("db_user") or config["db_name"],
            password=config.get("db_password", ""),
            host=None if socket else config.get("db_host") or "127.0.0.1",
            port=None if socket else int(config.get("db_port") or 3306),
            socket=socket,
        )
