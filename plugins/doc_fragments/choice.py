# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of filters that choose units."""

from __future__ import annotations


class ModuleDocFragment:
    """The units there are, and the sites a user names."""

    DOCUMENTATION = r"""
options:
  _input:
    description: Names of the units.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable of that name.
    type: dict
    required: true
"""

    SITES = r"""
options:
  sites:
    description: Names of sites or of their units, as a list or a text with spaces or commas; V(all) for every one.
    type: raw
    default: ""
"""
