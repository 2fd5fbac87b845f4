# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apps' repositories on the controller: which commit is meant, and that commit in a cache, ready to be shipped."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shutil
import tarfile
import tempfile
import threading
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import git
from ansible_collections.lockstep.deploy.plugins.plugin_utils.libraries import need
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import Address, without_credentials

BRANCH = "lockstep"
DEFAULT_CACHE = "~/.cache/lockstep/sources"
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_LATEST = "latest"
_HEADS, _TAGS, _PEELED = "refs/heads/", "refs/tags/", "^{}"
_FETCHED = "refs/lockstep/fetched"
_ABANDONED_AFTER = 86400.0


class Resolved(t.NamedTuple):
    """A version as it was understood.

    Args:
        ref: Name of the tag or branch; the commit itself when that was asked for.
        commit: The commit, 40 hexadecimal digits.
        full_ref: ``refs/tags/…`` or ``refs/heads/…``; None for a commit.
        note: What a user should know about the choice; empty when the version was named.
    """

    ref: str
    commit: str
    full_ref: str | None = None
    note: str = ""


class SourceError(LockstepError):
    """A source that can't be used.

    Args:
        message: Why.
        field: The field of the app it is about, ``source`` or ``version``.
    """

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Refs(t.NamedTuple):
    """Tags and branches of a repository, with the commits they mean."""

    tags: dict[str, str]
    branches: dict[str, str]


class Sources:
    """Repositories behind addresses, through a cache that several controllers may share.

    A commit lies in ``<cache>/<commit>.git``, a bare repository with that one commit on the branch ``lockstep``. It
    is made beside and renamed, so that what is there is whole.

    Args:
        cache: Folder of the cache; ``~/.cache/lockstep/sources`` by default.
        timeout: Seconds one git command may take.
    """

    def __init__(self, cache: str | None = None, timeout: float = 600.0) -> None:
        self.cache = os.path.abspath(os.path.expanduser(cache or DEFAULT_CACHE))
        self._timeout = timeout
        self._listed: dict[str, Refs] = {}
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def resolve(self, address: Address, version: str | None) -> Resolved:
        """Find out which commit a version means now.

        Args:
            address: Where the repository is.
            version: Tag, branch, commit, ``latest``, ``<branch>-latest`` or None.

        Raises:
            SourceError: The repository can't be reached, or has nothing of that name.
        """
        if version is not None and _COMMIT.match(version):
            return Resolved(version, version)
        refs = self._refs(address)
        if version is not None:
            named = _named(refs, version)
            if named is not None:
                return named
            if version.endswith(f"-{_LATEST}") and version.removesuffix(f"-{_LATEST}") in refs.branches:
                branch = version.removesuffix(f"-{_LATEST}")
                return _of_branch(branch, refs.branches[branch], f"{version} is the tip of {branch} as of now")
            if version != _LATEST:
                raise SourceError(_no_such(version, refs, address), "version")
        return self._newest(address, refs, version)

    def obtain(self, address: Address, resolved: Resolved) -> str:
        """Bring one commit into the cache.

        Returns:
            Path of the bare repository that holds it.

        Raises:
            SourceError: It can't be fetched.
        """
        path = self._repository(resolved.commit)
        with self._lock(resolved.commit):
            if self._is_whole(path, resolved.commit):
                return path
            with self._beside() as folder:
                self._fetch(address, resolved, os.path.join(folder, "repository"))
                _put(os.path.join(folder, "repository"), path)
        return path

    def export(self, commit: str) -> str:
        """A tar of a commit's bare repository, its files at the top, to be unpacked where there is no network.

        Args:
            commit: A commit that :meth:`obtain` has brought.

        Returns:
            Path of the tar. The same content gives the same tar.

        Raises:
            LockstepError: The commit is not in the cache.
        """
        path, repository = os.path.join(self.cache, f"{commit}.tar"), self._repository(commit)
        with self._lock(commit):
            if os.path.exists(path):
                return path
            if not self._is_whole(repository, commit):
                raise LockstepError(
                    f"commit {commit} is not in the cache {self.cache}", hint="plan the deployment again"
                )
            with self._beside() as folder:
                _pack(repository, os.path.join(folder, "archive"))
                os.replace(os.path.join(folder, "archive"), path)
        return path

    def _refs(self, address: Address) -> Refs:
        with self._lock(address.url):
            if address.url not in self._listed:
                self._listed[address.url] = self._list(address)
            return self._listed[address.url]

    def _list(self, address: Address) -> Refs:
        refs = Refs({}, {})
        for line in self._ask(address, "--heads", "--tags").splitlines():
            commit, _tab, name = line.partition("\t")
            if name.startswith(_HEADS):
                refs.branches[name.removeprefix(_HEADS)] = commit
            elif name.startswith(_TAGS):
                # An annotated tag is listed twice; the second, peeled one is the commit.
                refs.tags[name.removeprefix(_TAGS).removesuffix(_PEELED)] = commit
        if not refs.branches and not refs.tags:
            raise SourceError(
                f"found {without_credentials(address.url)!r}, a repository without branches and tags", "source"
            )
        return refs

    def _newest(self, address: Address, refs: Refs, version: str | None) -> Resolved:
        asked = f"{version} asked" if version else "no version given"
        tag = newest_tag(refs.tags)
        if tag is not None:
            return Resolved(tag, refs.tags[tag], _TAGS + tag, f"{asked}: {tag} is the newest tag as of now")
        branch = self._default_branch(address, refs)
        return _of_branch(branch, refs.branches[branch], f"{asked} and no tags: the tip of {branch} as of now")

    def _default_branch(self, address: Address, refs: Refs) -> str:
        found = re.search(
            r"^ref: refs/heads/(\S+)\tHEAD$", self._ask(address, "--symref", pattern="HEAD"), re.MULTILINE
        )
        for branch in (found[1] if found else "", "main", "master", *refs.branches):
            if branch in refs.branches:
                return branch
        raise SourceError(f"found {without_credentials(address.url)!r}, a repository without branches", "source")

    def _ask(self, address: Address, *flags: str, pattern: str | None = None) -> str:
        if address.local and not address.url.startswith("file://") and not os.path.isdir(address.url):
            raise SourceError(f"found {address.url!r}, where there is no folder; expected a git repository", "source")
        try:
            return git.run(
                ["ls-remote", *flags, "--", address.url, *([pattern] if pattern else [])],
                timeout=min(self._timeout, 60.0),
                address=address,
            )
        except git.GitError as error:
            shown = without_credentials(address.url)
            raise SourceError(f"found {shown!r}, which can't be read: {error.message}", "source") from error

    def _fetch(self, address: Address, resolved: Resolved, repository: str) -> None:
        git.run(["init", "--quiet", "--bare", "--template=", "--", repository], timeout=60)
        git.run(["symbolic-ref", "HEAD", f"refs/heads/{BRANCH}"], timeout=60, repository=repository)
        first: git.GitError | None = None
        # A server may refuse a bare commit id; then the ref is asked for, and must still mean that commit.
        for wanted in filter(None, (resolved.commit, resolved.full_ref)):
            try:
                self._fetch_one(address, wanted, repository)
            except git.GitError as error:
                first = first or error
                continue
            found = git.run(["rev-parse", f"{_FETCHED}^{{commit}}"], timeout=60, repository=repository).strip()
            if found == resolved.commit:
                git.run(["update-ref", f"refs/heads/{BRANCH}", found], timeout=60, repository=repository)
                git.run(["update-ref", "-d", _FETCHED], timeout=60, repository=repository)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(repository, "FETCH_HEAD"))
                return
        raise self._not_fetched(address, resolved, first)

    def _fetch_one(self, address: Address, wanted: str, repository: str) -> None:
        # Not straight to the branch: an annotated tag is no commit, and git refuses it there.
        refspec = f"+{wanted}:{_FETCHED}"
        flags = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-gc"]
        git.run(
            ["fetch", *flags, "--", address.url, refspec], timeout=self._timeout, address=address, repository=repository
        )

    def _not_fetched(self, address: Address, resolved: Resolved, error: git.GitError | None) -> SourceError:
        if resolved.full_ref is None:
            self._refs(address)  # an address that can't be reached at all is a fault of the source
            expected = "expected a commit that the repository hands out; name the tag or branch that holds it"
            return SourceError(f'found "{resolved.commit}"; {expected}', "version")
        reason = error.message if error else f"{resolved.ref} was moved while it was fetched"
        return SourceError(f"found {without_credentials(address.url)!r}, which can't be fetched: {reason}", "source")

    def _is_whole(self, path: str, commit: str) -> bool:
        if not os.path.isdir(path):
            return False
        try:
            found = git.run(["rev-parse", f"refs/heads/{BRANCH}^{{commit}}"], timeout=60, repository=path).strip()
            git.run(["cat-file", "-e", f"{commit}^{{tree}}"], timeout=60, repository=path)
        except git.GitError:
            found = ""
        if found != commit:
            shutil.rmtree(path, ignore_errors=True)
        return found == commit

    def _repository(self, commit: str) -> str:
        return os.path.join(self.cache, f"{commit}.git")

    def _lock(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())

    @contextlib.contextmanager
    def _beside(self) -> t.Iterator[str]:
        """A folder of our own on the cache's file system; what killed controllers left there a day ago is removed."""
        try:
            os.makedirs(self.cache, mode=0o700, exist_ok=True)
            for name in os.listdir(self.cache):
                old = os.path.join(self.cache, name)
                if name.startswith(".new-") and time.time() - os.stat(old).st_mtime > _ABANDONED_AFTER:
                    shutil.rmtree(old, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.cache, ignore_cleanup_errors=True) as folder:
                yield folder
        except OSError as error:
            raise LockstepError(f"the cache {self.cache} can't be written: {error.strerror or error}") from error


def newest_tag(tags: t.Iterable[str]) -> str | None:
    """The newest tag by version order; a pre-release only where there is nothing else. None without versions."""
    packaging_version = need("packaging.version")
    versions: list[tuple[bool, t.Any, str]] = []
    for tag in tags:
        try:
            version = packaging_version.Version(tag.removeprefix("v"))
        except packaging_version.InvalidVersion:
            continue
        versions.append((not version.is_prerelease, version, tag))
    return max(versions)[2] if versions else None


def _named(refs: Refs, version: str) -> Resolved | None:
    """The tag or branch of a name; ``1.2`` may stand for the tag ``v1.2`` and the other way round."""
    if version in refs.tags:
        also = f"{version} is a tag and a branch; the tag is taken" if version in refs.branches else ""
        return Resolved(version, refs.tags[version], _TAGS + version, also)
    if version in refs.branches:
        return _of_branch(version, refs.branches[version])
    other = version.removeprefix("v") if version.startswith("v") else f"v{version}"
    if other in refs.tags:
        return Resolved(other, refs.tags[other], _TAGS + other)
    return None


def _of_branch(branch: str, commit: str, note: str = "") -> Resolved:
    return Resolved(branch, commit, _HEADS + branch, note)


def _no_such(version: str, refs: Refs, address: Address) -> str:
    close = difflib.get_close_matches(version, [*refs.tags, *refs.branches], n=3)
    guess = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f'found "{version}"{guess}; expected a tag, branch or commit of {without_credentials(address.url)}'


def _put(made: str, path: str) -> None:
    """Rename into place; whoever was first wins, and both have the same commit."""
    try:
        os.rename(made, path)
    except OSError:
        if not os.path.isdir(path):
            raise


def _pack(repository: str, archive: str) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = 0
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    with tarfile.open(archive, "w") as tar:
        for name in sorted(os.listdir(repository)):
            tar.add(os.path.join(repository, name), arcname=name, filter=plain)
