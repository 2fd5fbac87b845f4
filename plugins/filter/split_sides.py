# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What visitors saw on either of two releases, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: split_sides
short_description: Says what visitors saw on either of two releases
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Makes lines of what M(lockstep.deploy.frappe_site) found when a share of a site's visitors ended.
positional: _input
options:
  _input:
    description: The RV(lockstep.deploy.frappe_site#module:judgement) of the module.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell what visitors saw
  lockstep.deploy.show:
    lines: "{{ moved.judgement | lockstep.deploy.split_sides }}"
"""

RETURN = r"""
_value:
  description: A line for the share, one for each release, and one that says what that means.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.split import sides


def split_sides(judgement: t.Any) -> list[str]:
    """See the documentation above."""
    return sides(judgement)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"split_sides": split_sides}
