# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_site_rollback
short_description: Take a Frappe site back to the release before a deployment
version_added: 0.1.0
description:
  - Undoes what M(lockstep.deploy.frappe_site) did to a site in a deployment, last phase first, from the journal on the
    server. Neither the plan nor the ledger is needed, and any controller will do.
  - A site whose users have written since goes back by itself only if no table that the migration touched was written,
    or in code and traffic alone if the migration only added things. Else it stays on the new release, and the result
    says what a restore would lose.
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
options:
  site:
    description: Name of the site.
    type: str
    required: true
  reason:
    description: Why, for the records.
    type: str
    required: true
  rollback_data:
    description: Restore the data even if users have written since. Their writes to the restored tables are lost.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Take site1.local back
  lockstep.deploy.frappe_site_rollback:
    unit: site1.local
    site: site1.local
    deployment_id: 20261120T184500Z-1a2b3c
    reason: invoices show the wrong tax
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
"""

RETURN = r"""
lockstep:
  description: The unit's state and what was done, for the ledger.
  type: dict
  returned: always
rollback_actions:
  description: What was done, per phase.
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import UNIT_OPTIONS, report
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_rollback import SiteRollback
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import DRIVER
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **UNIT_OPTIONS,
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "site": {"type": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "rollback_data": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    work = None
    actions: list[dict[str, object]] = []
    try:
        names = ("unit", "site", "deployment_id", "reason", "rollback_data")
        work = SiteRollback(BenchContext(params["bench"]), **{name: params[name] for name in names})
        changed = work.needed()
        if changed and not module.check_mode:
            actions = work.run()
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        reported = {"lockstep": report(DRIVER, work.journal, "failed")} if work else {}
        module.fail_json(**{**error.result(), **reported})
    ours = work.journal.deployment_id == params["deployment_id"]
    state = work.journal.status if ours else "absent"
    module.exit_json(changed=changed, rollback_actions=actions, lockstep=report(DRIVER, work.journal, state))


if __name__ == "__main__":
    main()
