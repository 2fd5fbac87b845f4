# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody has to know who interrupts a run amid its units."""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.verdict import ROLLBACK

STATUS = "ansible-playbook lockstep.deploy.status"

_NAMED = 10


def warning(in_flight: t.Sequence[str], deployment_id: str | None) -> str:
    """What becomes of units that were in flight, and what to do about them.

    Args:
        in_flight: The units.
        deployment_id: Their deployment, if it is known.

    Returns:
        A few sentences; empty where no unit was in flight.
    """
    if not in_flight:
        return ""
    more = len(in_flight) - _NAMED
    named = ", ".join(in_flight[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    back = f"-e deployment_id={shlex.quote(deployment_id)} " if deployment_id else "-e deployment_id=last "
    return (
        f"Interrupted with units in flight: {named}. Their servers go on with what they are at: a share of visitors "
        "rises to its end by itself, and a site amid its freeze is brought to the end of it. After that nobody takes "
        f"them further. See how they are: {STATUS}. Take them back: {ROLLBACK} {back}-e reason=WHY"
    )
