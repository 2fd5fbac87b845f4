# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench made by ``bench setup nginx`` is taken over without its visitors noticing."""

from __future__ import annotations

import base64
import json
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import adopt
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Bridge, Front, Listen, Site
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.runtime import Runtime
from tests.integration.nginx.scene import ME, Scene, Visitors, free_port, wait_until

pytestmark = pytest.mark.integration

# In the manner of bench's own file: one server for all sites, told apart by a map of the Host header.
BENCH = """
upstream bench-frappe {{ server 127.0.0.1:{web} fail_timeout=0; }}
limit_req_zone $host zone=tight:1m rate=1r/m;
map $host $site_name_qwertyu {{ www.site1.local site1.local; default $host; }}
server {{
    listen 127.0.0.1:{port};
    server_name site1.local www.site1.local site2.local;
    root {data};
    client_max_body_size 7m;
    location ~ ^/protected/(.*) {{ internal; try_files /$site_name_qwertyu/$1 =404; }}
    location = /status {{ return 200 "mine"; }}
    location / {{ {pages} try_files /$site_name_qwertyu/public/$uri @webserver; }}
    location @webserver {{
        {web_location}
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
    write(scene, web)
    wait_until(lambda: scene.status("/") == 200, "the bench is served")
    return web


def write(scene: Scene, web: int, pages: str = "", web_location: str = "") -> None:
    """Write the bench's file, with lines of somebody's own in two of its locations, and have it read."""
    data = scene.folder / "data"
    text = BENCH.format(web=web, port=scene.port, data=data, pages=pages, web_location=web_location)
    (scene.conf_dir / "frappe-bench.conf").write_text(text)
    subprocess.run([*scene.argv, "-s", "reload"], check=True)


def take_over(scene: Scene, web: int) -> adopt.Found:
    """Adopt site1.local as a deployment does."""
    place = Runtime("adopted", ME, "/none", bridged=("web.sock", "realtime.sock"), root=str(scene.run))
    place.prepare(str(scene.folder / "no-tmpfiles"))
    bridges = [Bridge(place.bridge("web.sock"), web, "adopted"), Bridge(place.bridge("realtime.sock"), free_port())]
    found = adopt.find(scene.nginx.configuration(), "site1.local")
    assert found is not None
    # The bridges first: traffic only goes where somebody listens.
    scene.apply(bridges=bridges)
    scene.traffic("site1.local").switch(place.folder)
    scene.apply(scene.site("site1.local", *found.fronts, timeout=found.timeout or 120), bridges=bridges)
    return found


def test_an_adopted_site_answers_as_before_and_its_neighbour_stays_where_it_was(scene: Scene, bench: int) -> None:
    (scene.folder / "data/site1.local/private/files/a.txt").write_text("private")
    before = json.loads(scene.get("/x", host="www.site1.local").body)["headers"]
    place = Runtime("adopted", ME, "/none", bridged=("web.sock", "realtime.sock"), root=str(scene.run))
    place.prepare(str(scene.folder / "no-tmpfiles"))
    bridges = [Bridge(place.bridge("web.sock"), bench, "adopted"), Bridge(place.bridge("realtime.sock"), free_port())]
    found = adopt.find(scene.nginx.configuration(), "site1.local")
    assert found is not None
    assert (found.domains, found.body_size) == (("www.site1.local",), "7m")
    assert found.lost == (f"{scene.conf_dir}/frappe-bench.conf:11: location = /status is not carried over",)
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


def test_a_site_behind_a_password_is_behind_it_still_once_it_is_adopted(scene: Scene, bench: int) -> None:
    (scene.folder / "staff").write_text("ann:{PLAIN}secret\n")
    (scene.folder / "data/site1.local/public/files/a.svg").write_text("<svg/>")
    lines = f"auth_basic Staff; auth_basic_user_file {scene.folder}/staff;"
    ann = {"Authorization": f"Basic {base64.b64encode(b'ann:secret').decode()}"}
    write(scene, bench, pages=lines)
    wait_until(lambda: scene.status("/") == 401, "the password is asked for")
    take_over(scene, bench)
    for path in ("/", "/files/a.svg", "/private/files/a.txt", "/assets/x.js", "/socket.io/"):
        answer = scene.get(path)
        assert (answer.status, answer.headers.get("www-authenticate")) == (401, 'Basic realm="Staff"')
    answer = scene.get("/", headers=ann)
    assert (answer.status, answer.headers["x-lockstep-release"]) == (200, "adopted")
    assert scene.get("/files/a.svg", headers=ann).text == "<svg/>"


def test_visitors_that_the_application_was_closed_to_find_it_closed_once_it_is_adopted(
    scene: Scene, bench: int
) -> None:
    (scene.folder / "data/site1.local/public/files/a.txt").write_text("public")
    write(scene, bench, web_location="allow 10.0.0.0/8; deny all; proxy_read_timeout 10m;")
    wait_until(lambda: scene.status("/") == 403, "visitors are kept out")
    assert scene.get("/files/a.txt").text == "public"
    found = take_over(scene, bench)
    assert (found.timeout, scene.status("/"), scene.status("/private/files/a.txt")) == (600, 403, 403)
    assert "proxy_read_timeout 600s;" in (scene.conf_dir / "00-lockstep.conf").read_text()
    assert scene.get("/files/a.txt").text == "public"


def test_a_limit_counts_on_once_the_site_is_adopted(scene: Scene, bench: int) -> None:
    write(scene, bench, web_location="limit_req zone=tight; limit_req_status 429;")
    wait_until(lambda: scene.status("/", host="www.site1.local") == 429, "requests are limited")
    take_over(scene, bench)
    # The zone is the same, so what was counted before counts still.
    assert scene.status("/", host="www.site1.local") == 429


def test_a_site_whose_protection_can_not_be_carried_over_is_refused_before_anything_changes(
    scene: Scene, bench: int
) -> None:
    write(scene, bench, pages="auth_request /allowed;")
    with pytest.raises(LockstepError, match=r"bench\.conf:12: auth_request /allowed in location /\.") as caught:
        take_over(scene, bench)
    assert "move it into the server itself" in str(caught.value.hint)
    assert not (scene.conf_dir / "00-lockstep.conf").exists()


def test_what_an_address_is_may_be_said_for_every_site(scene: Scene) -> None:
    release = scene.release("blue").start()
    listens = (
        Listen(f"127.0.0.1:{scene.port}", ("default_server",)),
        Listen(f"[::1]:{scene.port}", ("ipv6only=on", "default_server")),
    )
    sites = [scene.site(name, Front((name,), listens)) for name in ("site1.local", "site2.local")]
    for site in sites:
        scene.traffic(site.name).switch(release.folder)
    scene.apply(*sites)
    assert [scene.status("/", host=host) for host in ("site1.local", "site2.local", "other.local")] == [200, 200, 404]
