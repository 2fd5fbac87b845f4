# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of a site that is closed to its visitors nothing is said that only nginx can answer."""

from __future__ import annotations

import http.server
import os
import pathlib
import threading
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_checks import SiteChecks
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.security import Security
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import Transport

_PAGE = b'<script src="/assets/desk.js"></script>'


class _Release(http.server.BaseHTTPRequestHandler):
    """What a release answers by itself: no assets, and none of the headers that nginx adds."""

    def do_GET(self) -> None:
        body = {"/login": _PAGE, "/api/method/ping": b'{"message": "pong"}'}.get(self.path)
        self.send_response(403 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@pytest.fixture
def closed(tmp_path: pathlib.Path) -> t.Iterator[t.Any]:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "desk.js").touch()
    (tmp_path / "site_config.json").write_text("{}")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Release)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    transport = Transport("site1.local", f"127.0.0.1:{server.server_port}")
    yield types.SimpleNamespace(
        name="site1.local",
        release=None,
        traffic=types.SimpleNamespace(closed=True),
        outside=lambda: transport,
        doors=list,
        bench=types.SimpleNamespace(sites_folder=str(tmp_path), common_config=dict),
        site=types.SimpleNamespace(config_path=os.path.join(tmp_path, "site_config.json"), config=dict),
    )
    server.shutdown()
    server.server_close()


def test_its_assets_are_looked_for_where_nginx_takes_them_from(closed: t.Any) -> None:
    found = {result.name: result for result in SiteChecks(closed, [], [])._outside()}
    assert {name: result.passed for name, result in found.items()} == dict.fromkeys(
        ("accessible", "login_page", "assets"), True
    )


def test_headers_and_what_is_served_beside_the_release_are_left_open(closed: t.Any) -> None:
    found = {result.name: result for result in Security(closed, "production").results()}
    assert [name for name, result in found.items() if result.passed is False] == []
    of_nginx = [name for name, result in found.items() if "the site is closed, so nginx is not asked" in result.message]
    assert of_nginx == [
        "configuration_served",
        "directory_listing",
        "unknown_host",
        "header_X-Frame-Options",
        "header_X-Content-Type-Options",
        "header_Referrer-Policy",
        "server_version",
    ]
    assert found["guest_api"].passed is True
