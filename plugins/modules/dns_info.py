# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_info
short_description: Finds out what has to change about the DNS records of sites
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Asks the primary name server of each zone what it serves, compares that with the deployment file and with what was
    recorded of earlier changes, and says what has to change. Runs on the controller and changes nothing.
  - Secrets of keys are read from the deployment file, and are in no option and no result.
  - Fails with all that stands in the way, before anything is changed. What would take away a record that is not known
    to be the collection's own is refused, unless the option C(force) of the deployment is set.
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
requirements:
  - dnspython, on the controller
options:
  deployment:
    description:
      - Path of the deployment file, or the deployment as a mapping.
      - Without it, the extra variable C(deployment_config), else the file the inventory was made of.
    type: raw
  state:
    description:
      - V(present), the records are as the file says.
      - V(lowered), their TTL is C(ttl_before_change) of their zone at most, so that a change later on need not wait.
      - V(absent), they are gone, if they are what the file says.
      - V(previous), they are what they were before the last change.
      - V(verified), nothing changes.
    type: str
    choices: [present, lowered, absent, previous, verified]
    default: present
  sites:
    description:
      - The selected sites by unit, each with C(entries) as M(lockstep.deploy.dns_history) returned them, or with
        C(error), why they could not be read. Such a site is left out.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See whether a site's records are as the deployment file says
  lockstep.deploy.dns_info:
    deployment: deployment.yml
    sites:
      shop.example.com:
        entries: {}
  register: found
"""

RETURN = r"""
changes:
  description: What has to change, for M(lockstep.deploy.dns_update).
  returned: success
  type: list
  elements: dict
goals:
  description: What every name server has to serve in the end, for M(lockstep.deploy.dns_update).
  returned: success
  type: list
  elements: dict
entries:
  description: What has to be recorded before the changes, by unit and name, for M(lockstep.deploy.dns_history).
  returned: success
  type: dict
lines:
  description: The same for users.
  returned: success
  type: list
  elements: str
"""
