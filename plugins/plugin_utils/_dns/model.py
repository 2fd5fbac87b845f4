# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of records: RRsets as they are served, and a change of them. All of it is data that JSON can hold."""

from __future__ import annotations

import dataclasses
import typing as t

SWITCH = "switch"
"""Values change, or come, or go."""
TTL = "ttl"
"""Values stay."""


class Rrset(t.TypedDict):
    """Records of one name and type: their values in order, and for how many seconds others may keep them."""

    ttl: int
    values: list[str]


Rrsets = dict[str, Rrset]
"""RRsets of one name by type."""


@dataclasses.dataclass
class Seen:
    """What the primary name server says of a name.

    Args:
        rrsets: What it has for the name itself.
        covered: What it answers by a wildcard above the name; none of it can be changed under the name.
        others: Types of further records of the name that would be in the way of a CNAME.
        negative_ttl: Seconds that others may keep that there is nothing.
    """

    rrsets: Rrsets = dataclasses.field(default_factory=dict)
    covered: Rrsets = dataclasses.field(default_factory=dict)
    others: list[str] = dataclasses.field(default_factory=list)
    negative_ttl: int = 0


@dataclasses.dataclass
class Change:
    """What has to change about one name.

    Args:
        unit: The unit of the site it belongs to.
        zone: The zone the name is in.
        name: The name.
        kind: :data:`SWITCH` or :data:`TTL`.
        before: What was seen, by type: the update is refused by the server if it isn't so any more. A type that is only
            in ``after`` must not be there.
        after: What it is to be. A type that is only in ``before`` is removed.
        lower: What has to be served with a lower TTL before values change, by type.
        interim_ttl: The TTL of new values until they are verified; None for the final one at once.
        stale: Seconds that others may go on with what was served before, once values have changed.
        entry: What is recorded of the name on its site's server before anything changes.
    """

    unit: str
    zone: str
    name: str
    kind: str
    before: Rrsets
    after: Rrsets
    lower: Rrsets = dataclasses.field(default_factory=dict)
    interim_ttl: int | None = None
    stale: int = 0
    entry: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def at_first(self) -> Rrsets:
        """What is to be served until every name server has it: the new values, and a TTL that is not raised yet."""
        return {kind: with_ttl(found, self._first_ttl(kind, found["ttl"])) for kind, found in self.after.items()}

    def _first_ttl(self, kind: str, ttl: int) -> int:
        if self.kind == TTL:
            return min(self.before[kind]["ttl"], ttl)
        return ttl if self.interim_ttl is None else min(self.interim_ttl, ttl)


@dataclasses.dataclass
class Goal:
    """What every name server of a zone has to serve of a name in the end.

    Args:
        zone: The zone.
        name: The name.
        rrsets: By type what is served; None for nothing of this name's own.
        any_lower_ttl: Whether a lower TTL is fine as well.
        unit: The unit of the site it belongs to.
    """

    zone: str
    name: str
    rrsets: dict[str, Rrset | None]
    any_lower_ttl: bool = False
    unit: str = ""


def shown(name: str, rrsets: t.Mapping[str, Rrset | None]) -> list[str]:
    """RRsets as lines of a zone file."""
    return [
        f"{name}. {found['ttl']} IN {kind} {value}{'.' if kind == 'CNAME' else ''}"
        for kind, found in sorted(rrsets.items())
        if found
        for value in found["values"]
    ]


def same_values(one: Rrset | None, other: Rrset | None) -> bool:
    """Whether two RRsets are the same but for their TTL."""
    return (one and one["values"]) == (other and other["values"])


def with_ttl(rrset: Rrset, ttl: int) -> Rrset:
    """The same values with another TTL."""
    return {"ttl": ttl, "values": rrset["values"]}
