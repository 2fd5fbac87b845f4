# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between Ansible's values (tagged texts, vaulted values) and the plain ones that the rest of the collection uses."""

from __future__ import annotations

import typing as t

from ansible.parsing.vault import EncryptedString, VaultHelper

from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import VaultedText, tagged


def plain(value: t.Any) -> t.Any:
    """A value without Ansible's tags. What is vaulted stays vaulted."""
    if isinstance(value, dict):
        return tagged({str(name): plain(member) for name, member in value.items()})
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    ciphertext = VaultHelper.get_ciphertext(value, with_tags=False)
    if ciphertext is not None:
        return VaultedText(ciphertext)
    if isinstance(value, bool) or value is None:
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def with_vault(value: t.Any) -> t.Any:
    """A value in which vaulted texts are Ansible's own again; the same object where there are none."""
    if isinstance(value, VaultedText):
        return EncryptedString(ciphertext=str.__str__(value))
    if isinstance(value, dict):
        members = {name: with_vault(member) for name, member in value.items()}
        return members if any(members[name] is not member for name, member in value.items()) else value
    if isinstance(value, list):
        items = [with_vault(member) for member in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


class VaultedOnce:
    """:func:`with_vault` for values that share parts: shared parts are looked at once and stay shared."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[t.Any, t.Any]] = {}

    def __call__(self, value: dict[str, t.Any]) -> dict[str, t.Any]:
        result = value
        for name, member in value.items():
            if isinstance(member, (dict, list)) and member:
                # The member itself is kept too: an id alone may belong to another object later.
                _member, made = self._seen.setdefault(id(member), (member, with_vault(member)))
                if made is not member:
                    result = {**result, name: made}
        return result
