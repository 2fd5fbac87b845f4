# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command that is printed works from any folder."""

from __future__ import annotations

import os

import pytest

from ansible_collections.lockstep.deploy.plugins.filter import rollback_command


@pytest.mark.parametrize("own", [None, "/etc/ansible/ansible.cfg", os.path.expanduser("~/.ansible.cfg")])
def test_a_configuration_that_is_found_anyway_is_not_named(monkeypatch: pytest.MonkeyPatch, own: str | None) -> None:
    monkeypatch.setattr(rollback_command.constants, "CONFIG_FILE", own)
    said = rollback_command.rollback_command(["/a b/d.yml"], "/c/playbooks")
    assert said == "ansible-playbook -i '/a b/d.yml' /c/playbooks/rollback.yml"


def test_a_configuration_of_the_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback_command.constants, "CONFIG_FILE", "/c d/ansible.cfg")
    said = rollback_command.rollback_command([], "/c/playbooks", "d.yml")
    assert (
        said
        == "ANSIBLE_CONFIG='/c d/ansible.cfg' ansible-playbook /c/playbooks/rollback.yml -e deployment_config=d.yml"
    )
