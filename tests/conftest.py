# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets tests import the clone as the collection lockstep.deploy."""

from __future__ import annotations

import pathlib

import pytest

# What it asserts for several tests is explained as in the tests themselves.
pytest.register_assert_rewrite("tests.integration.frappe.ground")

_CLONE = pathlib.Path(__file__).parents[1]

try:
    from ansible.plugins.loader import init_plugin_loader
except ImportError:  # the pure parts are tested where no ansible-core is installed, too
    pass
else:
    init_plugin_loader([str(_CLONE / ".collections")])
