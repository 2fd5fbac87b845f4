# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Libraries that are imported when they are needed: some take longer to import than a plan without them takes."""

from __future__ import annotations

import importlib
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_DISTRIBUTIONS = {"semantic_version": "semantic-version", "packaging.version": "packaging", "dns": "dnspython"}


def need(module: str) -> t.Any:
    """Import a library.

    Args:
        module: Name of the module.

    Raises:
        LockstepError: It is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = _DISTRIBUTIONS.get(module, module)
        raise LockstepError(
            f"the Python library {name} is missing on the controller",
            left="Nothing was changed",
            hint=f"Install it for the Python that runs Ansible: pip install {name}",
        ) from error
