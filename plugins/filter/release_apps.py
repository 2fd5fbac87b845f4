# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a release, as the driver's modules take them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_apps
short_description: Picks the apps of a bench's release from a plan
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Returns the apps of the bench that a unit is, or is on, in the plan's dependency order, each with C(name), C(commit)
    and C(version).
positional: _input, unit
options:
  _input:
    description: The plan.
    type: dict
    required: true
  unit:
    description: The unit.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the apps of the release a site goes to
  ansible.builtin.debug:
    msg: "{{ lockstep_plan | lockstep.deploy.release_apps(lockstep_unit) }}"
"""

RETURN = r"""
_value:
  description: The apps.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.dependencies import release_apps


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"release_apps": release_apps}
