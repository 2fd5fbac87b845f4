# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the ledger."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ledger
short_description: Asks the ledger of deployments
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Answers from the ledger on the controller. Nothing is created or written, and where there is no ledger the answer is
    empty.
options:
  _terms:
    description:
      - What is asked, one or several of V(history), V(statistics), V(durations), V(progress), V(deployment).
      - V(history) are the latest deployments, newest first.
      - V(statistics) are C(totalDeployments), C(successfulDeployments), C(failedDeployments),
        C(averageDeploymentTime) in seconds and C(rollbackRate) in percent.
      - V(durations) are the median seconds each unit took in its last successful runs that changed it, without what it
        was only watched for, for estimates.
      - V(progress) says how far the deployment O(deployment_id) is, V(deployment) all that is known of it.
      - Of a blue-green deployment that includes C(blue_environment) and C(green_environment) (sites, and the copies on
        which their new releases were seen), C(switch_time), C(switch_result) with C(blue), C(green) and C(switched) for
        each site, C(blue_retained) and C(validation_failures).
    type: list
    elements: str
    required: true
  project:
    description: Only deployments of this project.
    type: str
  environment:
    description: Only deployments to this environment.
    type: str
  deployment_id:
    description: The deployment in question; V(last) is the latest one.
    type: str
    default: last
  limit:
    description: How many deployments V(history) has at most.
    type: int
    default: 10
  url:
    description: Where the ledger is, an SQLAlchemy URL; C(~/.local/share/lockstep/ledger.db) if it is empty.
    type: str
    vars:
      - name: lockstep_ledger_url
    env:
      - name: LOCKSTEP_LEDGER_URL
requirements:
  - SQLAlchemy 2 on the controller
"""

EXAMPLES = r"""
- name: Plan with what units took before, if that can be found out
  lockstep.deploy.plan:
    history: "{{ lookup('lockstep.deploy.ledger', 'durations', environment='production', errors='warn') or {} }}"

- name: Show how far the running deployment is
  ansible.builtin.debug:
    msg: "{{ lookup('lockstep.deploy.ledger', 'progress') }}"
"""

RETURN = r"""
_raw:
  description: An answer per question, a list for V(history), else a dictionary.
  type: list
  elements: raw
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ledger import Ledger


class LookupModule(LookupBase):
    """What Ansible loads."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[t.Any]:
        """Answer each question."""
        self.set_options(var_options=variables, direct=kwargs)  # type: ignore[no-untyped-call]
        unknown = [term for term in terms if term not in _ANSWERS]
        if unknown:
            raise AnsibleLookupError(f"the ledger is asked for {', '.join(_ANSWERS)}, not for {', '.join(unknown)}")
        try:
            options = self.get_options()  # type: ignore[no-untyped-call]
            ledger = Ledger.existing(options["url"] or None)
            if ledger is None:
                return [[] if term == "history" else {} for term in terms]
            try:
                return [_ANSWERS[term](ledger, options) for term in terms]
            finally:
                ledger.close()
        except LockstepError as error:
            raise AnsibleLookupError(str(error)) from error


def _place(options: t.Mapping[str, t.Any]) -> tuple[str | None, str | None]:
    return options.get("project") or None, options.get("environment") or None


def _history(ledger: Ledger, options: t.Mapping[str, t.Any]) -> t.Any:
    return ledger.history(*_place(options), limit=options["limit"])


def _statistics(ledger: Ledger, options: t.Mapping[str, t.Any]) -> t.Any:
    return ledger.statistics(*_place(options))


def _durations(ledger: Ledger, options: t.Mapping[str, t.Any]) -> t.Any:
    return ledger.durations(*_place(options))


def _progress(ledger: Ledger, options: t.Mapping[str, t.Any]) -> t.Any:
    found = _chosen(ledger, options)
    return ledger.progress(found) or {} if found else {}


def _deployment(ledger: Ledger, options: t.Mapping[str, t.Any]) -> t.Any:
    found = _chosen(ledger, options)
    return ledger.deployment(found) or {} if found else {}


def _chosen(ledger: Ledger, options: t.Mapping[str, t.Any]) -> str | None:
    """The deployment that is asked for, or the latest one."""
    wanted = options.get("deployment_id") or "last"
    if wanted != "last":
        return str(wanted)
    latest = ledger.history(*_place(options), limit=1)
    return str(latest[0]["deployment_id"]) if latest else None


_ANSWERS: dict[str, t.Callable[[Ledger, t.Mapping[str, t.Any]], t.Any]] = {
    "history": _history,
    "statistics": _statistics,
    "durations": _durations,
    "progress": _progress,
    "deployment": _deployment,
}
