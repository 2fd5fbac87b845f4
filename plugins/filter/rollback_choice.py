# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollback acts on, for the play that chooses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_choice
short_description: Chooses what a rollback acts on
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Finds the units whose newest deployment is the one to take back, from the fact C(lockstep_status) of each unit.
  - Units without that fact were not asked for. Those that nothing is known of, because their server can't be reached
    or their records can't be read, may be on any deployment, so V(last) is refused as long as there are such.
positional: _input, hostvars
extends_documentation_fragment:
  - lockstep.deploy.choice
options:
  deployment_id:
    description: The deployment, or V(last), the newest of these units. Without it, the result tells which there are.
    type: str
    default: ''
  only:
    description: Names of units, as a list or separated by spaces or commas. Of others nothing has to be known.
    type: raw
    default: ''
  manual:
    description: Whether a unit goes back although units that depend on it don't.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what would be taken back
  ansible.builtin.debug:
    msg: "{{ groups.lockstep_units | lockstep.deploy.rollback_choice(hostvars, deployment_id='last') }}"
"""

RETURN = r"""
_value:
  description: The choice.
  type: dict
  contains:
    deployment_id:
      description: The deployment.
      type: str
    units:
      description: The units to take back, each with C(name), C(site) and C(depends_on).
      type: list
      elements: dict
    unknown:
      description:
        - By name, the units that nothing is known of, each with C(state) (V(unreachable)) and C(reason), as the filter
          P(lockstep.deploy.verdict#filter) takes records.
      type: dict
    lines:
      description: What people have to know.
      type: list
      elements: str
    problem:
      description: Why nothing can be done; empty if something can.
      type: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.rollback_choice import choose


def rollback_choice(
    units: t.Iterable[str],
    hostvars: t.Mapping[str, t.Any],
    deployment_id: str = "",
    only: t.Any = "",
    manual: bool = False,
) -> dict[str, t.Any]:
    """See the documentation above."""
    asked = [unit for unit in units if unit in hostvars and "lockstep_status" in hostvars[unit]]
    statuses = {unit: hostvars[unit]["lockstep_status"] for unit in asked}
    depends_on = {unit: hostvars[unit].get("lockstep_depends_on", []) for unit in asked}
    return choose(statuses, depends_on, deployment_id, only, manual)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"rollback_choice": rollback_choice}
