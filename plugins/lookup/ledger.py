# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this controller's ledger knows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ledger
short_description: Asks the ledger
version_added: 0.1.0
author:
  - The lockstep.deploy authors
description:
  - Reads the ledger of deployments, if this controller has one. None is made for a question.
options:
  _terms:
    description:
      - What is asked. V(statistics) over all deployments of a project and environment, V(progress) of the newest of
        them.
    type: list
    elements: str
    choices: [statistics, progress]
    required: true
  project:
    description: The project.
    type: str
  environment:
    description: The environment.
    type: str
  url:
    description: Where the ledger is, an SQLAlchemy URL. E(LOCKSTEP_LEDGER_URL), else the user's own, by default.
    type: str
requirements:
  - SQLAlchemy 2 on the controller
"""

EXAMPLES = r"""
- name: Tell how many deployments succeeded
  ansible.builtin.debug:
    msg: "{{ lookup('lockstep.deploy.ledger', 'statistics', project='shop', environment='production') }}"
"""

RETURN = r"""
_raw:
  description: One mapping per question; empty where there is no ledger, or where it knows no deployment.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.ledger import Ledger

_QUESTIONS = ("statistics", "progress")

display = Display()


class LookupModule(LookupBase):
    """Reads, and opens nothing that is not there."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """See the documentation above."""
        self.set_options(var_options=variables, direct=kwargs)  # type: ignore[no-untyped-call]
        project, environment, url = map(self._chosen, ("project", "environment", "url"))
        unknown = [term for term in terms if term not in _QUESTIONS]
        if unknown:
            raise AnsibleLookupError(f"lockstep.deploy.ledger can't be asked for {unknown[0]}")
        try:
            ledger = Ledger.existing(url)
            if ledger is None:
                return [{} for _term in terms]
            try:
                return [_ask(ledger, term, project, environment) for term in terms]
            finally:
                ledger.close()
        except LockstepError as error:
            # The servers' own records are the truth: without the ledger some figures are missing, nothing more.
            display.warning(str(error))
            return [{} for _term in terms]

    def _chosen(self, name: str) -> str | None:
        """An option; an empty text counts as absent."""
        value = self.get_option(name)  # type: ignore[no-untyped-call]
        return str(value) if value else None


def _ask(ledger: Ledger, question: str, project: str | None, environment: str | None) -> dict[str, t.Any]:
    if question == "statistics":
        return ledger.statistics(project, environment)
    newest = ledger.history(project, environment, limit=1)
    return (ledger.progress(newest[0]["deployment_id"]) or {}) if newest else {}
