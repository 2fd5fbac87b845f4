# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the visitors of sites are shared out, put together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: split_told
short_description: Tells how the visitors of sites are shared out
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Puts together what M(lockstep.deploy.site_split) returned for each site. One that nothing is known of has
    failed.
positional: _input, records
options:
  _input:
    description: Names of the units.
    type: list
    elements: str
    required: true
  records:
    description: >-
      By unit C(split) and C(changed) as the module returned them, C(asked), whether it was asked to end the share, and
      C(after), the C(split) when it had ended. Or C(error), why nothing was found out.
    type: dict
    required: true
  end:
    description: What was asked for; empty to look only.
    type: str
    default: ""
  check:
    description: Whether nothing was to be changed.
    type: bool
    default: false
  command:
    description: How the playbook is run here, for the hint that says how a share is ended.
    type: str
    default: ansible-playbook lockstep.deploy.split
"""

EXAMPLES = r"""
- name: Put together how visitors are shared out
  ansible.builtin.set_fact:
    told: "{{ chosen.units | lockstep.deploy.split_told(found) }}"
"""

RETURN = r"""
_value:
  description: All of it.
  type: dict
  contains:
    lines:
      description: A table with both sides of each site whose visitors are shared, and what became of it.
      type: list
      elements: str
    failed:
      description: Names of the units that are not as asked for, or that nothing is known of.
      type: list
      elements: str
    msg:
      description: All failures in one text.
      type: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.split import SPLIT, tell


def split_told(
    units: t.Sequence[str],
    records: t.Mapping[str, t.Any],
    end: str = "",
    check: bool = False,
    command: str = SPLIT,
) -> dict[str, t.Any]:
    """See the documentation above."""
    found = tell(units, records, end, check)
    return {**found, "lines": [line.replace(SPLIT, command) for line in found["lines"]]}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"split_told": split_told}
