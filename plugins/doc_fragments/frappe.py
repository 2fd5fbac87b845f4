# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the Frappe driver's modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Apps at their commits, and sites with their domains."""

    APPS = r"""
options:
  apps:
    description: The apps of the release, frappe first, each after what it depends on.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the app.
        type: str
        required: true
      commit:
        description: The commit, 40 hexadecimal digits.
        type: str
        required: true
      version:
        description: The version the app gives itself at that commit, for people.
        type: str
"""

    SITES = r"""
options:
  sites:
    description: The sites of the bench that are to be deployed.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the site.
        type: str
        required: true
      domains:
        description: Further host names it is served on.
        type: list
        elements: str
        default: []
"""
