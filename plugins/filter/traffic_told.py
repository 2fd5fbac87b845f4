# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of the traffic of every unit."""

from __future__ import annotations

DOCUMENTATION = r"""
name: traffic_told
short_description: Tells what became of the traffic of every unit
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Puts together what M(lockstep.deploy.traffic) returned for each unit. One that nothing is known of has failed.
positional: _input, records
options:
  _input:
    description: Names of the units.
    type: list
    elements: str
    required: true
  records:
    description: What the module returned, by unit. Or C(error), why it returned nothing.
    type: dict
    required: true
  state:
    description: What was asked for.
    type: str
    required: true
  check:
    description: Whether nothing was to be changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Put together what became of every unit
  ansible.builtin.set_fact:
    told: "{{ chosen.units | lockstep.deploy.traffic_told(found, state='stopped') }}"
"""

RETURN = r"""
_value:
  description: All of it.
  type: dict
  contains:
    lines:
      description: For people.
      type: list
      elements: str
    failed:
      description: Names of the units that are not as asked for.
      type: list
      elements: str
    msg:
      description: All failures in one text.
      type: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.traffic_choice import tell


def traffic_told(
    units: t.Sequence[str], records: t.Mapping[str, t.Any], state: str, check: bool = False
) -> dict[str, t.Any]:
    """See the documentation above."""
    return tell(units, records, state, check)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"traffic_told": traffic_told}
