# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of validation that only look, one after the other (SPEC.md, G4)."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_checks import SiteChecks
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.configuration import (
    Asked,
    Configuration,
    deployment,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.integration import Integration
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.questions import together
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.security import Security
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Result

#: The kinds, in the order they are carried out.
LOOKING = ("health", "configuration", "security", "integration")


def validate(
    live: LiveSite,
    types: t.Collection[str],
    asked: Asked,
    endpoints: t.Sequence[t.Mapping[str, t.Any]],
    deployment_id: str | None,
    *,
    only_look: bool,
) -> dict[str, t.Any]:
    """Everything there is to say of a site.

    Args:
        live: The site where it gets its traffic.
        types: Which of :data:`LOOKING`.
        asked: What the deployment file asks for.
        endpoints: Further requests it must answer.
        deployment_id: The deployment that must be live, if any.
        only_look: Whether not even a key of ours may be put into the cache for a moment (``--check``).

    Returns:
        See :func:`questions.together`; a check of the deployment belongs to ``configuration``.
    """
    integration = Integration(live)
    kinds: dict[str, t.Callable[[], list[Result]]] = {
        "health": SiteChecks(live, asked.apps, endpoints).results,
        "configuration": Configuration(live, asked).results,
        "security": Security(live, asked.environment).results,
        "integration": integration.looks if only_look else integration.results,
    }
    found: dict[str, list[Result]] = {}
    for kind in LOOKING:
        if kind in types:
            found[kind] = kinds[kind]()
    if deployment_id:
        found["configuration"] = [deployment(live, asked, deployment_id), *found.get("configuration", [])]
    return together(found)
