# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sites' shared visitors are looked at, or taken to one side."""

from __future__ import annotations

DOCUMENTATION = r"""
name: split_choice
short_description: Chooses the sites whose shared visitors are looked at
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Finds the units of the sites that a user names. To end a share, sites have to be named, or V(all) of them, and a
    reason.
positional: _input, hostvars
extends_documentation_fragment:
  - lockstep.deploy.choice
  - lockstep.deploy.choice.sites
options:
  end:
    description: What becomes of the visitors, V(promote) or V(back); empty to look only.
    type: str
    default: ""
  reason:
    description: Why it is ended.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Choose whose share is ended
  ansible.builtin.set_fact:
    chosen: >-
      {{ groups.driver_frappe_site
         | lockstep.deploy.split_choice(hostvars, end='promote', sites='a.example', reason='it sells more') }}
"""

RETURN = r"""
_value:
  description: The choice.
  type: dict
  contains:
    units:
      description: Names of the units to look at.
      type: list
      elements: str
    named:
      description: Whether each of them was named. Else it is those among them whose share is held that are ended.
      type: bool
    by:
      description: Who asks.
      type: str
    problem:
      description: Why nothing can be done; empty if something can.
      type: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.split import choose


def split_choice(
    units: t.Iterable[str], hostvars: t.Mapping[str, t.Any], end: str = "", sites: t.Any = "", reason: str = ""
) -> dict[str, t.Any]:
    """See the documentation above."""
    known = {unit: str(hostvars[unit]["lockstep_site"]["name"]) for unit in units if unit in hostvars}
    return choose(str(end), sites, str(reason), known)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"split_choice": split_choice}
