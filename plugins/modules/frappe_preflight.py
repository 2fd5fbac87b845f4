# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_preflight
short_description: Look whether a Frappe bench or site can be deployed to
version_added: 0.1.0
description:
  - Looks at everything a deployment needs of a bench or of a site, and tells all that is missing at once.
  - Works before a bench was adopted, and afterwards. It changes nothing, and does not fail over what it finds, so
    that the findings of all units can be judged together.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
  - lockstep.deploy.unit
  - lockstep.deploy.unit.bench
  - lockstep.deploy.frappe.apps
options:
  site:
    description: Name of the site to look at. Without it, it is the bench.
    type: str
  sites:
    description: Names of the sites of the bench that are to be deployed. Needed to look at a bench.
    type: list
    elements: str
    default: []
  backup:
    description: Whether the deployment backs sites up, so that there must be room for it.
    type: bool
    default: true
  disk_factor:
    description: How many times what is needed must be free.
    type: float
    default: 1.5
  disk_left:
    description: How many GB must be left over.
    type: float
    default: 5
seealso:
  - module: lockstep.deploy.frappe_bench
  - module: lockstep.deploy.frappe_site
"""

EXAMPLES = r"""
- name: See whether a site can be deployed to
  lockstep.deploy.frappe_preflight:
    unit: site1.local
    site: site1.local
    deployment_id: 20261120T184500Z-1a2b3c
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
    apps:
      - name: frappe
        commit: 0123456789abcdef0123456789abcdef01234567
  register: preflight

- name: Stop with all failures
  ansible.builtin.assert:
    that: preflight.valid
    fail_msg: "{{ preflight.findings.failed }}"
"""

RETURN = r"""
unit:
  description: The unit.
  type: str
  returned: always
valid:
  description: Whether nothing speaks against a deployment.
  type: bool
  returned: always
blind:
  description: Whether the unit could not be looked at, so that going on by force makes no sense.
  type: bool
  returned: always
findings:
  description: What was found, in sentences.
  type: dict
  returned: always
  contains:
    passed:
      description: What is as it has to be.
      type: list
      elements: str
    failed:
      description: What has to be mended first.
      type: list
      elements: str
    firm:
      description: Those of RV(findings.failed) that a deployment can't go on in spite of, not even by force.
      type: list
      elements: str
    warnings:
      description: What is good to know, and does not stop a deployment.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import (
    APPS_OPTIONS,
    UNIT_OPTIONS,
    apps_of,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.preflight import BenchPreflight
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.preflight_site import SitePreflight
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.resources import Reserve
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext

_GB = 1_000_000_000

ARGUMENTS = {
    **UNIT_OPTIONS,
    **APPS_OPTIONS,
    "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
    "site": {"type": "str"},
    "sites": {"type": "list", "elements": "str", "default": []},
    "backup": {"type": "bool", "default": True},
    "disk_factor": {"type": "float", "default": 1.5},
    "disk_left": {"type": "float", "default": 5},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    reserve = Reserve(params["disk_factor"], int(params["disk_left"] * _GB))
    common = (params["unit"], params["deployment_id"])
    try:
        context = BenchContext(params["bench"])
        apps = apps_of(params)
        unit: BenchPreflight | SitePreflight
        if params["site"]:
            unit = SitePreflight(context, *common, params["site"], apps, params["backup"], reserve)
        else:
            unit = BenchPreflight(context, *common, apps, params["sites"], params["backup"], reserve)
        found = unit.look()
        blind = False
    except LockstepError as error:
        found, blind = Findings(), True
        found.failed.append(str(error).rstrip("."))
    module.exit_json(changed=False, unit=params["unit"], blind=blind, **found.as_dict())


if __name__ == "__main__":
    main()
