# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's values in and out: tags go, vaulted values stay vaulted, what is shared stays shared."""

from __future__ import annotations

import typing as t

from ansible.parsing.vault import EncryptedString
from ansible.template import trust_as_template

from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_values
from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import VaultedText

CIPHER = "$ANSIBLE_VAULT;1.1;AES256\n6162\n"


def test_tags_are_taken_off() -> None:
    found = ansible_values.plain({trust_as_template("a"): [trust_as_template("b"), 1, True, None, 2.5, ("c",)]})
    assert found == {"a": ["b", 1, True, None, 2.5, ["c"]]}
    assert {type(value) for value in found["a"]} == {str, int, bool, type(None), float, list}
    assert [type(name) for name in found] == [str]


def test_vaulted_values_go_in_and_come_out_vaulted() -> None:
    inside = ansible_values.plain({"a": EncryptedString(ciphertext=CIPHER), "b": {"__ansible_vault": CIPHER}})
    assert [type(value) for value in inside.values()] == [VaultedText, VaultedText]
    assert str.__str__(inside["a"]) == CIPHER
    outside = ansible_values.with_vault(inside)
    assert [type(value) for value in outside.values()] == [EncryptedString, EncryptedString]


def test_a_vaulted_text_does_not_show_itself() -> None:
    assert "6162" not in repr({"key": VaultedText(CIPHER)})


def test_what_holds_nothing_vaulted_is_not_copied() -> None:
    shared: dict[str, t.Any] = {"config": {"a": [1, {"b": "c"}]}}
    assert ansible_values.with_vault(shared) is shared
    once = ansible_values.VaultedOnce()
    assert once(shared) is shared


def test_shared_parts_stay_shared() -> None:
    config = {"key": VaultedText(CIPHER)}
    once = ansible_values.VaultedOnce()
    one, other = once({"name": "a", "config": config}), once({"name": "b", "config": config})
    assert one["config"] is other["config"]
    assert type(one["config"]["key"]) is EncryptedString
    assert config == {"key": VaultedText(CIPHER)}
