# Copyright (c) 2026, The lockstep.deploy authors (@lockstep-deploy)
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plans a deployment
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Reads a deployment file, pins every app to a commit, reads what each app declares there, and lays out the units in
    the order they will be admitted.
  - Runs on the controller. Nothing is touched but a cache of repositories and the files that are asked for.
  - Fails with all errors at once, each a line that names file, line and path.
  - The extra variables C(only), C(only_closure), C(target_sites), C(deployment_strategy), C(strategy) and the options
    by their names win over the file; an empty text counts as absent. C(--limit) is followed, too.
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
options:
  deployment:
    description:
      - Path of the deployment file, or the deployment as a mapping.
      - Without it, the extra variable C(deployment_config), else the file the inventory was made of.
    type: raw
  plan_file:
    description: Where the plan is written as JSON. Not under C(--check).
    type: str
  plan_graph:
    description: Where the plan is drawn as a Mermaid flowchart. Not under C(--check).
    type: str
  strategy:
    description: The strategy, where no extra variable names one. It wins over the file.
    type: str
  show:
    description: Whether the plan is printed as tables.
    type: bool
    default: false
  export:
    description: Whether the apps' repositories, each with the planned commit alone, are packed to be shipped.
    type: bool
    default: false
  installed:
    description: >-
      Apps that the benches have already and that need no source, by name, with their versions where known. Not
      C(frappe), which every release is built with.
    type: dict
    default: {}
  history:
    description: Seconds that units took before, by the unit's name or by driver. Estimates are made of it.
    type: dict
    default: {}
  cache:
    description: Folder of the cache of repositories. C(~/.cache/lockstep/sources) by default.
    type: str
  timeout:
    description: Seconds that one git command may take.
    type: float
    default: 600
"""

EXAMPLES = r"""
- name: Plan the deployment
  hosts: lockstep_controller
  gather_facts: false
  tasks:
    - name: Read the deployment, pin its apps and lay out the units
      lockstep.deploy.plan:
        show: true
        plan_file: /tmp/plan.json
      register: planned
"""

RETURN = r"""
plan:
  description:
    - The plan, with C(deployment_id), C(timestamp), C(project), C(environment), C(strategy), C(options), C(apps),
      C(resolution), C(stages), C(units), C(outside), C(critical_path), C(estimated_duration), C(rollback_plan) and
      C(warnings).
    - No value of a configuration is in it, and no credentials.
  returned: success
  type: dict
window:
  description: How many units may be in flight; 0 for any number.
  returned: success
  type: int
user:
  description: Who runs Ansible on the controller.
  returned: success
  type: str
plan_file:
  description: Absolute path of the plan that was written.
  returned: when asked for
  type: str
plan_graph:
  description: Absolute path of the graph that was written.
  returned: when asked for
  type: str
archives:
  description: Path on the controller of each app's packed repository, by app.
  returned: when asked for
  type: dict
errors:
  description: All errors, one line each.
  returned: failure
  type: list
  elements: str
resolution:
  description: What could be resolved, with C(missing) and C(conflicts).
  returned: when dependencies were looked at and something is wrong
  type: dict
"""
