# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_history
short_description: Keeps on a server what DNS records of its sites were before they changed
version_added: 0.1.0
description:
  - Reads and writes what M(lockstep.deploy.dns_info) and M(lockstep.deploy.dns_update) say of a site's names, so that
    any controller can put back what was there before.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  unit:
    description: Unit of the site, as the inventory has it.
    type: str
    required: true
  state_dir:
    description: Folder for journals, locks and manifests of the server.
    type: path
    default: /var/lib/lockstep
  entries:
    description: What is written down, by name. Entries of other names stay. Without it, what is there is only read.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See what the records of shop.example.com were before
  lockstep.deploy.dns_history:
    unit: shop.example.com
  register: known
"""

RETURN = r"""
entries:
  description: What is recorded, by name. Under C(--check) what would be.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._dns.history import History


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "state_dir": {"type": "path", "default": "/var/lib/lockstep"},
            "entries": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        history = History(params["state_dir"], params["unit"])
        before, entries = history.read(), history.merged(params["entries"])
        if entries != before and not module.check_mode:
            history.write(params["entries"])
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        module.fail_json(**error.result())
    module.exit_json(changed=entries != before, entries=entries)


if __name__ == "__main__":
    main()
