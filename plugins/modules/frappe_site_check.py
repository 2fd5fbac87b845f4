# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_site_check
short_description: Check that a Frappe site serves its users well
version_added: 0.1.0
description:
  - Asks a site as its visitors do, and looks at its apps, its database, its scheduler and its errors of the last hour.
  - Needs no deployment, and works before a bench was adopted. It changes nothing, and does not fail over what it finds.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
  - lockstep.deploy.unit.bench
options:
  site:
    description: Name of the site.
    type: str
    required: true
  apps:
    description: The apps the site must have.
    type: list
    elements: str
    default: []
  health:
    description: >-
      Further requests the site must answer, with C(path) and what M(lockstep.deploy.health_check) can expect of an
      answer.
    type: list
    elements: dict
    default: []
seealso:
  - module: lockstep.deploy.health_check
"""

EXAMPLES = r"""
- name: Check site1.local
  lockstep.deploy.frappe_site_check:
    site: site1.local
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
    apps:
      - frappe
      - erpnext
  register: validation
  failed_when: validation.overall_status == 'failed'
"""

RETURN = r"""
site:
  description: The site.
  type: str
  returned: always
release:
  description: Id of the release that serves it; null where it was not adopted.
  type: str
  returned: success
total_checks:
  description: How many checks there were.
  type: int
  returned: success
passed:
  description: How many passed.
  type: int
  returned: success
failed_checks:
  description: >-
    How many failed. Where sites are judged together it is called C(failed), which means something else to Ansible.
  type: int
  returned: success
inconclusive:
  description: How many could not be decided, as that of a scheduler which is switched off.
  type: int
  returned: success
overall_status:
  description: V(passed) only if every check passed.
  type: str
  choices: [passed, failed, inconclusive]
  returned: success
checks:
  description: >-
    Each check with C(name), C(type), C(passed) (null if inconclusive), C(message), C(seconds). Names are C(accessible),
    C(app_<app>_installed), C(database_integrity), C(scheduled_jobs), C(no_critical_errors), C(app_<app>_health) and
    more.
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_checks import SiteChecks
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "site": {"type": "str", "required": True},
            "apps": {"type": "list", "elements": "str", "default": []},
            "health": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        live = LiveSite.find(BenchContext(params["bench"]), params["site"])
        found = SiteChecks(live, params["apps"], params["health"]).validate()
    except LockstepError as error:
        module.fail_json(site=params["site"], **error.result())
    found["failed_checks"] = found.pop("failed")
    module.exit_json(changed=False, site=params["site"], release=live.release and live.release.id, **found)


if __name__ == "__main__":
    main()
