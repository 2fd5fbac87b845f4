# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_update
short_description: Changes DNS records and verifies them at every name server
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Sends updates by RFC 2136 to the primary name server of each zone, on condition that the records still are what
    M(lockstep.deploy.dns_info) saw. Runs on the controller.
  - Before values change, the TTL is lowered, and what it was before is waited out. Afterwards every name server of the
    zone is asked directly until all serve the new records, and then the TTL is raised to its own.
  - C(community.general.nsupdate) can't make an update depend on what was seen, nor have several types of a name changed
    in one; otherwise it does the same.
extends_documentation_fragment:
  - lockstep.deploy.attributes
attributes:
  check_mode:
    support: full
    details: Only what has not to change is verified.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - dnspython, on the controller
options:
  deployment:
    description:
      - Path of the deployment file, or the deployment as a mapping.
      - Without it, the extra variable C(deployment_config), else the file the inventory was made of.
    type: raw
  changes:
    description: The changes, as RV(lockstep.deploy.dns_info#module:changes). None, to verify only.
    type: list
    elements: dict
    required: true
  goals:
    description: What has to be served, as RV(lockstep.deploy.dns_info#module:goals).
    type: list
    elements: dict
    required: true
  sites:
    description: >-
      Sites by unit, with C(error) where what was before could not be recorded. Such a site is left out, and the task
      fails at its end.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Make the records as the deployment file says
  lockstep.deploy.dns_update:
    deployment: deployment.yml
    changes: "{{ found.changes }}"
    goals: "{{ found.goals }}"
"""

RETURN = r"""
entries:
  description: >-
    What has to be recorded now, by unit and name, for M(lockstep.deploy.dns_history). After a failure as well.
  returned: always, unless no name server could be asked
  type: dict
safe_after:
  description: When nobody goes on with the records of before, RFC 3339. Until then what served before has to serve on.
  returned: success, where addresses changed
  type: str
switch_after:
  description: When addresses can be changed without waiting, RFC 3339.
  returned: success, where TTLs were lowered for later
  type: str
lines:
  description: What became of the records, for users.
  returned: success
  type: list
  elements: str
name_servers:
  description: The name servers that were asked, by zone.
  returned: always, unless no name server could be asked
  type: dict
"""
