# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between tasks of Ansible and the work on records: zones with opened secrets, changes as data."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleError

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import ansible_values, units
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.changes import Wanted
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import Change, Goal, Rrset, Rrsets, shown
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.run import Run
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.zone import Zone
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment

WITHOUT_RECORD = "Have its server answer, or go on with -e force=true, without a record to go back by"


def open_zones(deployment: Deployment, names: t.Iterable[str]) -> dict[str, Zone]:
    """Zones whose primary name servers answer.

    Args:
        deployment: The deployment.
        names: Names of zones, each once or more often.

    Raises:
        LockstepError: A secret can't be opened, or a primary name server can't be asked.
    """
    return {name: Zone(_opened(deployment.zones[name])) for name in dict.fromkeys(names)}


def _opened(settings: dict[str, t.Any]) -> dict[str, t.Any]:
    """Settings of a zone with its secret as a plain text."""
    secret = settings["key_secret"]
    try:
        return {**settings, "key_secret": None if secret is None else str(ansible_values.with_vault(secret))}
    except AnsibleError as error:
        raise LockstepError(
            f"the secret of the key {settings['key_name']} can't be opened: {error.message}", left="Nothing was changed"
        ) from None


def left_out(deployment: Deployment, sites: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Sites whose records stay as they are, because what they were could not be read or recorded; why, by unit."""
    if deployment.options["force"]:
        return {}
    return {unit: str(site["error"]) for unit, site in sites.items() if site.get("error")}


def wanted_names(deployment: Deployment, sites: t.Mapping[str, t.Any]) -> list[Wanted]:
    """The names of selected sites, each with its records.

    Args:
        deployment: The deployment.
        sites: The selected sites by unit, each with what is recorded of its names as ``entries``.

    Returns:
        The names in the order of the file.
    """
    found: dict[str, Wanted] = {}
    for unit in units.make_units(deployment):
        if unit.site is None or unit.name not in sites:
            continue
        for record in unit.site["dns"]:
            name = record["name"]
            if name not in found:
                entry = (sites[unit.name].get("entries") or {}).get(name) or {}
                low = deployment.zones[record["zone"]]["ttl_before_change"]
                force = deployment.options["force"]
                found[name] = Wanted(unit.name, record["zone"], name, {}, low, entry, force)
            found[name].rrsets[record["type"]] = {"ttl": record["ttl"], "values": record["values"]}
    return list(found.values())


def as_data(one: Change | Goal) -> dict[str, t.Any]:
    """A change or goal as a task gives it to the next."""
    return dataclasses.asdict(one)


def as_changes(data: t.Any) -> list[Change]:
    """Changes that a task was given."""
    return [Change(**one) for one in ansible_values.plain(data)]


def as_goals(data: t.Any) -> list[Goal]:
    """Goals that a task was given."""
    return [Goal(**one) for one in ansible_values.plain(data)]


def lines(change: Change) -> list[str]:
    """What will be done about a change, for users."""
    found = []
    for kind in sorted({*change.before, *change.after}):
        before, after = change.before.get(kind), change.after.get(kind)
        found.append(f"{change.name}: {kind} {_shown(before)} -> {_shown(after)}")
    if change.lower:
        longest = max(change.before[kind]["ttl"] for kind in change.lower)
        found.append(f"{change.name}: its TTL is lowered first, and the old one waited out for {longest} s")
    return found


def _shown(rrset: Rrset | None) -> str:
    return f"{', '.join(rrset['values'])} (TTL {rrset['ttl']})" if rrset else "nothing"


def outcome(run: Run, goals: t.Sequence[Goal]) -> list[str]:
    """What became of changes, for users."""
    found = []
    for name, zone in run.zones.items():
        count = len({goal.name for goal in goals if goal.zone == name})
        found.append(f"{name}: {count} name{'' if count == 1 else 's'} as wanted at {', '.join(zone.shown_servers())}")
    if run.safe_after:
        until = f"Until {run.safe_after} others may keep what was there before"
        found.append(f"{until}: whatever served it has to serve on")
    if run.switch_after:
        found.append(f"From {run.switch_after} on records can change without waiting")
    return found


def difference(changes: t.Sequence[Change]) -> dict[str, str]:
    """Changes as Ansible shows them with ``--diff``: lines of a zone file."""
    return {
        "before_header": "records now",
        "after_header": "records then",
        "before": _lines((change.name, change.before) for change in changes),
        "after": _lines((change.name, change.after) for change in changes),
    }


def _lines(parts: t.Iterable[tuple[str, Rrsets]]) -> str:
    return "".join(f"{line}\n" for name, rrsets in parts for line in shown(name, rrsets))
