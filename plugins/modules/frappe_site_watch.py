# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_site_watch
short_description: Watches the Frappe sites of a bench after their deployment
version_added: 0.1.0
description:
  - Looks at sites for a while by the rules they were deployed under, which their journals hold, and fails as soon as
    one of them says that a release has to be taken back. Nothing is taken back by this module.
  - It changes nothing but a record of its own beside each site's journal, and locks no unit. Whoever deploys, rolls
    back or closes one of the sites meanwhile ends the watch of that site, which is no failure.
  - It takes as long as it was told, so it is for C(async). The sites of a bench are watched by one process.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
  - lockstep.deploy.unit.bench
attributes:
  check_mode:
    support: full
    details: Nothing is watched.
  diff_mode:
    support: N/A
    details: It changes no site.
  idempotent:
    support: full
options:
  deployment_id:
    description: The deployment that moved the sites.
    type: str
    required: true
  sites:
    description: The sites, all of them of O(bench).
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description: Name of the unit, as the inventory has it.
        type: str
        required: true
      site:
        description: Name of the site.
        type: str
        required: true
  state:
    description: >-
      V(watched) watches them for O(watch_for) seconds. V(ended) tells the process that watches them to end, waits for
      that, and returns what is on record.
    type: str
    choices: [watched, ended]
    default: watched
  watch_for:
    description: Seconds. Needed with O(state=watched).
    type: float
  reason:
    description: Why it ends. Needed with O(state=ended).
    type: str
seealso:
  - module: lockstep.deploy.frappe_site
  - module: lockstep.deploy.await_job
"""

EXAMPLES = r"""
- name: Watch site1.local for an hour
  lockstep.deploy.frappe_site_watch:
    deployment_id: 20261120T184500Z-1a2b3c
    watch_for: 3600
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
    sites:
      - unit: site1.local
        site: site1.local
  async: 7200
  poll: 0
"""

RETURN = r"""
watches:
  description: What is on record of each site's newest watch, by unit; null if it was never watched.
  type: dict
  returned: always
  contains:
    deployment_id:
      description: The deployment that moved the site.
      type: str
    status:
      description: >-
        V(watching); V(passed) if every rule was satisfied at the end; V(inconclusive) if there was too little data to
        say that; V(failed) if a rule takes the release back; V(ended) if somebody said so; V(superseded) if another
        deployment or a rollback came; V(broken) if nobody could look at it; V(abandoned) if the process that watched is
        gone.
      type: str
    reasons:
      description: Why, in sentences.
      type: list
      elements: str
    began:
      description: When.
      type: str
    until:
      description: Until when it was, or is, to last.
      type: str
    ended:
      description: When it ended; absent while it lasts.
      type: str
    figures:
      description: What was seen last, and how many looks ended how; absent while it lasts.
      type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import watching
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.watch_record import FAILED

ARGUMENTS = {
    "deployment_id": {"type": "str", "required": True},
    "sites": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "unit": {"type": "str", "required": True},
            "site": {"type": "str", "required": True},
        },
    },
    "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
    "state": {"type": "str", "choices": ["watched", "ended"], "default": "watched"},
    "watch_for": {"type": "float"},
    "reason": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "watched", ["watch_for"]), ("state", "ended", ["reason"])],
        supports_check_mode=True,
    )
    params = module.params
    found: t.Mapping[str, watching.Record | None] = {}
    try:
        context, deployment_id = BenchContext(params["bench"]), params["deployment_id"]
        watches = [watching.SiteWatch(context, one["unit"], one["site"], deployment_id) for one in params["sites"]]
        if module.check_mode:
            pass
        elif params["state"] == "ended":
            found = watching.end(watches, params["reason"])
        else:
            found = watching.watch(watches, params["watch_for"])
            _require_good(found)
    except LockstepError as error:
        module.fail_json(watches=found, **error.result())
    module.exit_json(changed=False, watches=found)


def _require_good(found: t.Mapping[str, t.Any]) -> None:
    """Tell which site's release has to be taken back, and why.

    Raises:
        LockstepError: There is one.
    """
    for unit, record in found.items():
        if record["status"] == FAILED:
            raise LockstepError("; ".join(record["reasons"]), unit=unit, phase="watch", left="nothing was taken back")


if __name__ == "__main__":
    main()
