# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_info
short_description: Tells whether a process that was started with async has ended, or is gone
version_added: 0.1.0
description:
  - Looks on the server whether a task that was started with C(async) has written its result, and if not, whether the
    process is still there that would.
  - M(lockstep.deploy.await_job) asks with it again and again.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
options:
  jid:
    description: The job's id, C(ansible_job_id) of the task that started it.
    type: str
    required: true
  folder:
    description: The folder that results are written to, the connection's C(async_dir).
    type: path
    required: true
  within:
    description: Seconds that it may take to answer, which it does as soon as the process has ended.
    type: float
    default: 0
seealso:
  - module: lockstep.deploy.await_job
"""

EXAMPLES = r"""
- name: See whether it has ended
  lockstep.deploy.job_info:
    jid: "{{ begun.ansible_job_id }}"
    folder: ~/.ansible_async
  register: seen
"""

RETURN = r"""
state:
  description: V(running), V(finished), or V(gone) if the process that would write a result is not there any more.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.async_job import AsyncJob
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "jid": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "within": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        state = AsyncJob(params["folder"], params["jid"]).wait(params["within"])
    except LockstepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, state=state)


if __name__ == "__main__":
    main()
