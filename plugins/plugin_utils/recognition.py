# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a file is a deployment file, or somebody else's YAML."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import document
from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import Lines
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError

PLUGIN = "lockstep.deploy.deployment"
_VAULT = "$ANSIBLE_VAULT"
_ENDINGS = (".yml", ".yaml", ".json")
_OUR_NAME = re.compile(r"(?:.*[._-])?deployment(?:[._-].*)?\.(?:ya?ml|json)\Z")
_PLUGIN_LINE = re.compile(r"""^["']?plugin["']?[ \t]*:[ \t]*["']?(?P<name>[\w.]+)""", re.MULTILINE)
_TOP_KEY = re.compile(r"""^["']?(?P<key>apps|sites)["']?[ \t]*:""", re.MULTILINE)
_GROUP_KEYS = frozenset(("hosts", "children", "vars"))


class Recognised(t.NamedTuple):
    """Whose a file is.

    Args:
        ours: Whether it is a deployment file, also one with errors.
        document: Its data and lines, where it had to be read to know; it need not be read again.
    """

    ours: bool
    document: tuple[t.Any, Lines] | None = None


def recognise(text: str, name: str) -> Recognised:
    """Find out whether a text is a deployment file.

    A file that names this inventory plugin is one. Without a ``plugin`` line it must end in .yml, .yaml or .json, and
    have ``apps`` and ``sites``, one of them where its name says deployment. Ansible's own inventories may have groups
    of these names; they are recognised by what a group consists of. Most other files are told by a look at their
    first columns, without reading them as YAML.

    Args:
        text: The file's content.
        name: Its name without folders.
    """
    plugin = _PLUGIN_LINE.search(text)
    if plugin:
        return Recognised(plugin["name"] == PLUGIN)
    if not name.endswith(_ENDINGS):
        return Recognised(False)
    named_so = bool(_OUR_NAME.match(name))
    if text.startswith(_VAULT):
        return Recognised(named_so)
    keys = {found["key"] for found in _TOP_KEY.finditer(text)}
    in_braces = text.lstrip().startswith("{")
    if in_braces:
        keys = {key for key in ("apps", "sites", PLUGIN) if key in text}
    if len(keys) < (1 if named_so else 2):
        return Recognised(False)
    try:
        found = document.read(text, name)
    except DeploymentError:
        return Recognised(True)
    return Recognised(_is_ours(found[0], named_so), found)


def _is_ours(data: t.Any, named_so: bool) -> bool:
    if not isinstance(data, dict):
        return False
    if "plugin" in data:
        return bool(data["plugin"] == PLUGIN)
    found = [data[key] for key in ("apps", "sites") if key in data]
    if any(isinstance(value, dict) and set(value) <= _GROUP_KEYS for value in found):
        return False
    return len(found) >= (1 if named_so else 2)
