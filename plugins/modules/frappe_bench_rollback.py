# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_bench_rollback
short_description: Remove the release of a Frappe bench that a deployment built
version_added: 0.1.0
description:
  - Stops and removes what M(lockstep.deploy.frappe_bench) built in a deployment, from the journal on the server.
  - A release on which a site stayed is kept.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
  - lockstep.deploy.unit
  - lockstep.deploy.unit.bench
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Remove the release that no site is on
  lockstep.deploy.frappe_bench_rollback:
    unit: frappe-bench@app1
    deployment_id: 20261120T184500Z-1a2b3c
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
"""

RETURN = r"""
lockstep:
  description: The unit's state and what was done, for the ledger.
  type: dict
  returned: success
rollback_actions:
  description: What was done, per phase.
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import UNIT_OPTIONS, report
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench_work import (
    DRIVER,
    may_roll_back,
    roll_back,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**UNIT_OPTIONS, "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS}},
        supports_check_mode=True,
    )
    params = module.params
    try:
        context = BenchContext(params["bench"])
        if module.check_mode:
            # Whether sites stay on it is not known before they were asked to go back.
            journal = Journal(context.unit_folder(params["unit"]))
            changed = may_roll_back(journal, params["deployment_id"])
            actions: list[dict[str, object]] = []
        else:
            changed, journal, actions = roll_back(context, params["unit"], params["deployment_id"])
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        module.fail_json(**error.result())
    state = journal.status if journal.deployment_id == params["deployment_id"] else "absent"
    module.exit_json(changed=changed, rollback_actions=actions, lockstep=report(DRIVER, journal, state))


if __name__ == "__main__":
    main()
