# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_bench_info
short_description: Tell what a deployment would do to a Frappe bench
version_added: 0.1.0
description:
  - Looks at a bench and says whether it was adopted, which releases it has, and what is missing for a set of apps.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
  - lockstep.deploy.unit
  - lockstep.deploy.unit.bench
  - lockstep.deploy.frappe.apps
  - lockstep.deploy.frappe.sites
"""

EXAMPLES = r"""
- name: See what the next release of a bench needs
  lockstep.deploy.frappe_bench_info:
    unit: frappe-bench@app1
    deployment_id: 20261120T184500Z-1a2b3c
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
    apps:
      - name: frappe
        commit: 0123456789abcdef0123456789abcdef01234567
    sites:
      - name: site1.local
  register: bench
"""

RETURN = r"""
to_do:
  description: What a deployment would do.
  type: dict
  returned: success
  contains:
    release:
      description: Id of the release for these apps.
      type: str
    adopt:
      description: Sites that would be adopted.
      type: list
      elements: str
    domains:
      description: Domains that were given to adopted sites since, by site.
      type: dict
    nginx:
      description: How our file of nginx differs from what the records say; empty if it doesn't.
      type: str
    build:
      description: Whether the release has to be built.
      type: bool
    start:
      description: Whether the release has to be started.
      type: bool
    missing_sources:
      description: Apps whose source is not on the server yet.
      type: list
      elements: str
archives:
  description: Path on the server that each app's source is shipped to as a tar, by app. Only root gets there.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import (
    APPS_OPTIONS,
    SITES_OPTIONS,
    UNIT_OPTIONS,
    apps_of,
    sites_of,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench_work import BenchWork
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **UNIT_OPTIONS,
            **APPS_OPTIONS,
            **SITES_OPTIONS,
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        context = BenchContext(params["bench"])
        apps = apps_of(params)
        work = BenchWork(context, params["unit"], params["deployment_id"], apps, sites_of(params))
        to_do = work.to_do()
        archives = {app.name: context.layout.archive(app) for app in apps}
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        module.fail_json(**error.result())
    module.exit_json(changed=False, to_do=to_do, archives=archives)


if __name__ == "__main__":
    main()
