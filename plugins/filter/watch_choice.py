# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sites are watched after a deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
name: watch_choice
short_description: Chooses the sites that are watched after a deployment
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Finds the sites that a deployment moved, and groups them by bench. With O(plan) it is that one, by what its units
    reported (the fact C(lockstep_forward)), else it is found in what servers said of their units (C(lockstep_status)).
positional: _input, hostvars
extends_documentation_fragment:
  - lockstep.deploy.choice
options:
  deployment_id:
    description: The deployment, or V(last), where there is no O(plan).
    type: str
    default: ""
  plan:
    description: The plan of a deployment that has just completed.
    type: dict
"""

EXAMPLES = r"""
- name: Choose what is watched
  ansible.builtin.set_fact:
    chosen: "{{ groups.lockstep_units | lockstep.deploy.watch_choice(hostvars, deployment_id='last') }}"
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
      description: The units that it moved, each with C(name), C(site) and C(depends_on).
      type: list
      elements: dict
    benches:
      description: By one unit of each bench, its sites that are watched, each with C(unit) and C(site).
      type: dict
    problem:
      description: Why nothing can be watched; empty if something can.
      type: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.watching import of_deployment, of_records


def watch_choice(
    units: t.Iterable[str], hostvars: t.Mapping[str, t.Any], deployment_id: str = "", plan: t.Any = None
) -> dict[str, t.Any]:
    """See the documentation above."""
    known = {unit: hostvars[unit] for unit in units if unit in hostvars}
    places = {
        unit: {"server": given["lockstep_server"], "bench": given["lockstep_bench"]["name"]}
        for unit, given in known.items()
    }
    if plan:
        forward = {unit: given["lockstep_forward"] for unit, given in known.items() if "lockstep_forward" in given}
        return of_deployment(plan, forward, places)
    statuses = {unit: given["lockstep_status"] for unit, given in known.items() if "lockstep_status" in given}
    depends_on = {unit: given.get("lockstep_depends_on", []) for unit, given in known.items()}
    return of_records(statuses, depends_on, places, deployment_id)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"watch_choice": watch_choice}
