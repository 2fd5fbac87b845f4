# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command that takes a deployment back, as the user of this run would type it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_command
short_description: Makes the command that takes a deployment of this inventory back
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Returns the command line of the rollback with the inventories of this run, quoted for a shell. What is taken back,
    and why, comes behind it.
positional: _input, folder
options:
  _input:
    description: The variable C(ansible_inventory_sources).
    type: list
    elements: str
    required: true
  folder:
    description: The variable C(playbook_dir) of one of the collection's playbooks.
    type: str
    required: true
  deployment_config:
    description: The extra variable of that name; one that is not a path can't be repeated and is left out.
    type: raw
"""

EXAMPLES = r"""
- name: Show how this deployment would be taken back
  ansible.builtin.debug:
    msg: "{{ ansible_inventory_sources | lockstep.deploy.rollback_command(playbook_dir) }} -e deployment_id=last"
"""

RETURN = r"""
_value:
  description: The command.
  type: str
"""

import os
import shlex
import typing as t

from ansible import constants


def rollback_command(sources: t.Iterable[str], folder: str, deployment_config: t.Any = None) -> str:
    """See the documentation above."""
    words = [*_configuration(), "ansible-playbook"]
    for source in sources:
        words += ["-i", str(source)]
    words.append(os.path.join(folder, "rollback.yml"))
    if isinstance(deployment_config, str) and deployment_config:
        words += ["-e", f"deployment_config={deployment_config}"]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"{name}={shlex.quote(value)}" if equals and name.isidentifier() else shlex.quote(word)


def _configuration() -> list[str]:
    """What finds a configuration again that only the folder of this run leads to."""
    own = (None, "/etc/ansible/ansible.cfg", os.path.expanduser("~/.ansible.cfg"))
    found = getattr(constants, "CONFIG_FILE", None)
    return [] if found in own else [f"ANSIBLE_CONFIG={found}"]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"rollback_command": rollback_command}
