# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps as real git repositories with releases, made from the templates in ``apps/``.

A release is a stack of layers: the files of ``apps/<app>/<layer>/``, later ones over earlier ones. Dates and authors
are fixed, so commit ids are the same on every machine.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

TEMPLATES = pathlib.Path(__file__).parent / "apps"
_PLACEHOLDER = b"0.0.0"
_FIRST_DATE = 1735689600
_DAY = 86400


class Release(t.NamedTuple):
    """One commit with a tag.

    Attributes:
        tag: As git knows it.
        version: What the package says of itself.
        layers: Folders of templates.
        parent: Tag of the commit before; None for the first.
        branches: Branches whose tip it is.
    """

    tag: str
    version: str
    layers: tuple[str, ...]
    parent: str | None = None
    branches: tuple[str, ...] = ()


def _large(first: str, second: str, *extra: Release) -> tuple[Release, ...]:
    """The releases of an app that is versioned like Frappe."""
    old, new = first.rpartition(".")[0], second
    return (
        Release(f"v{first}", first, ("base",), branches=("version-15",)),
        Release(f"v{second}", second, ("base", "v2"), f"v{first}", ("version-16", "develop")),
        Release(f"v{second}-additive", f"{new[:-1]}1", ("base", "additive"), f"v{first}"),
        Release(f"v{second}-bad", f"{new[:-1]}2", ("base", "bad"), f"v{first}"),
        Release(f"v{second}-slow", f"{new[:-1]}3", ("base", "slow"), f"v{first}"),
        Release(f"v{old}.1", f"{old}.1", ("base",), f"v{first}"),
        *extra,
    )


RELEASES: dict[str, tuple[Release, ...]] = {
    "frappe": _large("15.9.0", "16.0.0"),
    "erpnext": _large("15.9.0", "16.0.0"),
    "custom_app": (
        Release("v0.9.0", "0.9.0", ("base",)),
        Release("v1.0.0", "1.0.0", ("base", "v2"), "v0.9.0", ("main", "develop")),
        Release("v1.0.0-additive", "1.0.1", ("base", "additive"), "v0.9.0"),
        Release("v1.0.0-bad", "1.0.2", ("base", "bad"), "v0.9.0"),
        Release("v1.0.0-slow", "1.0.3", ("base", "slow"), "v0.9.0"),
        Release("v1.0.0-unhealthy", "1.0.4", ("base", "unhealthy"), "v0.9.0"),
        Release("v0.9.1", "0.9.1", ("base",), "v0.9.0"),
    ),
    "extra": (
        Release("v1.0.0", "1.0.0", ("base",), branches=("main",)),
        Release("v1.1.0", "1.1.0", ("base",), "v1.0.0", ("develop",)),
    ),
}


def make_repositories(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Make the repositories that are not there yet.

    Returns:
        The path of each app's repository, which is also what to clone from.
    """
    return {app: make_repository(folder / app, releases, TEMPLATES / app) for app, releases in RELEASES.items()}


def make_repository(target: pathlib.Path, releases: t.Sequence[Release], templates: pathlib.Path) -> pathlib.Path:
    """Make one repository, unless it is there.

    Args:
        target: Where; its last part is the app's name.
        releases: What it has; a parent before its children.
        templates: Folder of the layers.
    """
    if (target / ".git").exists():
        return target
    app = target.name
    target.parent.mkdir(parents=True, exist_ok=True)
    first = releases[0].branches or releases[1].branches
    _git(target.parent, "init", "--quiet", f"--initial-branch={first[0]}", str(target))
    _git(target, "fast-import", "--quiet", stdin=_stream(app, releases, templates))
    _git(target, "reset", "--quiet", "--hard")
    return target


def _stream(app: str, releases: t.Sequence[Release], templates: pathlib.Path) -> bytes:
    lines = []
    for mark, release in enumerate(releases, start=1):
        date = _FIRST_DATE + mark * _DAY
        lines += [
            f"commit refs/tags/{release.tag}".encode(),
            f"mark :{mark}".encode(),
            f"committer {app} developers <{app}@example.invalid> {date} +0000".encode(),
            _data(f"{app} {release.version}\n".encode()),
        ]
        if release.parent:
            lines.append(f"from refs/tags/{release.parent}".encode())
        lines.append(b"deleteall")
        for path, content in sorted(files_of(app, release, templates).items()):
            lines += [f"M 100644 inline {path}".encode(), _data(content)]
        for branch in release.branches:
            lines += [f"reset refs/heads/{branch}".encode(), f"from :{mark}".encode(), b""]
    return b"\n".join(lines) + b"\n"


def _data(content: bytes) -> bytes:
    return b"data %d\n%s" % (len(content), content)


def files_of(app: str, release: Release, templates: pathlib.Path) -> dict[str, bytes]:
    """The files of a release; its version is written where the templates have a placeholder."""
    found: dict[str, bytes] = {}
    for layer in release.layers:
        base = templates / layer
        if not base.is_dir():
            raise FileNotFoundError(base)
        for path in base.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[path.relative_to(base).as_posix()] = path.read_bytes()
    for name in (f"{app}/__init__.py", *(name for name in found if name.endswith(".bundle.js"))):
        found[name] = found[name].replace(_PLACEHOLDER, release.version.encode())
    return found


def _git(folder: pathlib.Path, *arguments: str, stdin: bytes | None = None) -> None:
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, env={**os.environ, **quiet}, check=True, capture_output=True
    )
