# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deployment a task of a play is about."""

from __future__ import annotations

import os
import typing as t

from ansible.utils.vars import load_extra_vars

from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_values, deployment, options
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError, Problem


def load(
    loader: t.Any, variables: t.Mapping[str, t.Any], given: t.Any = None, strategy: str | None = None
) -> deployment.Deployment:
    """The deployment that the task, an extra variable or the inventory names, in this order.

    Args:
        loader: Ansible's loader of files.
        variables: The task's variables.
        given: What the task names: a path or a mapping.
        strategy: The strategy, where no extra variable names one.

    Raises:
        DeploymentError: There is none, or it has errors.
    """
    choices = options.read(ansible_values.plain(load_extra_vars(loader)), os.environ)
    known = ansible_values.plain((variables.get("lockstep_deployment") or {}).get("defaults") or {})
    for name, value in known.items():
        setattr(choices, name, value)
    if given:
        choices.deployment = ansible_values.plain(given)
    if strategy and choices.strategy is None:
        choices.strategy = options.canonical_strategy(strategy)
    if choices.deployment is not None:
        return deployment.load_chosen(choices.deployment, choices, loader.get_basedir())
    file = variables.get("lockstep_deployment_file")
    if not file:
        message = "expected one: -i path/to/deployment.yml, or -e deployment_config=path/to/deployment.yml"
        raise DeploymentError([Problem(("deployment",), message)])
    return deployment.load(str(file), choices, text=str(loader.get_text_file_contents(str(file))))
