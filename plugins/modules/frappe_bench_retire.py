# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_bench_retire
short_description: Stop releases of a Frappe bench that were kept running for a way back
version_added: 0.1.0
description:
  - Stops the processes of releases that C(blue_retention) has kept running, when their time is over and no site is on
    them, on its way to them, or may still have to go back to them by itself.
  - Nothing is removed. A release that is stopped is started again by a rollback to it.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
  - lockstep.deploy.unit.bench
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  now:
    description: Whether those are stopped, too, whose time is not over.
    type: bool
    default: false
seealso:
  - module: lockstep.deploy.frappe_site
"""

EXAMPLES = r"""
- name: Stop what was kept running long enough
  lockstep.deploy.frappe_bench_retire:
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
"""

RETURN = r"""
stopped:
  description: Ids of the releases that were stopped.
  type: list
  elements: str
  returned: success
retained:
  description: Until when others that no site needs are kept running, by id.
  type: dict
  returned: success
needed:
  description: The sites, or units of unfinished deployments, that need another one which was to be kept, by id.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.retirement import Retirement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "now": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        retirement = Retirement(BenchContext(module.params["bench"]))
        chosen = retirement.idle() if module.params["now"] else retirement.due()
        stopped = [release.id for release in chosen] if module.check_mode else retirement.end(chosen)
        retained = {name: until for name, until in retirement.retained().items() if name not in stopped}
        needed = retirement.needed()
    except LockstepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=bool(stopped), stopped=stopped, retained=retained, needed=needed)


if __name__ == "__main__":
    main()
