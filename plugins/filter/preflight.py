# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The findings of all units before a deployment, judged together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight
short_description: Judges the checks before a deployment
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Unites what M(lockstep.deploy.frappe_preflight) found on each unit, and says whether the deployment may begin.
  - A unit that nothing is known of is a failure.
positional: _input, units
options:
  _input:
    description: What was found, by unit, each with C(findings).
    type: dict
    required: true
  units:
    description: Names of the selected units.
    type: list
    elements: str
    required: true
  force:
    description: Whether to go on in spite of failures.
    type: bool
    default: false
  missing:
    description: Why what units depend on is not live, by unit, as P(lockstep.deploy.live_dependencies#filter) tells it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Judge the checks
  ansible.builtin.set_fact:
    judged: >-
      {{ lockstep_selected | lockstep.deploy.records(hostvars, 'lockstep_preflight')
         | lockstep.deploy.preflight(lockstep_selected) }}
"""

RETURN = r"""
_value:
  description: The judgement.
  type: dict
  contains:
    valid:
      description: Whether no check failed.
      type: bool
    may_begin:
      description: Whether the deployment may begin. It may not, force or no force, where a unit could not be looked at.
      type: bool
    forced:
      description: The failures that are overridden.
      type: list
      elements: str
    results:
      description: C(passed), C(failed) and C(warnings) of all units.
      type: dict
    units:
      description: C(valid) and C(results) by unit.
      type: dict
    lines:
      description: The same for people.
      type: list
      elements: str
    msg:
      description: All failures in one text.
      type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.lockstep.deploy.plugins.plugin_utils.preflight import judge


def preflight(
    records: t.Any, units: t.Any, force: bool = False, missing: t.Mapping[str, t.Sequence[str]] | None = None
) -> dict[str, t.Any]:
    """See the documentation above."""
    if not isinstance(records, dict) or not isinstance(units, (list, tuple)):
        raise AnsibleFilterError("lockstep.deploy.preflight works on findings by unit, and a list of units")
    return judge(units, records, force, missing)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"preflight": preflight}
