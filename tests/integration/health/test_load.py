# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""wrk asks what it is told, of whom it is told, and its figures are what the server saw."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import load
from tests.integration.health.servers import Answer, Site, certificate
from tests.support.daemons import free_port

pytestmark = pytest.mark.integration


def test_every_path_is_asked_for_by_the_sites_name_and_failures_are_counted() -> None:
    site = Site({"/login": Answer("in"), "/x?a=%20b": Answer("x"), "/bad": Answer("", 500)})
    with site.on_port() as port:
        asked = load.Load("http://site1.local", f"127.0.0.1:{port}", ("/login", "/x?a=%20b", "/bad"), 3, 1)
        figures = load.run(asked)
    paths = [path for _method, path, _headers, _body in site.seen]
    assert {headers["host"] for _method, _path, headers, _body in site.seen} == {"site1.local"}
    assert {headers["user-agent"] for _method, _path, headers, _body in site.seen} == {"lockstep-validate"}
    assert set(paths) == {"/login", "/x?a=%20b", "/bad"}
    # What is under way when the time is up was seen and not counted.
    assert 0 <= len(paths) - figures.requests <= 3
    assert abs(figures.status - paths.count("/bad")) <= 3
    assert 0 < figures.p50 <= figures.p95 <= figures.p99 <= figures.max < 1000


def test_tls_is_spoken_where_the_site_speaks_it(tmp_path: pathlib.Path) -> None:
    context, _trusted = certificate(tmp_path, "site1.local")
    site = Site({"/login": Answer("in")})
    with site.on_port(context) as port:
        figures = load.run(load.Load("https://site1.local", f"127.0.0.1:{port}", ("/login",), 1, 1))
    assert (figures.requests > 0, figures.status) == (True, 0)


def test_where_nobody_answers_there_are_no_figures() -> None:
    with pytest.raises(LockstepError, match=r"wrk failed with return code 1: unable to connect to site1.local"):
        load.run(load.Load("http://site1.local", f"127.0.0.1:{free_port()}", ("/",), 1, 1))
