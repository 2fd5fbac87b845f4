# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_site_check
short_description: Check that a Frappe site serves its users well, is safe, and is as it was asked for
version_added: 0.1.0
description:
  - Asks a site as its visitors do, and looks at its apps, its database, its scheduler, its configuration, its server.
  - Needs no deployment, and works before a bench was adopted. It changes nothing of the site, and does not fail over
    what it finds.
  - O(types=integration) alone puts something anywhere, into the site's Redis for a moment. It is a key of its own in
    the cache and a job that does nothing (C(frappe.ping)) in the queue of short jobs. Under C(--check) it does not.
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
  types:
    description:
      - What is validated.
      - V(health), that it serves its users, asked from outside, of its database and of Frappe.
      - V(configuration), what the site and its server say of themselves against what was asked.
      - V(security), who gets in, headers, TLS, and who can read its secrets.
      - V(integration), that nginx, web, realtime, queue, workers, scheduler, cache and database work together.
    type: list
    elements: str
    choices: [health, configuration, security, integration]
    default: [health]
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
  unit:
    description: Name of the site's unit, by which its manifest has it. The site's own name if not given.
    type: str
  project:
    description: The project, for the manifest. Needed for V(configuration) and O(deployment_id).
    type: str
  environment:
    description: The environment. In V(production) more is asked of V(security).
    type: str
    choices: [development, staging, production]
    default: production
  deployment_id:
    description: The deployment that must be live on the site, whatever the O(types).
    type: str
  versions:
    description: >-
      Type V(configuration). The version asked of each app, as the deployment file has it. What is no tag of a version
      and no commit, as a branch, is not compared.
    type: dict
    default: {}
  config:
    description: Type V(configuration). The settings asked of the site. Their values are compared and never shown.
    type: json
  domains:
    description: Type V(configuration). The names users reach the site by.
    type: list
    elements: str
    default: []
seealso:
  - module: lockstep.deploy.frappe_site_load
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

- name: Look who gets into site1.local
  lockstep.deploy.frappe_site_check:
    site: site1.local
    types: [security]
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
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
types:
  description: The same counts and status by each of O(types).
  type: dict
  returned: success
checks:
  description: >-
    Each check with C(name), C(validation) (which of O(types) it belongs to), C(type) (how it was asked), C(passed)
    (null if inconclusive), C(message), C(observed), C(seconds), and C(warning) if it passed and is worth a word. Names
    are C(accessible), C(app_<app>_installed), C(database_integrity), C(scheduled_jobs), C(no_critical_errors),
    C(app_<app>_health) and more.
  type: list
  elements: dict
  returned: success
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.configuration import Asked
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.validate import LOOKING, validate

ENVIRONMENTS = ["development", "staging", "production"]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "site": {"type": "str", "required": True},
            "types": {"type": "list", "elements": "str", "choices": list(LOOKING), "default": ["health"]},
            "apps": {"type": "list", "elements": "str", "default": []},
            "health": {"type": "list", "elements": "dict", "default": []},
            "unit": {"type": "str"},
            "project": {"type": "str"},
            "environment": {"type": "str", "choices": ENVIRONMENTS, "default": "production"},
            "deployment_id": {"type": "str"},
            "versions": {"type": "dict", "default": {}},
            # Values may be secrets. As one JSON text, only the whole of it is masked in results, not every "1" in them.
            "config": {"type": "json", "no_log": True},
            "domains": {"type": "list", "elements": "str", "default": []},
        },
        required_by={"deployment_id": "project"},
        supports_check_mode=True,
    )
    params = module.params
    if "configuration" in params["types"] and not params["project"]:
        module.fail_json(msg="type configuration compares with a manifest, and needs project to find it")
    try:
        live = LiveSite.find(BenchContext(params["bench"]), params["site"])
        found = validate(
            live,
            params["types"],
            _asked(params),
            params["health"],
            params["deployment_id"],
            only_look=module.check_mode,
        )
    except LockstepError as error:
        module.fail_json(site=params["site"], **error.result())
    module.exit_json(changed=False, site=params["site"], release=live.release and live.release.id, **found)


def _asked(params: t.Mapping[str, t.Any]) -> Asked:
    return Asked(
        unit=params["unit"] or params["site"],
        project=params["project"] or "",
        environment=params["environment"],
        apps=params["apps"],
        versions=params["versions"],
        config=json.loads(params["config"] or "{}"),
        domains=params["domains"],
    )


if __name__ == "__main__":
    main()
