# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployment files as data: YAML or JSON, without the surprises of YAML 1.1, and the line of every value."""

from __future__ import annotations

import json
import typing as t

import yaml

from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError, Path, Problem

_BASE: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_UNSUPPORTED = ("binary", "omap", "pairs", "set")


class VaultedText(str):
    """A value encrypted by Ansible Vault. Its text is the ciphertext; only Ansible can open it."""

    def __repr__(self) -> str:
        return "VaultedText()"


class _Loader(_BASE):  # type: ignore[misc]
    """Safe YAML that knows Ansible's tags, leaves dates as texts, and notices keys that would get lost."""

    keys_to_look_at = False

    def construct_mapping(self, node: t.Any, deep: bool = False) -> dict[t.Any, t.Any]:
        written = len(node.value)
        mapping: dict[t.Any, t.Any] = super().construct_mapping(node, deep)
        if len(mapping) != written or any(not isinstance(key, str) for key in mapping):
            self.keys_to_look_at = True
        return mapping

    def refuse(self, node: t.Any) -> t.NoReturn:
        raise yaml.constructor.ConstructorError(None, None, f"the tag {node.tag} is not supported", node.start_mark)

    def vaulted(self, node: t.Any) -> VaultedText:
        return VaultedText(self.construct_scalar(node))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in _BASE.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("!vault", _Loader.vaulted)
_Loader.add_constructor("!unsafe", _Loader.construct_scalar)
for _name in _UNSUPPORTED:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _Loader.refuse)


class Lines:
    """Where values stand in a file. The text is looked at again only when somebody asks."""

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._node: t.Any = None

    def line(self, path: Path) -> int | None:
        """Line of the value at a path, or of the nearest thing above it that can be found."""
        node, line = self._root(), None
        for part in path:
            found = _member(node, part)
            if found is None:
                break
            line, node = found
        return line

    def written(self, path: Path) -> str | None:
        """A plain value as it stands in the file: ``1.10`` where YAML makes 1.1 of it."""
        node = self._root()
        for part in path:
            found = _member(node, part)
            if found is None:
                return None
            node = found[1]
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def odd_keys(self) -> list[Problem]:
        """Keys that stand twice in one mapping, and keys that YAML doesn't read as texts."""
        return list(_odd_keys(self._root(), ()))

    def _root(self) -> t.Any:
        if self._node is None and self._text:
            try:
                self._node = yaml.compose(self._text, Loader=_Loader)
            except yaml.YAMLError:
                self._text = ""
        return self._node


def _member(node: t.Any, part: str | int) -> tuple[int, t.Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _odd_keys(node: t.Any, path: Path) -> t.Iterator[Problem]:
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _odd_keys(item, (*path, position))
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                continue
            line, name = key.start_mark.line + 1, str(key.value)
            if key.tag != _TEXT:
                message = f'found the key {name}, which YAML does not read as text; write it in quotes: "{name}"'
                yield Problem((*path, name), message, line)
            elif name in seen:
                message = f"found twice in one mapping (first in line {seen[name]}); expected once"
                yield Problem((*path, name), message, line)
            seen.setdefault(name, line)
            yield from _odd_keys(value, (*path, name))


def read(text: str, file: str) -> tuple[t.Any, Lines]:
    """Read a deployment file's text.

    Args:
        text: Its content, JSON when the name ends in ``.json`` or it begins with a brace, else YAML.
        file: Its name, for messages.

    Returns:
        The data, and where its values stand.

    Raises:
        DeploymentError: It can't be read, or keys would get lost by reading it.
    """
    lines = Lines(text)
    data, look_closer = _read_json(text, file) if _is_json(text, file) else _read_yaml(text, file)
    problems = [problem.placed(file, None) for problem in lines.odd_keys()] if look_closer else []
    if problems:
        raise DeploymentError(problems, file)
    return data, lines


def _is_json(text: str, file: str) -> bool:
    if file.endswith(".json"):
        return True
    return not file.endswith((".yml", ".yaml")) and text.lstrip().startswith("{")


def _read_yaml(text: str, file: str) -> tuple[t.Any, bool]:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data(), loader.keys_to_look_at
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        problem = Problem((), f"is not valid YAML: {what}", mark.line + 1 if mark else None, file)
        raise DeploymentError([problem], file) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = str(getattr(error, "reason", None) or "a value in it can't be read")
        raise DeploymentError([Problem((), f"is not valid YAML: {what}", None, file)], file) from None


def _read_json(text: str, file: str) -> tuple[t.Any, bool]:
    doubtful: list[bool] = []

    def members(pairs: list[tuple[str, t.Any]]) -> t.Any:
        mapping = dict(pairs)
        if len(mapping) != len(pairs):
            doubtful.append(True)
        return tagged(mapping)

    def refuse(constant: str) -> t.NoReturn:
        raise DeploymentError([Problem((), f"is not valid JSON: {constant} is no number of JSON", None, file)], file)

    try:
        return json.loads(text, object_pairs_hook=members, parse_constant=refuse), bool(doubtful)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        what = getattr(error, "msg", "it is nested too deeply")
        raise DeploymentError([Problem((), f"is not valid JSON: {what}", line, file)], file) from None


def tagged(mapping: dict[str, t.Any]) -> t.Any:
    """Ansible's way to write a vaulted or unsafe text in JSON, as the value it stands for."""
    if len(mapping) == 1:
        for key, make in (("__ansible_vault", VaultedText), ("__ansible_unsafe", str)):
            if isinstance(mapping.get(key), str):
                return make(mapping[key])
    return mapping
