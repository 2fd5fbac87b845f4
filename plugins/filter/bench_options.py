# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench of the deployment file, as the driver's modules take it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bench_options
short_description: Picks what modules take of a bench
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Returns the options of C(bench) that modules such as M(lockstep.deploy.frappe_site) have, without what concerns
    the plan only.
positional: _input
options:
  _input:
    description: The bench, as the inventory has it in C(lockstep_bench).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what modules get of a bench
  ansible.builtin.debug:
    msg: "{{ lockstep_bench | lockstep.deploy.bench_options }}"
"""

RETURN = r"""
_value:
  description: The options.
  type: dict
"""

import json
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS


def bench_options(bench: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """See the documentation above."""
    options = {name: value for name, value in bench.items() if name in BENCH_OPTIONS}
    if options.get("env"):
        # As a mapping, each value would be masked by itself, and every "1" in a result with it.
        options["env"] = json.dumps({name: str(value) for name, value in options["env"].items()})
    return options


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"bench_options": bench_options}
