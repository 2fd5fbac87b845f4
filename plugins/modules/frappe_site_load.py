# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_site_load
short_description: Put load on a Frappe site for a while, and judge how it bears it
version_added: 0.1.0
description:
  - Has C(wrk) ask a site through its nginx for a number of seconds, and compares errors and times with bounds.
  - C(wrk) runs on the site's own server, as the bench's user. So nothing is measured of the way from users to the
    server, and the load itself takes some of the server's time. It has to be installed there, as the package C(wrk).
  - Each client waits for its answer before it asks again. Times are those of the answers that were given, so a site
    that stands still for a while is seen by the number of requests and by p99 rather than by p95.
  - The site's users feel the load. Nothing of the site is changed, and under C(--check) nothing is asked.
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
  paths:
    description: What is asked for, one after the other, over and over.
    type: list
    elements: str
    default: [/login]
  duration:
    description: For how many seconds.
    type: int
    default: 60
  connections:
    description: How many clients ask at once.
    type: int
    default: 4
  max_error_rate:
    description: Percent of the requests that may fail, by a status of 400 and above or without an answer.
    type: float
    default: 5
  max_p95:
    description: Milliseconds within which 95 % of the answers have to be there.
    type: float
    default: 1000
seealso:
  - module: lockstep.deploy.frappe_site_check
"""

EXAMPLES = r"""
- name: Put load on site1.local
  lockstep.deploy.frappe_site_load:
    site: site1.local
    duration: 30
    connections: 8
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
  register: load
  failed_when: load.overall_status == 'failed'
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
  description: How many failed.
  type: int
  returned: success
inconclusive:
  description: How many could not be decided, as that of times when nothing was answered.
  type: int
  returned: success
overall_status:
  description: V(passed) only if every check passed.
  type: str
  choices: [passed, failed, inconclusive]
  returned: success
types:
  description: The same counts under C(performance), as M(lockstep.deploy.frappe_site_check) has them by type.
  type: dict
  returned: success
checks:
  description: >-
    C(load), with all figures as C(observed) (C(requests_per_second), C(p50_ms), C(p95_ms), C(p99_ms), C(errors),
    C(socket_errors), C(error_rate) and more), C(error_rate) and C(p95).
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation import performance
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.questions import together


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "site": {"type": "str", "required": True},
            "paths": {"type": "list", "elements": "str", "default": ["/login"]},
            "duration": {"type": "int", "default": 60},
            "connections": {"type": "int", "default": 4},
            "max_error_rate": {"type": "float", "default": 5},
            "max_p95": {"type": "float", "default": 1000},
        },
        supports_check_mode=True,
    )
    params = module.params
    demand = performance.Demand(**{name: params[name] for name in performance.OPTIONS})
    try:
        live = LiveSite.find(BenchContext(params["bench"]), params["site"])
        results = performance.not_asked() if module.check_mode else performance.results(live, demand)
    except LockstepError as error:
        module.fail_json(site=params["site"], **error.result())
    found = together({"performance": results})
    module.exit_json(changed=False, site=params["site"], release=live.release and live.release.id, **found)


if __name__ == "__main__":
    main()
