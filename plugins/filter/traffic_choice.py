# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The units whose traffic is moved."""

from __future__ import annotations

DOCUMENTATION = r"""
name: traffic_choice
short_description: Chooses the units whose traffic is moved
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Finds the units of the sites that a user names, or the benches of their servers where nginx's configuration is
    to be written.
  - No site is chosen by saying nothing.
positional: _input, hostvars
extends_documentation_fragment:
  - lockstep.deploy.choice
  - lockstep.deploy.choice.sites
options:
  state:
    description: What is asked for, V(stopped), V(maintenance), V(live) or V(rendered).
    type: str
    default: ""
  allow:
    description: Addresses that get in during maintenance, listed in the same way.
    type: raw
    default: ""
"""

EXAMPLES = r"""
- name: Choose what is stopped
  ansible.builtin.set_fact:
    chosen: "{{ groups.lockstep_units | lockstep.deploy.traffic_choice(hostvars, state='stopped', sites='a.example') }}"
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
    named:
      description: Whether each of them was named.
      type: bool
    allow:
      description: The addresses.
      type: list
      elements: str
    by:
      description: Who asks.
      type: str
    problem:
      description: Why nothing can be done; empty if something can.
      type: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.traffic_choice import choose


def traffic_choice(
    units: t.Iterable[str], hostvars: t.Mapping[str, t.Any], state: str = "", sites: t.Any = "", allow: t.Any = ""
) -> dict[str, t.Any]:
    """See the documentation above."""
    known = {
        unit: {
            "server": hostvars[unit]["lockstep_server"],
            "bench": hostvars[unit]["lockstep_bench"]["name"],
            "site": (hostvars[unit].get("lockstep_site") or {}).get("name"),
        }
        for unit in units
        if unit in hostvars
    }
    return choose(state, sites, allow, known)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"traffic_choice": traffic_choice}
