# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people should know before a watch begins."""

from __future__ import annotations

DOCUMENTATION = r"""
name: watch_announced
short_description: Says which sites are about to be watched, and for how long
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Makes lines of text of what the filter P(lockstep.deploy.watch_choice#filter) chose.
positional: _input, seconds, forks
options:
  _input:
    description: The choice.
    type: dict
    required: true
  seconds:
    description: For how long they are watched.
    type: float
    required: true
  forks:
    description: How many benches can be waited for at once.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Tell what is watched
  lockstep.deploy.show:
    lines: "{{ chosen | lockstep.deploy.watch_announced(3600, ansible_forks) }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.watching import announced


def watch_announced(choice: t.Mapping[str, t.Any], seconds: t.Any, forks: t.Any) -> list[str]:
    """See the documentation above."""
    return announced(choice, float(seconds), int(forks))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"watch_announced": watch_announced}
