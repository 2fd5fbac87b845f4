# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the servers' records say, put together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: status
short_description: Puts together what servers know of units
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Makes a report of what M(lockstep.deploy.unit_info) returned for each unit - what is live, how far the newest
    deployment is, what is half-done, and what to do next.
positional: _input
options:
  _input:
    description:
      - A dictionary by unit, each with C(server), and C(info) as the module returned it, or C(error) why there is none,
        with C(unreachable) where the server did not answer.
    type: dict
    required: true
  project:
    description: The project, for the headline.
    type: str
    required: true
  environment:
    description: The environment, for the headline.
    type: str
    required: true
  progress:
    description: What the ledger says of its newest deployment, see P(lockstep.deploy.ledger#lookup).
    type: dict
  statistics:
    description: What the ledger says of all deployments.
    type: dict
  history:
    description: Whether to list the last deployments.
    type: bool
    default: false
  rollback_options:
    description: Whether to list what each unit can go back to.
    type: bool
    default: false
  command:
    description: How a deployment is taken back, as P(lockstep.deploy.rollback_command#filter) says it.
    type: str
    default: ansible-playbook lockstep.deploy.rollback
"""

EXAMPLES = r"""
- name: Tell what is live
  lockstep.deploy.show:
    lines: "{{ (groups.lockstep_units | lockstep.deploy.records(hostvars, 'lockstep_status')
               | lockstep.deploy.status(project='shop', environment='production')).lines }}"
"""

RETURN = r"""
_value:
  description: The report, and C(lines) of text that say the same.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.plugin_utils import status_render
from ansible_collections.lockstep.deploy.plugins.plugin_utils.split import SPLIT
from ansible_collections.lockstep.deploy.plugins.plugin_utils.status import report
from ansible_collections.lockstep.deploy.plugins.plugin_utils.traffic_choice import TRAFFIC
from ansible_collections.lockstep.deploy.plugins.plugin_utils.verdict import ROLLBACK
from ansible_collections.lockstep.deploy.plugins.plugin_utils.watching import WATCH


def status(
    records: t.Any, project: str, environment: str, command: str = ROLLBACK, **options: t.Any
) -> dict[str, t.Any]:
    """See the documentation above."""
    if not isinstance(records, dict):
        raise AnsibleFilterError("lockstep.deploy.status works on records by unit")
    given = [{"unit": unit, **record} for unit, record in records.items()]
    found = report(given, now=clock.utc_now(), **options)
    told = {"report": found, "lines": status_render.as_lines(found, project, environment)}
    return t.cast("dict[str, t.Any]", _commanded(told, command))


def _commanded(told: t.Any, command: str) -> t.Any:
    """The same with commands that work here: what is put together doesn't know of inventories."""
    if isinstance(told, str):
        for name, ours in (("rollback", ROLLBACK), ("traffic", TRAFFIC), ("split", SPLIT), ("watch", WATCH)):
            told = told.replace(ours, command.replace("rollback.yml", f"{name}.yml"))
        return told
    if isinstance(told, dict):
        return {name: _commanded(value, command) for name, value in told.items()}
    return [_commanded(value, command) for value in told] if isinstance(told, list) else told


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"status": status}
