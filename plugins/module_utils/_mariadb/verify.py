# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a backup is whole: every file as it was written, every table to its end."""

from __future__ import annotations

import functools
import hashlib
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.atomic import read_json
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import objects, pipes
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.compression import Compression, by_name
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.dump import FORMAT, MANIFEST, sha256
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.parallel import (
    Crew,
    balanced,
    default_workers,
    side_by_side,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.split import table_mark
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tablefile import end_mark

Manifest = t.Mapping[str, t.Any]

_SHOWN = 20  # problems in an error's detail


def read_manifest(folder: str) -> dict[str, t.Any]:
    """The manifest in a backup's folder.

    Raises:
        LockstepError: There is none, or one that this version can't read.
    """
    found = read_json(os.path.join(folder, MANIFEST))
    if not isinstance(found, dict):
        raise LockstepError(f"{folder} is no backup: it has no {MANIFEST}")
    if found.get("format") != FORMAT:
        raise LockstepError(f"{folder} has a backup of format {found.get('format')}, and only {FORMAT} is known")
    return found


def verify(
    folder: str, manifest: Manifest, tables: t.Collection[str] | None = None, *, workers: int | None = None
) -> dict[str, str]:
    """Make sure that a backup, or the part of it that is needed, can be restored.

    Args:
        folder: The backup.
        manifest: What was recorded when it was made.
        tables: Only these; None for the whole backup.
        workers: Processes at a time.

    Returns:
        A digest of each table's definition and rows, the same for each dump of the same content.

    Raises:
        LockstepError: A file is missing, was changed, is cut short, can't be decompressed, or is one too many.
    """
    if manifest.get("format") != FORMAT:
        raise LockstepError(f"the backup {folder} has format {manifest.get('format')}, and only {FORMAT} is known")
    entries: t.Mapping[str, t.Mapping[str, t.Any]] = manifest["tables"]
    chosen = {name: entries[name] for name in (entries if tables is None else tables)}
    problems = _wrong_set(folder, manifest) if tables is None else []
    _fail(folder, problems)
    compression = by_name(manifest["compression"])
    workers = workers or default_workers()
    groups = balanced({name: int(entry["bytes"]) for name, entry in chosen.items()}, workers)
    found: dict[str, str] = {}
    jobs = [functools.partial(_check, folder, compression, entries, group) for group in groups if group]
    for digests, wrong in side_by_side(jobs, workers):
        found.update(digests)
        problems += wrong
    problems += _changed(folder, manifest["objects"])
    _fail(folder, problems)
    return found


def read_objects(folder: str, manifest: Manifest) -> list[objects.Definition]:
    """The sequences, views, routines, triggers and events of a verified backup."""
    return objects.from_list(read_json(os.path.join(folder, manifest["objects"]["file"]), []))


def _fail(folder: str, problems: t.Sequence[str]) -> None:
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise LockstepError(f"the backup {folder} is damaged: {problems[0]}{more}", detail=list(problems[:_SHOWN]))


def _wrong_set(folder: str, manifest: Manifest) -> list[str]:
    try:
        there = set(os.listdir(folder))
    except OSError as error:
        return [f"its folder can't be read: {error.strerror}"]
    wanted = {entry["file"] for entry in manifest["tables"].values()} | {manifest["objects"]["file"]}
    problems = [f"{name} is missing" for name in sorted(wanted - there)]
    problems += [f"{name} does not belong to it" for name in sorted(there - wanted - {MANIFEST})]
    if manifest["table_count"] != len(manifest["tables"]):
        problems.append(f"{manifest['table_count']} tables were backed up, {len(manifest['tables'])} are listed")
    return problems


def _changed(folder: str, entry: t.Mapping[str, t.Any]) -> list[str]:
    path = os.path.join(folder, entry["file"])
    try:
        size = os.path.getsize(path)
        if size != entry["bytes"]:
            return [f"{entry['file']} has {size} bytes instead of {entry['bytes']}"]
        if sha256(path) != entry["sha256"]:
            return [f"{entry['file']} was changed: its checksum differs"]
    except OSError as error:
        return [f"{entry['file']} can't be read: {error.strerror}"]
    return []


def _check(
    folder: str,
    compression: Compression,
    entries: t.Mapping[str, t.Mapping[str, t.Any]],
    names: list[str],
    crew: Crew,
) -> tuple[dict[str, str], list[str]]:
    problems = [problem for name in names for problem in _changed(folder, entries[name])]
    if problems:
        return {}, problems
    paths = [os.path.join(folder, entries[name]["file"]) for name in names]
    child = crew.start(lambda: compression.expand(paths))
    stdout = t.cast("t.IO[bytes]", child.stdout)
    pipes.widen(stdout)
    reader = _Content(names)
    for data in pipes.chunks(stdout):
        reader.feed(data)
    complaints = t.cast("t.IO[bytes]", child.stderr).read()
    if child.wait() != 0:
        return {}, [str(compression.error(complaints, folder)).rstrip(".")]
    return reader.digests, [f"{entries[name]['file']} ends before its table does" for name in reader.unfinished()]


class _Content:
    """Follows the content of several tables' files in a row and makes a digest of each."""

    def __init__(self, names: t.Sequence[str]) -> None:
        self.digests: dict[str, str] = {}
        self._names = list(names)
        self._digest: hashlib._Hash | None = None
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        while len(self.digests) < len(self._names):
            name = self._names[len(self.digests)]
            if self._digest is None:
                mark = table_mark(name)
                at = data.find(mark)
                if at < 0:
                    self._rest = data
                    return
                self._digest, data = hashlib.sha256(), data[at + 1 :]
            mark = b"\n" + end_mark(name)
            at = data.find(mark)
            if at < 0:
                cut = max(0, len(data) - len(mark))
                self._digest.update(data[:cut])
                self._rest = data[cut:]
                return
            self._digest.update(data[: at + 1])
            self.digests[name] = self._digest.hexdigest()
            self._digest, data = None, data[at + len(mark) :]
        self._rest = data

    def unfinished(self) -> list[str]:
        """Tables whose end did not come; anything behind the last end counts as belonging to the last table."""
        missing = self._names[len(self.digests) :]
        return missing or (self._names[-1:] if self._rest else [])
