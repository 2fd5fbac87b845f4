# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_bench
short_description: Build and start a release of a Frappe bench beside the one that serves
version_added: 0.1.0
description:
  - Adopts a bench made by C(bench init) once, together with the sites that are to be deployed, and nobody notices.
  - Builds a bench of its own for the given apps at the given commits, from sources that were shipped to the server,
    and starts it. No site moves.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
  - lockstep.deploy.unit
  - lockstep.deploy.unit.bench
  - lockstep.deploy.frappe.apps
  - lockstep.deploy.frappe.sites
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  rollback_on_failure:
    description: Remove what was built when the release does not start.
    type: bool
    default: true
  force:
    description: >-
      Write our file of nginx although somebody changed it by hand. A copy is kept below C(nginx/overwritten) of the
      state folder.
    type: bool
    default: false
seealso:
  - module: lockstep.deploy.frappe_site
"""

EXAMPLES = r"""
- name: Build the new release while the old one serves
  lockstep.deploy.frappe_bench:
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
"""

RETURN = r"""
lockstep:
  description: The unit's state and what was done, for the ledger.
  type: dict
  returned: success
to_do:
  description: What was, or would be, done. See M(lockstep.deploy.frappe_bench_info).
  type: dict
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import (
    APPS_OPTIONS,
    SITES_OPTIONS,
    UNIT_OPTIONS,
    apps_of,
    report,
    sites_of,
    version_diff,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench_work import DRIVER, BenchWork
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **UNIT_OPTIONS,
            **APPS_OPTIONS,
            **SITES_OPTIONS,
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "rollback_on_failure": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    work = None
    try:
        context = BenchContext(params["bench"])
        identity = (params["unit"], params["deployment_id"])
        work = BenchWork(context, *identity, apps_of(params), sites_of(params), params["force"])
        to_do = work.to_do()
        changed = any(to_do[what] for what in ("adopt", "domains", "nginx", "build", "start"))
        warnings: list[str] = []
        if changed and not module.check_mode:
            changed, warnings = work.run(undo_on_failure=params["rollback_on_failure"])
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        reported = {"lockstep": report(DRIVER, work.journal, "failed")} if work else {}
        module.fail_json(**{**error.result(), **reported})
    for warning in warnings:
        module.warn(warning)
    diff = version_diff(params["unit"], to_do, _fronts(context, to_do)) if module._diff else {}
    module.exit_json(changed=changed, to_do=to_do, lockstep=report(DRIVER, work.journal, "prepared"), **diff)


def _fronts(context: BenchContext, to_do: t.Mapping[str, t.Any]) -> str:
    """What becomes of sites beside a new release, a line each."""
    nginx = context.options["nginx"]["conf_dir"]
    adopted = [
        f"adopted: {site}, data in {context.layout.data(site)}, served by our file in {nginx}"
        for site in to_do["adopt"]
    ]
    domains = [f"served: {site} as {', '.join(names)}" for site, names in to_do["domains"].items()]
    nginx_file = [f"nginx: its configuration is written anew: {to_do['nginx']}"] if to_do["nginx"] else []
    return "".join(f"{line}\n" for line in (*adopted, *domains, *nginx_file))


if __name__ == "__main__":
    main()
