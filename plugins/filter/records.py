# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What units reported, collected for the plays that judge them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: records
short_description: Collects a fact of several units
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Returns a fact of each unit that has it, by unit.
positional: _input, hostvars, name
options:
  _input:
    description: Names of the units.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable of that name.
    type: dict
    required: true
  name:
    description: Name of the fact.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what became of every unit
  ansible.builtin.debug:
    msg: "{{ lockstep_selected | lockstep.deploy.records(hostvars, 'lockstep_forward') }}"
"""

RETURN = r"""
_value:
  description: The fact by unit.
  type: dict
"""

import typing as t


def records(units: t.Iterable[str], hostvars: t.Mapping[str, t.Any], name: str) -> dict[str, t.Any]:
    """See the documentation above."""
    return {unit: hostvars[unit][name] for unit in units if unit in hostvars and name in hostvars[unit]}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"records": records}
