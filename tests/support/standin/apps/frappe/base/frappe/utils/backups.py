# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups: a dump, archives of the files, a copy of the configuration with its secrets."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import time
import typing as t

import frappe
from frappe.exceptions import InvalidDatabaseFile
from frappe.utils import cint, execute_in_shell, file_size, now_datetime

_KEPT_HOURS = 24
_ENDINGS = {
    "conf": "site_config_backup.json",
    "db": "database.sql.gz",
    "files": "files.tar",
    "private_files": "private-files.tar",
}


class Backup:
    """One backup of the site at hand.

    Args:
        folder: Where files without a path of their own go; ``private/backups`` if None.
        paths: Path by kind: db, files, private_files, conf.
        with_files: Whether public and private files are archived too.
    """

    def __init__(
        self, folder: str | None = None, paths: t.Mapping[str, str | None] | None = None, with_files: bool = False
    ) -> None:
        self.with_files = with_files
        given = {kind: path for kind, path in (paths or {}).items() if path}
        base = folder or frappe.get_site_path("private", "backups")
        for path in given.values():
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        os.makedirs(base, exist_ok=True)
        stamp = now_datetime().strftime("%Y%m%d_%H%M%S")
        slug = frappe.local.site.replace(".", "_")
        self.paths = {
            kind: given.get(kind) or os.path.join(base, f"{stamp}-{slug}-{ending}") for kind, ending in _ENDINGS.items()
        }

    def take(self) -> None:
        """Take it; old ones are deleted first. What a failing step has written is removed."""
        _delete_old()
        self._step(self._dump, "db")
        self._step(self._copy_config, "conf")
        if self.with_files:
            self._step(self._archive, "files", "private_files")

    def _step(self, work: t.Callable[[], None], *kinds: str) -> None:
        try:
            work()
        except Exception:
            for kind in kinds:
                if os.path.exists(self.paths[kind]):
                    os.remove(self.paths[kind])
            raise

    def _dump(self) -> None:
        from frappe.migrate import git_branch

        header = [
            "begin frappe metadata",
            "[frappe]",
            f"version = {frappe.__version__}",
            f"branch = {git_branch('frappe') or 'N/A'}",
            "end frappe metadata",
            "",
        ]
        with gzip.open(self.paths["db"], "wt") as handle:
            handle.write("\n".join(f"-- {line}" for line in header) + "\n")
        conf = frappe.local.conf
        command = ["mysqldump", *_connection(), "--single-transaction", "--quick", "--lock-tables=false", conf.db_name]
        execute_in_shell(
            f"set -o pipefail; {shlex.join(command)} | gzip >> {shlex.quote(self.paths['db'])}",
            env={"MYSQL_PWD": conf.db_password},
        )

    def _copy_config(self) -> None:
        with open(frappe.get_site_path("site_config.json"), encoding="utf-8") as source:
            text = source.read()
        with open(self.paths["conf"], "w", encoding="utf-8") as target:
            target.write(text)

    def _archive(self) -> None:
        for kind, folder in (("files", "public"), ("private_files", "private")):
            execute_in_shell(shlex.join(["tar", "-cf", self.paths[kind], frappe.get_site_path(folder, "files")]))

    def print_summary(self) -> None:
        kinds = {"config": "conf", "database": "db"}
        if self.with_files:
            kinds.update(public="files", private="private_files")
        print(f"Backup Summary for {frappe.local.site} at {now_datetime()}")
        width = max(len(self.paths[kind]) for kind in kinds.values())
        for title, kind in kinds.items():
            print(f"{title.title():<8}: {self.paths[kind]:<{width}} {file_size(self.paths[kind])}")


def _connection() -> list[str]:
    conf = frappe.local.conf
    return [f"--user={conf.db_name}", f"--host={conf.db_host}", f"--port={conf.db_port}"]


def _delete_old() -> None:
    """Delete files that were put there a day ago; a folder counts as an old file, and can't be deleted as one."""
    folder = frappe.get_site_path("private", "backups")
    hours = cint(frappe.local.conf.keep_backups_for_hours) or _KEPT_HOURS
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or os.stat(path).st_ctime < time.time() - hours * 3600:
            os.remove(path)


def load_dump(path: str) -> None:
    """Load a dump into the site's database; when that breaks off, the error holds all that was loaded, row by row."""
    conf = frappe.local.conf
    reader = "gzip -cd" if path.endswith(".gz") else "cat"
    client = shlex.join(["mysql", "--verbose", *_connection(), conf.db_name])
    execute_in_shell(f"set -o pipefail; {reader} {shlex.quote(path)} | {client}", env={"MYSQL_PWD": conf.db_password})


def check_dump(path: str) -> None:
    """Refuse what can't be a dump of a site.

    Raises:
        InvalidDatabaseFile: It is empty, or has no ``__Auth``.
    """
    if not os.path.getsize(path):
        print(f"{path} is an empty file!")
        raise InvalidDatabaseFile
    grep = "zgrep" if path.endswith(".gz") else "grep"
    try:
        execute_in_shell(f"{grep} -m1 __Auth {shlex.quote(path)}")
    except Exception:
        print("Table `__Auth` not found in file.")
        raise InvalidDatabaseFile from None


def dump_version(path: str) -> tuple[int, ...] | None:
    """The framework's version that wrote a dump."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as handle:
        found = re.search(rb"version = (\d+)\.(\d+)\.(\d+)", handle.read(256))
    return tuple(int(part) for part in found.groups()) if found else None
