# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Visitors shared out between two releases by a real nginx, and moved without one lost request."""

from __future__ import annotations

import http.cookies
import json

import pytest

from tests.integration.nginx.scene import Release, Scene, wait_until
from tests.integration.nginx.switching import SITE, by_links, by_reloads, two_releases, visitors

pytestmark = pytest.mark.integration

SIDE = "x-lockstep-release"


@pytest.fixture
def releases(scene: Scene) -> tuple[Release, Release]:
    return two_releases(scene)


def asked(scene: Scene, cookie: str = "", **headers: str) -> tuple[str, str]:
    """The release that answers, and the cookie it hands out."""
    answer = scene.get("/", headers={**({"Cookie": cookie} if cookie else {}), **headers})
    assert answer.status == 200
    jar = http.cookies.SimpleCookie(answer.headers.get("set-cookie", ""))
    return answer.headers[SIDE], "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())


def test_sixty_switches_under_forty_clients_lose_nothing_and_nobody_gets_the_old_side_afterwards(scene: Scene) -> None:
    moved = by_links(scene, 60, 100)
    assert (moved.errors, moved.late) == (0, 0)
    assert moved.requests >= 6000


def test_the_same_clients_do_notice_reloads(scene: Scene) -> None:
    moved = by_reloads(scene, 20, 100)
    assert moved.errors > 0
    assert moved.late > 0


def test_shares_of_twenty_thousand_visitors_are_right_within_a_point_and_a_half(
    scene: Scene, releases: tuple[Release, Release]
) -> None:
    for percent in (5, 25, 50):
        scene.traffic(SITE).share(releases[1].folder, percent, "cookie")
        found = visitors(scene, 20_000)
        assert sum(found.values()) == 20_000
        assert abs(found["green"] / 200 - percent) <= 1.5


def test_nobody_changes_sides_but_to_the_new_one_while_the_share_rises(
    scene: Scene, releases: tuple[Release, Release]
) -> None:
    traffic = scene.traffic(SITE)
    traffic.share(releases[1].folder, 5, "cookie")
    known = {}
    for number in range(200):
        side, cookie = asked(scene)
        assert cookie.startswith("lockstep_slot=")
        known[number] = (side, cookie)
    for percent in (5, 25, 50, 75, 100):
        traffic.share(releases[1].folder, percent, "cookie")
        for number, (before, cookie) in known.items():
            side, again = asked(scene, cookie)
            assert again == ""
            assert (before, side) != ("green", "blue")
            known[number] = (side, cookie)
    assert {side for side, _cookie in known.values()} == {"green"}


def test_by_address_no_cookie_is_handed_out_and_everybody_stays(
    scene: Scene, releases: tuple[Release, Release]
) -> None:
    scene.traffic(SITE).share(releases[1].folder, 50, "address")
    assert len({asked(scene) for _ignored in range(20)}) == 1
    assert asked(scene)[1] == ""


def test_a_program_that_signs_its_requests_stays_on_its_side(scene: Scene, releases: tuple[Release, Release]) -> None:
    scene.traffic(SITE).share(releases[1].folder, 50, "cookie")
    sides = {
        token: {asked(scene, Authorization=f"token {token}:secret")[0] for _ignored in range(8)} for token in range(16)
    }
    assert all(len(found) == 1 for found in sides.values())
    assert {side for found in sides.values() for side in found} == {"blue", "green"}


def test_no_cookie_is_handed_out_while_nothing_is_shared(scene: Scene, releases: tuple[Release, Release]) -> None:
    assert asked(scene) == ("blue", "")
    scene.traffic(SITE).share(releases[1].folder, 100, "cookie")
    assert asked(scene)[0] == "green"
    scene.traffic(SITE).switch(releases[0].folder)
    assert asked(scene) == ("blue", "")
    assert asked(scene, "lockstep_slot=00") == ("blue", "")


def test_testers_choose_their_side_by_header_or_cookie(scene: Scene, releases: tuple[Release, Release]) -> None:
    header = {"X-Lockstep-Side": "candidate"}
    assert asked(scene, **header)[0] == "blue"
    scene.traffic(SITE).share(releases[1].folder, 0, "cookie")
    assert asked(scene)[0] == "blue"
    assert asked(scene, **header)[0] == "green"
    assert asked(scene, "lockstep_side=candidate")[0] == "green"
    assert asked(scene, "lockstep_side=candidate", **{"X-Lockstep-Side": "live"})[0] == "blue"
    assert asked(scene, "lockstep_side=../../../etc", **{"X-Lockstep-Side": "/etc"})[0] == "blue"
    scene.traffic(SITE).share(releases[1].folder, 100, "cookie")
    assert asked(scene, **{"X-Lockstep-Side": "live"})[0] == "blue"


def test_a_slot_that_a_visitor_invents_leads_nowhere_else(scene: Scene, releases: tuple[Release, Release]) -> None:
    scene.traffic(SITE).share(releases[1].folder, 50, "cookie")
    for made_up in ("20", "99", "../live", "0", "000", "07/../../x"):
        side, cookie = asked(scene, f"lockstep_slot={made_up}")
        assert side in ("blue", "green")
        assert cookie.startswith("lockstep_slot=")


def test_assets_come_from_the_side_that_served_the_page_and_from_the_other_one_else(
    scene: Scene, releases: tuple[Release, Release]
) -> None:
    scene.traffic(SITE).share(releases[1].folder, 50, "cookie")
    for slot, own in (("00", "green"), ("19", "blue")):
        headers = {"Cookie": f"lockstep_slot={slot}"}
        assert scene.get("/assets/dist/both.js", headers=headers).text == f"// both, of {own}\n"
        for name in ("blue", "green"):
            answer = scene.get(f"/assets/dist/{name}.js", headers=headers)
            assert (answer.status, answer.text) == (200, f"// {name}\n")
        assert scene.get("/assets/dist/none.js", headers=headers).status == 404


def test_pages_of_a_candidate_that_was_sent_back_still_find_their_assets(
    scene: Scene, releases: tuple[Release, Release]
) -> None:
    scene.traffic(SITE).share(releases[1].folder, 50, "cookie")
    scene.traffic(SITE).switch(releases[0].folder)
    assert scene.get("/assets/dist/green.js").status == 200


def test_the_log_tells_the_route_of_a_candidate_that_answers_no_more(
    scene: Scene, releases: tuple[Release, Release]
) -> None:
    scene.traffic(SITE).share(releases[1].folder, 5, "cookie")
    releases[1].stop()
    scene.get("/", headers={"Cookie": "lockstep_slot=00"})
    scene.get("/", headers={"X-Lockstep-Side": "candidate"})
    scene.get("/", headers={"Cookie": "lockstep_slot=07"})
    wait_until(lambda: scene.access_log.read_text().count("\n") >= 3, "lines are written")
    lines = [json.loads(line) for line in scene.access_log.read_text().splitlines()]
    assert [(line["route"], line["release"], line["status"]) for line in lines] == [
        ("slots/00", "", 502),
        ("candidate", "", 502),
        ("slots/07", "blue", 200),
    ]
