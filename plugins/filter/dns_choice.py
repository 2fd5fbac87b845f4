# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose DNS records are looked at or changed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_choice
short_description: Chooses the sites whose DNS records are looked at or changed
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Finds the units of the sites that a user names; all of them by default.
positional: _input, hostvars
extends_documentation_fragment:
  - lockstep.deploy.choice
  - lockstep.deploy.choice.sites
options:
  state:
    description: What is asked for, as M(lockstep.deploy.dns_info) takes it.
    type: str
    default: present
"""

EXAMPLES = r"""
- name: Choose whose records are removed
  ansible.builtin.set_fact:
    chosen: >-
      {{ groups.driver_frappe_site | lockstep.deploy.dns_choice(hostvars, state='absent', sites='a.example') }}
"""

RETURN = r"""
_value:
  description: The choice.
  type: dict
  contains:
    units:
      description: Names of the units to act on.
      type: list
      elements: str
    problem:
      description: Why nothing can be done; empty if something can.
      type: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.dns_choice import choose


def dns_choice(
    units: t.Iterable[str], hostvars: t.Mapping[str, t.Any], state: str = "present", sites: t.Any = ""
) -> dict[str, t.Any]:
    """See the documentation above."""
    known = {unit: str(hostvars[unit]["lockstep_site"]["name"]) for unit in units if unit in hostvars}
    return choose(str(state), sites, known)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"dns_choice": dns_choice}
