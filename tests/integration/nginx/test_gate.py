# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site that is closed answers nothing of its application, whoever closed it, and only that one opens it."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate, outside
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.gate import CLOSED, MAINTENANCE, STOPPED, Gate
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Front, Listen
from tests.integration.nginx.scene import Release, Scene, free_port
from tests.integration.nginx.test_server import workers

pytestmark = pytest.mark.integration

PLACES = (
    ("/", "GET"),
    ("/app/home", "POST"),
    ("/api/method/ping", "GET"),
    ("/api/resource/Note", "POST"),
    ("/assets/dist/blue.js", "GET"),
    ("/files/a.txt", "GET"),
    ("/socket.io/?transport=polling", "GET"),
    ("//api//x", "GET"),
)
PROGRAMS = ("/api/", "/socket.io/", "//api")


@pytest.fixture
def blue(scene: Scene) -> Release:
    """The release that serves site1.local."""
    release = scene.release("blue").start()
    scene.traffic("site1.local").switch(release.folder)
    scene.apply(scene.site("site1.local"))
    return release


@pytest.fixture
def found(scene: Scene, blue: Release) -> Gate:
    """The gate of that site."""
    return scene.traffic("site1.local").gate


def answers(scene: Scene) -> dict[str, http.Response]:
    return {path: scene.get(path, method=method, body=b"x" if method == "POST" else None) for path, method in PLACES}


@pytest.mark.parametrize("state", [CLOSED, MAINTENANCE])
def test_a_site_in_maintenance_shows_people_a_page_and_tells_programs(scene: Scene, found: Gate, state: str) -> None:
    before = workers(scene)
    found.close(state)
    for path, answer in answers(scene).items():
        assert (answer.status, answer.headers["retry-after"]) == (503, "30"), path
        assert answer.headers["x-lockstep-traffic"] == state
        assert "x-lockstep-release" not in answer.headers, "nothing of the application answers"
        if path.startswith(PROGRAMS):
            assert answer.headers["content-type"] == "application/json"
            assert json.loads(answer.body)["retry_after"] == 30
        else:
            assert "Down for maintenance" in answer.text
    assert scene.get("/lockstep-generation").text.strip() == scene.nginx.serving()
    found.open(state)
    assert scene.get("/").headers["x-lockstep-release"] == "blue"
    assert workers(scene) == before, "without a reload"


def test_a_stopped_site_says_so_in_a_word_and_closes_the_connection(scene: Scene, found: Gate) -> None:
    found.close(STOPPED)
    for path, answer in answers(scene).items():
        assert (answer.status, answer.text, answer.headers["retry-after"]) == (503, "Stopped.\n", "120"), path
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-lockstep-traffic"] == STOPPED
    found.open(STOPPED)
    assert scene.get("/").headers["x-lockstep-release"] == "blue"


def test_who_opens_what_he_closed_opens_nothing_that_somebody_else_closed(scene: Scene, found: Gate) -> None:
    site = scene.traffic("site1.local")
    found.close(STOPPED, "ada", "wrong prices")
    assert site.close("20261120T184500Z-1a2b3c")
    assert site.reopen(), "as a deployment does at its end"
    assert scene.get("/").headers["x-lockstep-traffic"] == STOPPED
    assert site.close("20261120T184500Z-1a2b3c")
    assert found.open(MAINTENANCE, STOPPED), "as an operator does"
    assert scene.get("/").headers["x-lockstep-traffic"] == CLOSED
    assert found.told(CLOSED)["by"] == "20261120T184500Z-1a2b3c"
    assert site.reopen()
    assert scene.get("/").status == 200


def test_addresses_get_in_during_maintenance_and_during_nothing_else(scene: Scene, found: Gate) -> None:
    found.allow(["127.0.0.1"])
    found.close(MAINTENANCE)
    assert scene.get("/").headers["x-lockstep-release"] == "blue"
    found.allow(["203.0.113.7", "2001:db8::1"])
    assert found.allowed() == ["2001:db8::1", "203.0.113.7"]
    assert scene.get("/").headers["x-lockstep-traffic"] == MAINTENANCE
    found.allow(["127.0.0.1"])
    for state in (CLOSED, STOPPED):
        found.close(state)
        assert scene.get("/").headers["x-lockstep-traffic"] == state
        found.open(state)


def test_a_visitor_by_ipv4_on_a_socket_for_both_is_known_by_his_address(scene: Scene, found: Gate) -> None:
    port = free_port()
    front = Front(("site1.local",), (Listen(f"[::]:{port}", ("ipv6only=off",)),))
    scene.apply(scene.site("site1.local", front))
    found.close(MAINTENANCE)
    assert scene.get("/", port=port).status == 503
    found.allow(["127.0.0.1"])
    assert scene.get("/", port=port).status == 200
    found.allow([])
    assert scene.get("/", port=port).status == 503


def test_other_sites_are_not_touched(scene: Scene, blue: Release, found: Gate) -> None:
    scene.traffic("site2.local").switch(blue.folder)
    scene.apply(scene.site("site1.local"), scene.site("site2.local"))
    found.close(STOPPED)
    assert scene.get("/", host="site2.local").status == 200


def test_visitors_are_asked_for_by_every_name_and_address(scene: Scene, blue: Release, found: Gate) -> None:
    other = free_port()
    listens = (Listen(f"127.0.0.1:{scene.port}"), Listen(f"127.0.0.1:{other}"))
    fronts = (Front(("site1.local", "*.site1.local"), listens), Front(("old.local",), listens, redirect=True))
    scene.apply(scene.site("site1.local", *fronts))
    assert outside.let_in(fronts) == []
    assert outside.refused(fronts, STOPPED) == [
        f"{name} on 127.0.0.1:{port} is open and not stopped (status 200)"
        for port in (scene.port, other)
        for name in ("site1.local", "*.site1.local")
    ]
    found.close(STOPPED)
    assert outside.refused(fronts, STOPPED) == []
    assert len(outside.let_in(fronts)) == 4
    found.open(STOPPED)
    found.close(MAINTENANCE)
    found.allow(["127.0.0.1"])
    assert outside.refused(fronts, MAINTENANCE, found.allowed()) == []
    assert len(outside.refused(fronts, MAINTENANCE)) == 4
    assert outside.refused([Front(("x.local",), (Listen(f"127.0.0.1:{free_port()}"),))], STOPPED)[0].startswith(
        "x.local on 127.0.0.1:"
    )


@pytest.mark.parametrize("text", ["", "10.0.0.0/8", "localhost", "1.2.3", "../closed", "::1%lo/x"])
def test_only_single_addresses_are_let_in(text: str) -> None:
    with pytest.raises(LockstepError, match="is no IP address"):
        gate.address(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [(" 203.0.113.7 ", "203.0.113.7"), ("2001:DB8:0::1", "2001:db8::1"), ("::ffff:203.0.113.7", "203.0.113.7")],
)
def test_addresses_are_written_as_nginx_does(text: str, name: str) -> None:
    assert gate.address(text) == name


def test_a_mark_of_a_version_that_named_nobody_is_read(scene: Scene, found: Gate) -> None:
    (scene.folder / "traffic").joinpath(scene.traffic("site1.local").folder, CLOSED).write_text("closed\n")
    assert (found.state(), t.cast("t.Any", found.told(CLOSED))["by"]) == (CLOSED, None)
