# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone: its primary name server, which takes updates, and all those that must serve them in the end."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.client import (
    Key,
    NameServer,
    NameServerError,
    has_route,
    resolve,
)
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import Goal, same_values, shown
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_dns import normal_name, split_server

_LONGEST_PAUSE = 2.0


class Zone:
    """One zone of the deployment file.

    Args:
        settings: Its settings, defaults filled in, with the secret as plain text.
    """

    def __init__(self, settings: t.Mapping[str, t.Any]) -> None:
        self.name: str = settings["name"]
        self.timeout: float = settings["timeout"]
        self.max_wait: float = settings["max_wait"]
        self._settings = settings
        key = None
        if settings["key_name"]:
            key = Key(settings["key_name"], settings["key_algorithm"], settings["key_secret"])
        host = settings["server"]
        self.primary = NameServer(
            host, self._reachable(host, resolve(host), settings["port"])[0], settings["port"], key
        )
        self.primary.require_zone(self.name)
        self._servers: list[NameServer] | None = None

    def servers(self) -> list[NameServer]:
        """All name servers that must serve the zone: those that were given, else those it names; and the primary.

        Raises:
            NameServerError: One has no address that this machine has a way to.
        """
        if self._servers is None:
            found = {}
            for host, port in self._given() or self._named():
                for address in self._reachable(host, self._addresses(host), port):
                    found[address, port] = NameServer(host, address, port)
            found.setdefault((self.primary.address, self.primary.port), self.primary)
            self._servers = list(found.values())
        return self._servers

    def shown_servers(self) -> list[str]:
        """The name servers that were asked, as messages name them."""
        return [server.shown for server in self._servers or ()]

    def _given(self) -> list[tuple[str, int]]:
        return [split_server(text, self._settings["name_server_port"]) for text in self._settings["name_servers"]]

    def _named(self) -> list[tuple[str, int]]:
        return [
            (normal_name(name), self._settings["name_server_port"]) for name in self.primary.name_servers(self.name)
        ]

    def _addresses(self, host: str) -> list[str]:
        """The primary knows name servers inside of its zone also where this machine's resolver does not."""
        return self.primary.addresses(host) or resolve(host)

    def _reachable(self, host: str, addresses: list[str], port: int) -> list[str]:
        found = [address for address in addresses if has_route(address, port)]
        if not found:
            raise NameServerError(f"there is no way from the controller to the name server {host} ({addresses[0]})")
        return found


class NotServed(LockstepError):
    """Name servers that did not serve what they should in time."""


def verify(zones: t.Mapping[str, Zone], goals: t.Sequence[Goal]) -> None:
    """Wait until every name server of each zone serves what is wanted.

    Args:
        zones: The zones by name.
        goals: What is wanted of each name.

    Raises:
        NotServed: A server still serves something else, does not answer, or is not authoritative; with which, and what.
    """
    watches = [
        _Watch(zone, server, [goal for goal in goals if goal.zone == zone.name])
        for zone in zones.values()
        if any(goal.zone == zone.name for goal in goals)
        for server in zone.servers()
    ]
    if not watches:
        return
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(32, len(watches))) as pool:
        late = [line for lines in pool.map(_Watch.run, watches) for line in lines]
    if late:
        seconds = max(watch.zone.timeout for watch in watches)
        raise NotServed(f"not served everywhere within {seconds:g} s: {late[0]}", detail=late)


class _Watch:
    """Asks one name server until it serves what it should."""

    def __init__(self, zone: Zone, server: NameServer, goals: list[Goal]) -> None:
        self.zone = zone
        self._server = server
        self._goals = goals

    def run(self) -> list[str]:
        """What is still missing at the deadline, a line for each name."""
        deadline, pause = time.monotonic() + self.zone.timeout, 0.1
        while True:
            late = self._look()
            if not late or time.monotonic() + pause > deadline:
                return list(late.values())
            self._goals = [goal for goal in self._goals if goal.name in late]
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _look(self) -> dict[str, str]:
        """What is wrong by name. A server that doesn't answer is not asked for the rest."""
        late: dict[str, str] = {}
        for goal in self._goals:
            try:
                wrong = self._wrong(goal)
            except NameServerError as error:
                return {one.name: str(error) for one in self._goals} if not late else {**late, goal.name: str(error)}
            if wrong:
                late[goal.name] = wrong
        return late

    def _wrong(self, goal: Goal) -> str:
        """How what is served differs from what is wanted; empty if it doesn't."""
        found, _ttl = self._server.rrsets(goal.name, list(goal.rrsets))
        if all(_is_served(goal, kind, found) for kind in goal.rrsets):
            return ""
        served = "; ".join(shown(goal.name, self._server.rrsets(goal.name)[0])) or f"nothing of {goal.name}"
        wanted = "; ".join(shown(goal.name, goal.rrsets)) or f"nothing of {goal.name}"
        return f"{self._server.shown} serves {served}, wanted is {wanted}"


def _is_served(goal: Goal, kind: str, found: t.Mapping[str, t.Any]) -> bool:
    wanted, served = goal.rrsets[kind], found.get(kind)
    if wanted is None or served is None:
        return wanted is served
    return same_values(wanted, served) and (
        served["ttl"] <= wanted["ttl"] if goal.any_lower_ttl else served["ttl"] == wanted["ttl"]
    )
