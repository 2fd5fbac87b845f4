# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection's modules support, for their documentation."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules that run on a Linux server."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change without changing anything.
  diff_mode:
    description: Returns what changed, or would change, in diff mode.
  idempotent:
    description: A second run with the same options changes nothing.
  platform:
    description: Where the module can run.
    platforms: linux
    support: full
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode).
    support: full
    details: It never changes anything.
  diff_mode:
    description: Returns what changed, or would change, in diff mode.
    support: N/A
    details: It never changes anything.
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    description: Where the module can run.
    platforms: linux
    support: full
"""
