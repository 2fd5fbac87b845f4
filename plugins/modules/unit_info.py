# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_info
short_description: Tell what a server knows of a unit
version_added: 0.1.0
description:
  - Reads the records that deployments left on the server, which are the truth, whatever controller asks. Journal,
    manifest, lock, live release, backups.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
  - lockstep.deploy.unit.bench
options:
  unit:
    description: Name of the unit, as the inventory has it.
    type: str
    required: true
  site:
    description: Name of the site. Without it, the unit is that of the bench.
    type: str
  project:
    description: The project.
    type: str
    required: true
  environment:
    description: The environment.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: See what is live on site1.local
  lockstep.deploy.unit_info:
    unit: site1.local
    site: site1.local
    project: shop
    environment: production
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
  register: site1
"""

RETURN = r"""
info:
  description: What is known of the unit.
  type: dict
  returned: success
  contains:
    unit:
      description: The unit.
      type: str
    driver:
      description: Its driver.
      type: str
    bench:
      description: Name of the bench.
      type: str
    site:
      description: Name of the site; null for the unit of a bench.
      type: str
    adopted:
      description: Whether it was adopted.
      type: bool
    release:
      description: Id of the release that is live; null before the adoption.
      type: str
    apps:
      description: Version and commit of each app of that release.
      type: dict
    answers:
      description: Whether the release accepts connections; null before the adoption.
      type: bool
    deployment_id:
      description: The deployment that made it live.
      type: str
    since:
      description: Since when.
      type: str
    journal:
      description: >-
        The newest deployment of the unit with C(deployment_id), C(status), C(open), C(phase), C(phase_status),
        C(phase_ended) (null while it lasts), C(overdue) and C(at_work) (whether a process of this server works on it
        right now); null when there was none.
      type: dict
    journals:
      description: The last ten deployments of the unit with their C(events), the newest last.
      type: list
      elements: dict
    lock:
      description: Who holds the unit; empty when nobody does.
      type: dict
    releases:
      description: Releases of the bench that are kept on the server.
      type: list
      elements: dict
    manifest:
      description: What the manifest says of the deployments of this unit.
      type: dict
    sites:
      description: The sites that were adopted. Benches only.
      type: list
      elements: str
    retained:
      description: >-
        Until when releases that no site needs are kept running for a way back, by id. Times that are over are among
        them. Benches only.
      type: dict
    maintenance:
      description: Whether the site is in maintenance mode. Sites only.
      type: bool
    closed:
      description: Whether nginx keeps visitors out. Sites only.
      type: bool
    traffic:
      description: >-
        Who keeps them out and how, with C(state), C(by), C(since), C(reason) and C(allowed); see the return values of
        M(lockstep.deploy.traffic). Sites only.
      type: dict
    split:
      description: >-
        How the site's visitors are shared by two releases, as M(lockstep.deploy.site_split) returns it, without
        C(sides) and C(judgement); null where that can't be told. Sites only.
      type: dict
    watch:
      description: >-
        The watch of the newest deployment, as M(lockstep.deploy.frappe_site_watch) returns it; null if it was not
        watched. Sites only.
      type: dict
    backups:
      description: Finished backups of the site, the newest last. Sites only.
      type: list
      elements: dict
    way_back:
      description: The deployment of the site that can be undone, with the release before it; null if none. Sites only.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.unit_records import UnitRecords


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "unit": {"type": "str", "required": True},
            "site": {"type": "str"},
            "project": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    names = ("unit", "site", "project", "environment")
    try:
        context = BenchContext(params["bench"])
        info = UnitRecords(context, **{name: params[name] for name in names}).read()
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        module.fail_json(**error.result())
    module.exit_json(changed=False, info=info)


if __name__ == "__main__":
    main()
