# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an app says of itself at a commit: its version and the apps it needs. Read, never imported."""

from __future__ import annotations

import ast
import dataclasses
import threading
import tomllib
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import git, requirements
from ansible_collections.lockstep.deploy.plugins.plugin_utils.constants_in import Constants, NotConstant
from ansible_collections.lockstep.deploy.plugins.plugin_utils.requirements import Requirement
from ansible_collections.lockstep.deploy.plugins.plugin_utils.sources import BRANCH

_TIMEOUT = 60.0
_PARSER = threading.Lock()


class DeclarationError(LockstepError):
    """An app whose declaration can't be read, or that is no Frappe app."""


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What an app declares.

    Args:
        module: Its Python package, which is the app's name to Frappe.
        version: ``__version__`` of its package, else the version in ``pyproject.toml``; None when it says none.
        requires: Each app it needs with the ranges it must be in, from ``hooks.py`` and ``pyproject.toml``.
    """

    module: str
    version: str | None
    requires: tuple[Requirement, ...]


def read_declaration(repository: str, name: str) -> Declaration:
    """Read an app's declaration from a bare repository.

    Args:
        repository: Path of the repository, its commit on the branch ``lockstep``.
        name: The app's name in the deployment file.

    Raises:
        DeclarationError: It is no Frappe app, it is another one, or ``hooks.py`` or ``pyproject.toml`` can't be read.
    """
    files = _Files(repository)
    module = _module(files, name)
    project = read_project(files.text("pyproject.toml") or "")
    init = files.text(f"{module}/__init__.py") or ""
    hooks = required_apps(files.text(f"{module}/hooks.py") or "", f"{module}/hooks.py")
    return Declaration(module, version_of(init) or project.version, (*hooks, *project.requires))


class _Files:
    """Files of a commit."""

    def __init__(self, repository: str) -> None:
        self._repository = repository
        listed = git.run(["ls-tree", "-r", "-z", "--name-only", BRANCH], timeout=_TIMEOUT, repository=repository)
        self.names = frozenset(listed.split("\0"))

    def text(self, name: str) -> str | None:
        """A file's content; None when there is no such file."""
        if name not in self.names:
            return None
        return git.run(["cat-file", "blob", f"{BRANCH}:{name}"], timeout=_TIMEOUT, repository=self._repository)


def _module(files: _Files, name: str) -> str:
    """The package that holds hooks.py: the app's name, whatever the repository is called."""
    found = sorted(path.split("/")[0] for path in files.names if path.count("/") == 1 and path.endswith("/hooks.py"))
    if name in found:
        return name
    if found:
        raise DeclarationError(
            f'found "{name}", but the repository holds the app {" and ".join(found)}; expected its name'
        )
    raise DeclarationError(f"found a repository without {name}/hooks.py, which is no Frappe app")


def required_apps(source: str, file: str = "hooks.py") -> tuple[Requirement, ...]:
    """The apps that ``required_apps`` of a hooks.py names.

    Args:
        source: The file's text.
        file: Its name, for messages.

    Raises:
        DeclarationError: It doesn't parse, or ``required_apps`` is more than constants.
    """
    try:
        tree = _parsed(source)
    except (SyntaxError, ValueError) as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        raise DeclarationError(f"found {file}, which is no valid Python: {what}{line}") from error
    try:
        value = Constants(tree, "required_apps").value()
    except NotConstant as error:
        raise DeclarationError(f"found required_apps in {file}, {error}; expected a list of texts") from error
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DeclarationError(f"found required_apps in {file}, which is no list of texts; expected one")
    try:
        return tuple(requirements.parse(one) for one in value)
    except ValueError as error:
        raise DeclarationError(f"found required_apps in {file}: {error}; expected names of apps") from error


def _parsed(source: str) -> ast.Module:
    """A file's syntax tree.

    Raises:
        SyntaxError: It is no Python.
        ValueError: It can't be one, or is nested too deeply.
    """
    try:
        # Apps are looked at by several threads, and two that parse at once can disturb each other in Python 3.11:
        # SystemError, "AST constructor recursion depth mismatch" (seen with 3.11.2; CPython issue 106905).
        with _PARSER:
            return ast.parse(source)
    except (RecursionError, MemoryError):
        raise ValueError("it is nested too deeply") from None


def version_of(source: str) -> str | None:
    """``__version__`` of a package's ``__init__.py``; None when it is not there or computed."""
    try:
        value = Constants(_parsed(source), "__version__").value()
    except (SyntaxError, ValueError, NotConstant):
        return None
    return value.strip() or None if isinstance(value, str) else None


class Project(t.NamedTuple):
    """What matters in a pyproject.toml."""

    version: str | None
    requires: tuple[Requirement, ...]


def read_project(source: str) -> Project:
    """Read version and ``[tool.bench.frappe-dependencies]`` of a pyproject.toml.

    Raises:
        DeclarationError: It is no valid TOML, or the dependencies are no ranges.
    """
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"found pyproject.toml, which is no valid TOML: {error}") from error
    version = _table(data, "project").get("version")
    needed = _table(_table(_table(data, "tool"), "bench"), "frappe-dependencies")
    found = []
    for name, limits in needed.items():
        where = f"tool.bench.frappe-dependencies.{name} in pyproject.toml"
        if not isinstance(limits, str):
            raise DeclarationError(f"found {where}, which is no text; expected a version range")
        try:
            requirements.check_range(limits)
            found.append(Requirement(requirements.parse(name).name, requirements.clean(limits)))
        except ValueError as error:
            raise DeclarationError(f"found {where}: {error}") from error
    return Project(version if isinstance(version, str) and version else None, tuple(found))


def _table(data: dict[str, t.Any], name: str) -> dict[str, t.Any]:
    found = data.get(name, {})
    return found if isinstance(found, dict) else {}
