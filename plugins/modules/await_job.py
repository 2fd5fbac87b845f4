# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: await_job
short_description: Waits for a process that was started with async
version_added: 0.1.0
description:
  - Waits on the server until a task that was started with C(async) and C(poll=0) has ended, and returns what it
    returned, its failure as well. Then its file of results is removed.
  - In contrast to M(ansible.builtin.async_status) with C(until) it prints nothing meanwhile, hears of the end at once,
    fails at once where the process was killed or went down with its server, and bears lost connections, since the
    process goes on without them.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
attributes:
  check_mode:
    support: full
    details: It waits in either mode.
  diff_mode:
    support: N/A
    details: It changes nothing but the file of results, which it removes.
  idempotent:
    support: N/A
    details: A result can be had once.
options:
  jid:
    description: The job's id, C(ansible_job_id) of the task that started it.
    type: str
    required: true
  timeout:
    description: Seconds after which it is not waited for any longer, which is a failure. Without it there is no end.
    type: float
  patience:
    description: Seconds for which connections may be lost. After that the server counts as unreachable.
    type: float
    default: 600
  together:
    description: >-
      A name for waits of one run, on whatever servers, that end together. When the job of one of them returns a
      failure, the others return within seconds although their jobs go on, with C(released). That nothing is heard of a
      job any more ends only its own wait.
    type: str
    default: ""
seealso:
  - module: ansible.builtin.async_status
  - module: lockstep.deploy.job_info
"""

EXAMPLES = r"""
- name: Begin what takes long
  ansible.builtin.command: /usr/local/bin/reindex
  async: 7200
  poll: 0
  register: begun

- name: Wait until it has ended
  lockstep.deploy.await_job:
    jid: "{{ begun.ansible_job_id }}"
    timeout: 7200
"""

RETURN = r"""
job:
  description: V(finished); V(gone) if it ended without a result; V(late) if it goes on after O(timeout); V(released).
  type: str
  returned: always
released:
  description: Whether the job goes on, because another one that was waited for with the same O(together) failed.
  type: bool
  returned: always
"""
