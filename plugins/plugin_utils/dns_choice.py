# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose DNS records a run of ``playbooks/dns.yml`` is about."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import site_choice
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.changes import STATES, UNTOUCHED


def choose(state: str, sites: t.Any, known: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Choose the units of the sites.

    Args:
        state: What the user asks for.
        sites: Names of sites or of their units; none, or ``all``, for every one. See :func:`site_choice.choose`.
        known: Name of the site, by unit.

    Returns:
        ``units`` and ``problem``, a sentence where there is nothing to act on.
    """
    choice = site_choice.choose(sites, known)
    problem = choice.problem
    if state not in STATES:
        problem = f"{state!r} is no state: -e state={'|'.join(STATES)}. {UNTOUCHED}."
    return {"units": [] if problem else choice.units, "problem": problem}
