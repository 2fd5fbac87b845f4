# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody else is at a unit: another deployment, or a person who locked it by hand."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder, holder
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.findings import Findings

_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,199}\Z")


def valid_unit(unit: str) -> str:
    """A unit's name that may become a path.

    Raises:
        LockstepError: It has a slash, a space or a quote, or begins like an option or a hidden file.
    """
    if not _UNIT.match(unit):
        raise LockstepError(
            f"{unit!r} is no name for a unit: up to 200 letters, digits, dots, dashes, underscores and @"
        )
    return unit


def lock_of(state_dir: str, unit: str) -> dict[str, t.Any]:
    """What is known of a unit's lock; empty when nobody holds it. Looks only."""
    folder = os.path.join(state_dir, "locks")
    return LockFolder(folder).describe(unit) if os.path.isdir(folder) else {}


def journal_of(state_dir: str, unit: str) -> Journal:
    """The unit's journal; an empty one when there is none."""
    return Journal(os.path.join(state_dir, "units", valid_unit(unit)))


def look(state_dir: str, unit: str, deployment_id: str, found: Findings) -> None:
    """Whether this deployment may have the unit.

    Raises:
        LockstepError: A record can't be read.
    """
    journal = journal_of(state_dir, unit)
    lock = lock_of(state_dir, unit)
    if lock.get("manual"):
        path = os.path.join(state_dir, "locks", f"{unit}.json")
        found.refuse(f"{unit} was locked by hand by {lock['owner']}; remove {path} when you know why it was set")
    elif lock and lock["owner"] != deployment_id and not lock["expired"]:
        found.refuse(
            f"{unit} is locked by deployment {lock['owner']} since {lock.get('since', 'an unknown time')}; wait until "
            "that has ended: playbooks/status.yml says how far it is. If nobody is at work any more, "
            f"roll it back: playbooks/rollback.yml -e deployment_id={lock['owner']}"
        )
    elif journal.is_open and journal.deployment_id != deployment_id:
        found.refuse(
            f"deployment {journal.deployment_id} of {unit} was not finished; roll it back first: "
            f"playbooks/rollback.yml -e deployment_id={journal.deployment_id}"
        )
    else:
        found.passed.append(f"{unit} is not locked and no deployment of it is open")


def at_work(state_dir: str, unit: str) -> int | None:
    """The process that works on a unit right now; None if there is none. The lock is looked at, not tried."""
    return holder(os.path.join(state_dir, "locks", f"{unit}.flock"))
