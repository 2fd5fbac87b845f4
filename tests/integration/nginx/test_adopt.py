# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench made by ``bench setup nginx`` is taken over without its visitors noticing."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import adopt
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Bridge, Site
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.runtime import Runtime
from tests.integration.nginx.scene import ME, Scene, Visitors, free_port, wait_until

pytestmark = pytest.mark.integration

# In the manner of bench's own file: one server for all sites, told apart by a map of the Host header.
BENCH = """
upstream bench-frappe {{ server 127.0.0.1:{web} fail_timeout=0; }}
map $host $site_name_qwertyu {{ www.site1.local site1.local; default $host; }}
server {{
    listen 127.0.0.1:{port};
    server_name site1.local www.site1.local site2.local;
    root {data};
    client_max_body_size 7m;
    location ~ ^/protected/(.*) {{ internal; try_files /$site_name_qwertyu/$1 =404; }}
    location = /status {{ return 200 "mine"; }}
    location / {{ try_files /$site_name_qwertyu/public/$uri @webserver; }}
    location @webserver {{
        proxy_set_header X-Frappe-Site-Name $site_name_qwertyu;
        proxy_set_header Host $host;
        proxy_set_header X-Use-X-Accel-Redirect True;
        proxy_pass http://bench-frappe;
    }}
}}
"""


@pytest.fixture
def bench(scene: Scene) -> int:
    """A bench whose web processes listen on a port, behind its own file in conf.d; the port."""
    web = free_port()
    folder = str(pathlib.Path(__file__).parent)
    argv = [sys.executable, "-m", "gunicorn", "--threads", "8", "--bind", f"127.0.0.1:{web}", "--chdir", folder]
    scene.also(subprocess.Popen([*argv, "--env", "RELEASE=", "--log-level", "error", "application:application"]))
    for name in ("site1.local", "site2.local"):
        scene.site(name)
    text = BENCH.format(web=web, port=scene.port, data=scene.folder / "data")
    (scene.conf_dir / "frappe-bench.conf").write_text(text)
    subprocess.run([*scene.argv, "-s", "reload"], check=True)
    wait_until(lambda: scene.status("/") == 200, "the bench is served")
    return web


def test_an_adopted_site_answers_as_before_and_its_neighbour_stays_where_it_was(scene: Scene, bench: int) -> None:
    (scene.folder / "data/site1.local/private/files/a.txt").write_text("private")
    before = json.loads(scene.get("/x", host="www.site1.local").body)["headers"]
    place = Runtime("adopted", ME, "/none", bridged=("web.sock", "realtime.sock"), root=str(scene.run))
    place.prepare(str(scene.folder / "no-tmpfiles"))
    bridges = [Bridge(place.bridge("web.sock"), bench, "adopted"), Bridge(place.bridge("realtime.sock"), free_port())]
    found = adopt.find(scene.nginx.configuration(), "site1.local")
    assert found is not None
    assert (found.domains, found.body_size) == (("www.site1.local",), "7m")
    assert found.lost == (f"{scene.conf_dir}/frappe-bench.conf:10: location = /status is not carried over",)
    traffic = scene.traffic("site1.local")
    with Visitors(lambda: scene.get("/x")) as visitors:
        visitors.wait_for(20)
        scene.apply(bridges=bridges)
        traffic.switch(place.folder)
        site = Site("site1.local", traffic.folder, str(scene.folder / "data/site1.local"), found.fronts, body_size="7m")
        scene.apply(site, bridges=bridges)
        visitors.wait_for(visitors.count + 20)
    assert visitors.failures() == []
    answer = scene.get("/x", host="www.site1.local")
    assert answer.headers["x-lockstep-release"] == "adopted"
    after = json.loads(answer.body)["headers"]
    assert {name: after[name] for name, value in before.items() if value} == {n: v for n, v in before.items() if v}
    assert after["X-Frappe-Site-Name"] == "site1.local"
    assert scene.get("/private/files/a.txt").text == "private"
    neighbour = scene.get("/x", host="site2.local")
    assert (neighbour.status, neighbour.headers.get("x-lockstep-release", "")) == (200, "")
    assert scene.get("/status", host="site2.local").text == "mine"
