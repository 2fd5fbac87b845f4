# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Prints lines as they are, and writes the data behind them
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Prints lines on the controller, without quotes and commas around them.
  - Writes data as JSON where that is asked for. Not under C(--check).
options:
  lines:
    description: What is printed.
    type: list
    elements: str
    default: []
  color:
    description: The color of it.
    type: str
    choices: [red, yellow, green]
  warnings:
    description: What is reported as warnings of Ansible.
    type: list
    elements: str
    default: []
  data:
    description: What is written.
    type: raw
  file:
    description: Where it is written. Nowhere, if empty. A relative path begins in the current folder.
    type: str
attributes:
  check_mode:
    description: Prints in either mode; the file is not written under C(--check).
    support: full
  diff_mode:
    description: Nothing of a server is changed.
    support: none
"""

EXAMPLES = r"""
- name: Tell what was found
  lockstep.deploy.show:
    lines: "{{ judged.lines }}"
    data: "{{ judged.results }}"
    file: /tmp/preflight.json
"""

RETURN = r"""
file:
  description: Absolute path of the file that was written.
  returned: when asked for
  type: str
"""
