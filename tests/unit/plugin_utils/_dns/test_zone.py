# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A name server is given its time, whichever of the questions it leaves unanswered."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.client import NameServerError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import Goal, Rrset
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.zone import verify

OLD, NEW = Rrset(ttl=60, values=["192.0.2.1"]), Rrset(ttl=60, values=["192.0.2.2"])


class Server:
    """A name server that gives these answers, the last one for ever; None where it gives none."""

    shown = "ns1 (192.0.2.53 port 53)"

    def __init__(self, *answers: Rrset | None) -> None:
        self._answers = list(answers)

    def rrsets(self, _name: str, _kinds: t.Sequence[str] = ()) -> tuple[dict[str, Rrset], int]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            raise NameServerError(f"{self.shown} did not answer")
        return {"A": answer}, 0


class Zone:
    name, timeout = "example.test", 5.0

    def __init__(self, server: Server) -> None:
        self._server = server

    def servers(self) -> list[Server]:
        return [self._server]


def test_a_server_that_falls_silent_while_it_is_asked_what_it_serves_instead_is_asked_again() -> None:
    zones: t.Any = {Zone.name: Zone(Server(OLD, None, NEW))}
    verify(zones, [Goal(Zone.name, "www.example.test", {"A": NEW})])
