# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict of a deployment, for the last play."""

from __future__ import annotations

DOCUMENTATION = r"""
name: verdict
short_description: Judges how a deployment ended
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Compares the units that were planned with what their own records say, and tells the status of the deployment,
    whether the run has to fail, and what people have to know.
positional: _input, records, rollback
options:
  _input:
    description: The planned units in their order, each with C(name), C(site) and C(depends_on), as in the plan.
    type: list
    elements: raw
    required: true
  records:
    description:
      - What each unit's records say after the way forward, as a dictionary by unit or as a list of dictionaries with
        C(unit).
      - Read are C(state), C(phase), C(msg), C(left) and C(hint).
    type: raw
    default: {}
  rollback:
    description:
      - The same for units that were rolled back, or should have been.
      - Also read are C(reason), C(data) (V(kept) when only code and traffic went back, V(restored) when the data did,
        too), C(loss) with C(tables), C(rows) and C(minutes), and C(actions).
    type: raw
    default: {}
  outcome:
    description: The fact C(lockstep_outcome) of the strategy P(lockstep.deploy.dependency#strategy).
    type: dict
    default: {}
  deployment_id:
    description: The deployment, for the commands that are suggested.
    type: str
    default: ''
  goal:
    description: What the run was to reach, the new release or the one before.
    type: str
    choices: [deploy, rollback]
    default: deploy
  command:
    description: The command that rolls back, as the user would type it.
    type: str
    default: ansible-playbook lockstep.deploy.rollback
  check:
    description: Whether nothing was done, as with C(--check).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Judge the deployment
  ansible.builtin.set_fact:
    lockstep_verdict: >-
      {{ lockstep_plan.units | lockstep.deploy.verdict(records, rollback, outcome=lockstep_outcome,
         deployment_id=lockstep_plan.deployment_id) }}

- name: Fail unless every unit is live
  ansible.builtin.fail:
    msg: "{{ [lockstep_verdict.summary] + lockstep_verdict.lines }}"
  when: lockstep_verdict.failed
"""

RETURN = r"""
_value:
  description: The verdict.
  type: dict
  contains:
    deployment_id:
      description: The deployment.
      type: str
    status:
      description: V(completed), V(failed), V(rolled_back), V(partially_rolled_back), V(rollback_failed) or
        V(checked).
      type: str
    failed:
      description: Whether the run has to end with an error.
      type: bool
    summary:
      description: One line.
      type: str
    lines:
      description: What failed, which units are back, kept and why, what a restore would lose and its command.
      type: list
      elements: str
    groups:
      description:
        - Units by what became of them, C(live), C(restored), C(kept), C(rollback_failed), C(failed), C(unreachable),
          C(untouched), C(withheld).
      type: dict
    rollback_id:
      description: The name of the rollback, where units went back or were to.
      type: str
    rollback_actions:
      description: What the rollback did, each with C(site), C(action), C(result).
      type: list
      elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.verdict import judge


def verdict(units: t.Any, records: t.Any = None, rollback: t.Any = None, **options: t.Any) -> dict[str, t.Any]:
    """See the documentation above."""
    if not isinstance(units, (list, tuple)):
        raise AnsibleFilterError("lockstep.deploy.verdict works on a list of planned units")
    try:
        return judge(units, records, rollback, **options).as_dict()
    except (LockstepError, TypeError, KeyError) as error:
        raise AnsibleFilterError(f"lockstep.deploy.verdict: {error}") from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, t.Any]]]:
        """Filters by name."""
        return {"verdict": verdict}
