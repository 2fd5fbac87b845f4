# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the units of a plan depend on outside of it, judged from the servers' own records."""

from __future__ import annotations

DOCUMENTATION = r"""
name: live_dependencies
short_description: Tells which units outside a plan are live as it needs them
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Compares what M(lockstep.deploy.unit_info) found of the units in C(outside) of a plan with what the plan wants of
    them. The release of a bench must be built from the plan's commits and answer, a site must be live with them.
positional: _input, plan
options:
  _input:
    description: What M(lockstep.deploy.unit_info) returned, one after the other as a loop registers them.
    type: list
    elements: dict
    required: true
  plan:
    description: The plan.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge what the selected units depend on
  ansible.builtin.set_fact:
    judged: "{{ found.results | lockstep.deploy.live_dependencies(lockstep_plan) }}"
"""

RETURN = r"""
_value:
  description: The judgement.
  type: dict
  contains:
    live:
      description: Names of the units that are live.
      type: list
      elements: str
    missing:
      description: By planned unit, why units it depends on are not live.
      type: dict
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.dependencies import prove


def live_dependencies(found: t.Iterable[t.Mapping[str, t.Any]], plan: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """See the documentation above."""
    live, missing = prove(plan, {answer["item"]["name"]: answer for answer in found})
    return {"live": live, "missing": missing}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"live_dependencies": live_dependencies}
