# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What visitors of a site get from the file we write, before, during and after a switch."""

from __future__ import annotations

import json
import pathlib
import subprocess
import threading
import time
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import Transport
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.access_log import AccessLog
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import live
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Front, Listen, tls
from tests.integration.nginx.scene import Release, Scene, Visitors, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def blue(scene: Scene) -> Release:
    """The release that serves site1.local."""
    release = scene.release("blue").start()
    scene.traffic("site1.local").switch(release.folder)
    scene.apply(scene.site("site1.local"))
    return release


def data(scene: Scene, path: str) -> pathlib.Path:
    return scene.folder / "data" / "site1.local" / path


def test_the_application_is_told_site_host_and_visitor(scene: Scene, blue: Release) -> None:
    answer = scene.get("/app/home?x=1")
    assert json.loads(answer.body)["headers"] == {
        "X-Frappe-Site-Name": "site1.local",
        "Host": "site1.local",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Use-X-Accel-Redirect": "True",
    }
    assert answer.headers["x-lockstep-release"] == "blue"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


def test_a_switch_under_load_loses_nothing_and_nobody_gets_the_old_release_afterwards(
    scene: Scene, blue: Release
) -> None:
    green = scene.release("green").start()
    site = scene.traffic("site1.local")
    switches = 20
    with Visitors(lambda: scene.get("/")) as visitors:
        for number in range(switches):
            visitors.wait_for(20 * (number + 1))
            site.switch((green if number % 2 == 0 else blue).folder)
        site.switch(green.folder)
        switched = time.monotonic()
        visitors.wait_for(visitors.count + 50)
    assert visitors.failures() == []
    assert visitors.count >= switches * 20
    late = [a for own in visitors.answers for at, a in own if at > switched]
    assert len(late) >= 30
    assert {t.cast(http.Response, a).headers["x-lockstep-release"] for a in late} == {"green"}


def test_a_request_in_flight_ends_on_the_release_it_began_on(scene: Scene, blue: Release) -> None:
    green = scene.release("green").start()
    web = blue.runtime.socket("web.sock")
    answers: list[http.Response] = []
    slow = threading.Thread(target=lambda: answers.append(scene.get("/slow")))
    slow.start()
    wait_until(lambda: live.connections(web) == 1, "the request is in flight")
    scene.traffic("site1.local").switch(green.folder)
    assert scene.get("/").headers["x-lockstep-release"] == "green"
    assert live.wait_until_idle(web, 10) == 0
    slow.join()
    assert answers[0].headers["x-lockstep-release"] == "blue"


def test_a_page_loaded_before_a_switch_still_finds_its_assets(scene: Scene, blue: Release) -> None:
    green = scene.release("green").start()
    assert scene.get("/assets/dist/green.js").status == 404
    scene.traffic("site1.local").switch(green.folder)
    for name in ("blue", "green"):
        answer = scene.get(f"/assets/dist/{name}.js")
        assert (answer.status, answer.text) == (200, f"// {name}\n")
        assert answer.headers["cache-control"] == "max-age=31536000"
    assert scene.get("/assets/dist/both.js").text == "// both, of green\n"
    assert scene.get("/assets/dist/none.js").status == 404
    assert scene.get("/assets/../../release").status in (400, 404)


def test_public_files_come_from_disk_and_what_a_browser_would_run_is_downloaded(scene: Scene, blue: Release) -> None:
    data(scene, "public/files/a.txt").write_text("public")
    data(scene, "public/files/a.svg").write_text("<svg/>")
    assert scene.get("/files/a.txt").text == "public"
    svg = scene.get("/files/a.svg")
    assert (svg.text, svg.headers["content-disposition"]) == ("<svg/>", "attachment")
    assert json.loads(scene.get("/files/none.txt").body)["path"] == "/files/none.txt"


def test_private_files_come_only_by_the_applications_word(scene: Scene, blue: Release) -> None:
    data(scene, "private/files/a.txt").write_text("private")
    data(scene, "site_config.json").write_text("secret")
    assert scene.get("/private/files/a.txt").text == "private"
    assert scene.get("/protected/private/files/a.txt").status == 404
    for path in ("/site_config.json", "/private/../../site_config.json", "/protected/private/../site_config.json"):
        assert "secret" not in scene.get(path).text


def test_addresses_are_tidied_as_bench_does(scene: Scene, blue: Release) -> None:
    for path, to in (("/about/", "/about"), ("/about.html", "/about"), ("/blog/index.html", "/blog")):
        answer = scene.get(path)
        assert (answer.status, answer.headers.get("location")) == (
            301,
            f"http://site1.local:{scene.port}{to}",
        ) or not to
    assert scene.get("//evil.example/").headers["location"] == f"http://site1.local:{scene.port}/evil.example"


def test_uploads_are_limited_as_the_site_says(scene: Scene, blue: Release) -> None:
    scene.apply(scene.site("site1.local", body_size="1m"))
    assert json.loads(scene.get("/", method="POST", body=b"x" * 1_000_000).body)["size"] == 1_000_000
    assert scene.get("/", method="POST", body=b"x" * 1_100_000).status == 413


def test_hosts_nobody_named_get_nothing_of_the_site(scene: Scene, blue: Release) -> None:
    scene.apply(
        scene.site("site1.local", Front(("site1.local", "*.site1.local"), (Listen(f"127.0.0.1:{scene.port}"),)))
    )
    assert scene.get("/", host="SITE1.local").status == 200
    assert scene.get("/", host="shop.site1.local").status == 200
    for host in ("other.local", "site1xlocal", "127.0.0.1", "evil-site1.local"):
        assert scene.get("/", host=host).status == 404


def test_the_applications_own_503_is_left_as_it_is(scene: Scene, blue: Release) -> None:
    answer = scene.get("/busy")
    assert (answer.status, json.loads(answer.body)["path"]) == (503, "/busy")


def test_a_release_that_is_down_is_a_page_and_is_asked_again_at_once_when_it_is_up(scene: Scene, blue: Release) -> None:
    blue.stop()
    for _ignored in range(5):
        answer = scene.get("/")
        assert (answer.status, "Not available" in answer.text) == (502, True)
    blue.start()
    assert scene.get("/").status == 200


def test_every_request_is_a_line_with_its_release_and_without_its_secrets(scene: Scene, blue: Release) -> None:
    scene.get("/update-password?key=topsecret")
    scene.get("/busy")
    scene.get('/%22quote%0Aline"'.replace('"', ""))
    scene.get("/lockstep-generation")
    wait_until(lambda: scene.access_log.read_text().count("\n") >= 3, "lines are written")
    lines = [json.loads(line) for line in scene.access_log.read_text().splitlines()]
    assert [(line["path"], line["status"], line["release"], line["site"]) for line in lines] == [
        ("/update-password", 200, "blue", "site1.local"),
        ("/busy", 503, "blue", "site1.local"),
        ('/"quote\nline', 200, "blue", "site1.local"),
    ]
    assert all(0 <= line["seconds"] < 10 and line["time"] > 1_600_000_000 for line in lines)
    assert "topsecret" not in scene.access_log.read_text()


def test_a_request_of_ours_is_logged_as_one_and_nobody_from_elsewhere_can_say_so(scene: Scene, blue: Release) -> None:
    (scene.conf_dir / "elsewhere.conf").write_text("set_real_ip_from 127.0.0.1; real_ip_header X-Elsewhere;\n")
    subprocess.run([*scene.argv, "-s", "reload"], check=True)
    elsewhere = {"X-Elsewhere": "203.0.113.7"}
    ours = Transport("site1.local", f"127.0.0.1:{scene.port}").headers()

    def asked_from_elsewhere() -> bool:
        scene.get("/ready", headers=elsewhere)
        return '"203.0.113.7"' in scene.access_log.read_text()

    wait_until(asked_from_elsewhere, "nginx believes the test where it comes from")
    scene.get("/ours", headers=ours)
    scene.get("/visitor")
    scene.get("/hidden", headers={**ours, **elsewhere})
    scene.get("/behind-a-proxy-of-this-server", headers={**ours, "X-Forwarded-For": "203.0.113.7"})
    wait_until(lambda: "/behind" in scene.access_log.read_text(), "lines are written")
    lines = [json.loads(line) for line in scene.access_log.read_text().splitlines()]
    assert [(line["path"], line["probe"]) for line in lines if line["path"] != "/ready"] == [
        ("/ours", "1"),
        ("/visitor", ""),
        ("/hidden", ""),
        ("/behind-a-proxy-of-this-server", ""),
    ]
    with AccessLog(str(scene.access_log), 0, "site1.local") as log:
        assert "/ours" not in {request.path for request in log.requests()}


def test_a_site_with_a_certificate_is_served_under_it_and_plain_visitors_are_sent_there(
    scene: Scene, blue: Release
) -> None:
    key, certificate = scene.folder / "k.pem", scene.folder / "c.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
        + ["-subj", "/CN=site1.local", "-addext", "subjectAltName=DNS:site1.local"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    plain = Front(("site1.local",), (Listen(f"127.0.0.1:{scene.port}"),), redirect=True)
    secure = Front(
        ("site1.local",), (Listen(f"127.0.0.1:{scene.tls_port}", ("ssl", "http2")),), tls(str(certificate), str(key))
    )
    scene.apply(scene.site("site1.local", plain, secure))
    assert scene.get("/x?y").headers["location"] == "https://site1.local/x?y"
    answer = http.request(
        "https://site1.local/", connect=f"127.0.0.1:{scene.tls_port}", ca_file=str(certificate), timeout=5
    )
    assert json.loads(answer.body)["headers"]["X-Forwarded-Proto"] == "https"


def test_a_listener_that_wants_the_proxy_protocol_is_asked_in_it(scene: Scene, blue: Release) -> None:
    listen = Listen(f"127.0.0.1:{scene.port}", ("proxy_protocol",))
    assert scene.apply(scene.site("site1.local", Front(("site1.local",), (listen,)))).changed
    assert scene.get("/", preface=b"PROXY TCP4 192.0.2.9 127.0.0.1 1 2\r\n").status == 200


def test_nobody_but_this_server_is_told_the_generation(scene: Scene, blue: Release) -> None:
    local = [f"127.0.0.1={a}" for a in ("127.0.0.1", "10.0.0.1")] + ["::1=::1", "unix:=unix:", "10.0.0.1=10.0.0.1"]
    foreign = ["10.0.0.2=10.0.0.1", "1127.0.0.1=10.0.0.1", "2001:db8::1=2001:db8::2", "10.0.0.1=10.0.0.11"]
    text = (scene.conf_dir / "00-lockstep.conf").read_text()
    (scene.conf_dir / "probe.conf").write_text(
        text[text.index('map "$remote_addr=$server_addr"') : text.index("# What we ask")]
        .replace("$remote_addr=$server_addr", "$arg_pair")
        .replace("$lockstep_local", "$probe_local")
        + f'server {{ listen 127.0.0.1:{scene.tls_port}; return 200 "$probe_local"; }}'
    )
    subprocess.run([*scene.argv, "-s", "reload"], check=True)
    wait_until(lambda: scene.status("/?pair=x", port=scene.tls_port) == 200, "the probe answers")
    for expected, pairs in (("1", local), ("0", foreign)):
        for pair in pairs:
            assert scene.get(f"/?pair={pair}", port=scene.tls_port).text == expected, pair
