# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a release, as the driver's modules take them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_apps
short_description: Picks the apps of a release from a plan
version_added: 0.1.0
author:
  - The lockstep.deploy authors
description:
  - Returns the named apps in the plan's dependency order, each with C(name), C(commit) and C(version).
positional: _input, names
options:
  _input:
    description: The plan.
    type: dict
    required: true
  names:
    description: Names of the apps.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the apps of a bench
  ansible.builtin.debug:
    msg: "{{ lockstep_plan | lockstep.deploy.release_apps(lockstep_bench.apps) }}"
"""

RETURN = r"""
_value:
  description: The apps.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError


def release_apps(plan: t.Mapping[str, t.Any], names: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """See the documentation above."""
    known = {app["name"]: app for app in plan["apps"]}
    missing = sorted(set(names) - known.keys())
    if missing:
        raise AnsibleFilterError(f"lockstep.deploy.release_apps: the plan has no {', '.join(missing)}")
    return [
        {"name": app["name"], "commit": app["commit"], "version": app.get("declared_version") or app.get("ref")}
        for app in plan["apps"]
        if app["name"] in names
    ]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"release_apps": release_apps}
