# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether visitors get to a site, asked by every name on every address, as they ask."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import ask, claims, gate
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Front


def refused(fronts: t.Iterable[Front], state: str, allowed: t.Collection[str] = ()) -> list[str]:
    """Where visitors are not kept out as they should be.

    Args:
        fronts: The servers that lead to the site.
        state: What their answers must say of it; see :mod:`.gate`.
        allowed: Addresses that get in all the same.

    Returns:
        One sentence each; empty when all is as it should be.
    """
    # Who asks an address of this server comes from that very address.
    return _wrong(fronts, lambda where: gate.OPEN if _host(where) in allowed else state)


def let_in(fronts: t.Iterable[Front]) -> list[str]:
    """Where nginx keeps visitors out still; one sentence each."""
    return _wrong(fronts, lambda _where: gate.OPEN)


def _wrong(fronts: t.Iterable[Front], expected: t.Callable[[str], str]) -> list[str]:
    found = []
    for front in fronts:
        # One that only sends its visitors to https leads to another front.
        for listen in () if front.redirect else front.listens:
            words = (listen.address, *listen.options)
            found += [_judged(words, name, expected(claims.address(words))) for name in front.names]
    return [sentence for sentence in found if sentence]


def _judged(words: t.Sequence[str], name: str, expected: str) -> str:
    try:
        answer = ask.visit(words, name, "/")
    except http.NoAnswer as error:
        return f"{name} on {words[0]}: {error}"
    told = gate.OPEN if answer is None else answer.headers.get(gate.HEADER.lower(), gate.OPEN)
    if answer is None or told == expected:
        return ""
    return f"{name} on {words[0]} is {told} and not {expected} (status {answer.status})"


def _host(where: str) -> str:
    host = ask.reachable(where).rpartition(":")[0]
    return host.strip("[]")
