# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of all sites, put together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: validation
short_description: Puts together the checks of sites
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Unites what M(lockstep.deploy.frappe_site_check) and M(lockstep.deploy.frappe_site_load) returned for each site.
  - A site that could not be checked counts as failed.
positional: _input, more, choices, environment
options:
  _input:
    description: What was found, by unit. Or C(error), why nothing was found, with the C(types) it was about.
    type: dict
    required: true
  more:
    description: The same of a second look, by unit.
    type: dict
    default: {}
  choices:
    description: What was asked for, from M(lockstep.deploy.validation_choices).
    type: dict
    default: {}
  environment:
    description: The environment of the deployment.
    type: str
"""

EXAMPLES = r"""
- name: Judge all sites
  ansible.builtin.set_fact:
    validated: >-
      {{ groups.driver_frappe_site | lockstep.deploy.records(hostvars, 'lockstep_validation')
         | lockstep.deploy.validation }}
"""

RETURN = r"""
_value:
  description: All sites together.
  type: dict
  contains:
    total_checks:
      description: How many checks there were.
      type: int
    passed:
      description: How many passed.
      type: int
    failed:
      description: How many failed.
      type: int
    inconclusive:
      description: How many could not be decided.
      type: int
    overall_status:
      description: V(failed) if one failed, V(passed) if all passed, else V(inconclusive).
      type: str
    types:
      description: What was validated.
      type: list
      elements: str
    duration:
      description: Seconds of load on each site, where V(performance) is among the types.
      type: int
    environment:
      description: The environment of the deployment.
      type: str
    deployment_id:
      description: The deployment that had to be live; null for any.
      type: str
    sites:
      description: The same counts by site, with C(types), the counts by type, and the C(checks) of each.
      type: dict
    lines:
      description: The same for people.
      type: list
      elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.lockstep.deploy.plugins.plugin_utils.site_validation import unite


def validation(
    records: t.Any, more: t.Any = None, choices: t.Any = None, environment: str | None = None
) -> dict[str, t.Any]:
    """See the documentation above."""
    looks = [look for look in (records, more) if look is not None]
    if not all(isinstance(look, dict) for look in looks):
        raise AnsibleFilterError("lockstep.deploy.validation works on what was found by unit")
    units = dict.fromkeys(unit for look in looks for unit in look)
    return unite({unit: [look[unit] for look in looks if unit in look] for unit in units}, choices, environment)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"validation": validation}
