# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites of a bench that a plan deploys."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bench_sites
short_description: Picks the sites of a bench from a plan
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Returns the sites that depend on a bench's unit, each with C(name) and C(domains), its further host names.
positional: _input, hostvars, unit
options:
  _input:
    description: The plan.
    type: dict
    required: true
  hostvars:
    description: The variable of that name.
    type: dict
    required: true
  unit:
    description: The bench's unit.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which sites are on this bench
  ansible.builtin.debug:
    msg: "{{ lockstep_plan | lockstep.deploy.bench_sites(hostvars, lockstep_unit) }}"
"""

RETURN = r"""
_value:
  description: The sites.
  type: list
  elements: dict
"""

import typing as t


def bench_sites(plan: t.Mapping[str, t.Any], hostvars: t.Mapping[str, t.Any], unit: str) -> list[dict[str, t.Any]]:
    """See the documentation above."""
    sites = [
        hostvars[planned["name"]]["lockstep_site"]
        for planned in plan["units"]
        if planned["site"] and unit in planned["depends_on"]
    ]
    return [
        {"name": site["name"], "domains": [name for name in site.get("domains", []) if name != site["name"]]}
        for site in sites
    ]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"bench_sites": bench_sites}
