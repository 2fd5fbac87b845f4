# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came of a watch."""

from __future__ import annotations

DOCUMENTATION = r"""
name: watch_told
short_description: Says what came of a watch
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Puts together what is on record of each watched site.
positional: _input, records
options:
  _input:
    description: What was watched, as the filter P(lockstep.deploy.watch_choice#filter) chose it.
    type: dict
    required: true
  records:
    description:
      - By the unit that waited for a bench C(watches), as M(lockstep.deploy.frappe_site_watch) returned them, and
        C(error), why they are not known.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge what was seen
  ansible.builtin.set_fact:
    lockstep_watch_outcome: "{{ chosen | lockstep.deploy.watch_told(found) }}"
"""

RETURN = r"""
_value:
  description: What came of it.
  type: dict
  contains:
    failed:
      description: Why a rule takes a release back, by unit.
      type: dict
    reason:
      description: All of that in a sentence.
      type: str
    unsure:
      description: Units of which nobody knows whether they do well.
      type: list
      elements: str
    records:
      description: What P(lockstep.deploy.verdict#filter) has to know of each unit.
      type: dict
    lines:
      description: The same for people.
      type: list
      elements: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.watching import tell


def watch_told(choice: t.Mapping[str, t.Any], records: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """See the documentation above."""
    return tell(choice, records)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"watch_told": watch_told}
