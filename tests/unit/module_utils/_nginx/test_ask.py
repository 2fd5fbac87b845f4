# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import ask, parse

SERVER = "server { listen %s; server_name site1.local; location = /lockstep { return 200; } }"


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def no_answer(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise http.NoAnswer("no connection") from OSError(number, os.strerror(number))

    monkeypatch.setattr(http, "request", no_answer)


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.ENETUNREACH])
def test_ipv6_is_not_asked_for_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    refuse(monkeypatch, number)
    ask.fronts(parse.parse(SERVER % "[::]:80"), "generation")


@pytest.mark.parametrize(
    ("listen", "number"),
    [("[::]:80", errno.ECONNREFUSED), ("80", errno.EADDRNOTAVAIL), ("[::1]:80", errno.ENETUNREACH)],
)
def test_an_address_at_which_nobody_answers_is_told(monkeypatch: pytest.MonkeyPatch, listen: str, number: int) -> None:
    refuse(monkeypatch, number)
    with pytest.raises(LockstepError, match="does not serve our configuration"):
        ask.fronts(parse.parse(SERVER % listen), "generation")
