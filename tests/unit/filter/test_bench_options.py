# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules get of a bench."""

from __future__ import annotations

import json

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lockstep.deploy.plugins.filter.bench_options import bench_options
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS

ENV = {"PIP_INDEX_URL": "https://u:hunter2@pypi.example/simple", "JOBS": "1"}


def test_environment_variables_are_hidden_as_one_text() -> None:
    given = bench_options({"name": "b", "path": "/b", "env": ENV, "server": "app1"})
    assert json.loads(given["env"]) == ENV
    assert "server" not in given
    checked = ArgumentSpecValidator(BENCH_OPTIONS).validate(given)
    assert checked._no_log_values == {given["env"]}


def test_a_bench_needs_none() -> None:
    assert bench_options({"name": "b", "path": "/b"}) == {"name": "b", "path": "/b"}
