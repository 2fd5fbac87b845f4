# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Frappe site is believed when its pages work, and a freeze when writes are refused."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._health import site as health
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Result
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import Transport
from tests.integration.health.servers import Answer, Site

pytestmark = pytest.mark.integration

LOGIN = """<!doctype html><html><head>
<link rel="stylesheet" href="/assets/frappe/dist/css/login.bundle.ABC.css?v=1">
<link rel="icon" href="https://cdn.example.com/assets/x.svg"><link href="#top">
<script src="/assets/app/dist/js/app%20one.js"></script><script src="/website_script.js"></script>
</head><body><img src="/assets/frappe/images/logo.svg"><img src="/assets/frappe/images/logo.svg">
<a href="/assets/manual.pdf">manual</a></body></html>"""
ASSETS = [
    "/assets/frappe/dist/css/login.bundle.ABC.css",
    "/assets/app/dist/js/app%20one.js",
    "/assets/frappe/images/logo.svg",
]
RELEASE = {"X-Lockstep-Release": "a1b2"}
VOTE = "/api/method/frappe.website.doctype.help_article.help_article.add_feedback"


def frappe(**changes: Answer) -> dict[str, Answer]:
    """What a site that works answers; paths by their last part."""
    found = {
        "/api/method/ping": Answer('{"message": "pong"}', headers=RELEASE),
        "/login": Answer(LOGIN, headers=RELEASE),
        "POST /api/method/login": Answer('{"message": "Incomplete login details"}', 401),
        **{path: Answer("asset") for path in ASSETS},
    }
    return {path: changes.get(path.rpartition("/")[2], answer) for path, answer in found.items()}


@pytest.fixture
def built(tmp_path: pathlib.Path) -> pathlib.Path:
    """The folder of a release's built assets."""
    folder = tmp_path / "assets"
    for path in ("frappe/dist/css/login.bundle.ABC.css", "app/dist/js/app one.js", "frappe/images/logo.svg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("asset")
    return folder


def passed(results: list[Result]) -> dict[str, bool | None]:
    return {result.name: result.passed for result in results}


def test_a_site_that_works_is_healthy_directly_and_through_nginx(tmp_path: pathlib.Path, built: pathlib.Path) -> None:
    site = Site(frappe())
    with site.on_socket(tmp_path / "web.sock") as where:
        direct = health.check_site(Transport("site1.local", where), "a1b2", str(built))
    assert passed(direct) == {"accessible": True, "login_page": True, "assets": True, "release": True}
    assert {headers["x-frappe-site-name"] for _m, _p, headers, _b in site.seen} == {"site1.local"}
    site = Site(frappe())
    with site.on_port() as port:
        outside = health.check_site(Transport("www.site1.local", f"127.0.0.1:{port}"), "a1b2")
    assert all(result.passed for result in outside)
    assert {headers["host"] for _m, _p, headers, _b in site.seen} == {"www.site1.local"}
    assert not any("x-frappe-site-name" in headers for _m, _p, headers, _b in site.seen)


def test_the_assets_of_a_page_are_those_it_loads() -> None:
    assert health.named_assets(LOGIN) == ASSETS


@pytest.mark.parametrize(
    ("answers", "name", "expected"),
    [
        (frappe(ping=Answer("{}", 503)), "accessible", False),
        (frappe(ping=Answer('{"message": "pong"}')), "release", None),
        (frappe(ping=Answer("{}", headers={"X-Lockstep-Release": "old"})), "release", False),
        (frappe(login=Answer("error", 500)), "login_page", False),
        (frappe(login=Answer("error", 500)), "assets", None),
        (frappe(login=Answer("<html>empty</html>")), "assets", None),
        ({path: answer for path, answer in frappe().items() if path != ASSETS[1]}, "assets", False),
    ],
)
def test_what_is_wrong_with_a_site_is_found(answers: dict[str, Answer], name: str, expected: bool | None) -> None:
    with Site(answers).on_port() as port:
        results = health.check_site(Transport("site1.local", f"127.0.0.1:{port}"), "a1b2")
    assert passed(results)[name] is expected


def test_an_asset_outside_the_folder_is_missing(tmp_path: pathlib.Path, built: pathlib.Path) -> None:
    (tmp_path / "secret.css").write_text("x")
    page = Answer('<link href="/assets/../secret.css"><link href="/assets/%2e%2e/secret.css"><link href="/assets/">')
    with Site(frappe(login=page)).on_socket(tmp_path / "s") as where:
        (result,) = [r for r in health.check_site(Transport("x", where), assets=str(built)) if r.name == "assets"]
    assert result.passed is False
    assert len(result.observed["missing"]) == 3


def test_a_sites_own_endpoints_are_asked_too() -> None:
    answers = {**frappe(), "/api/method/shop.health": Answer(json.dumps({"message": {"ok": 1}}))}
    endpoints: list[dict[str, t.Any]] = [
        {"path": "/api/method/shop.health", "json": {"message.ok": 1}},
        {"path": "/api/method/none", "status": [200, 404]},
        {"path": "/login", "contains": "nowhere"},
    ]
    with Site(answers).on_port() as port:
        results = health.check_site(Transport("site1.local", f"127.0.0.1:{port}"), endpoints=endpoints)
    assert [result.passed for result in results[-3:]] == [True, True, False]


def test_a_site_that_does_not_answer_at_all_fails_everywhere(tmp_path: pathlib.Path) -> None:
    results = health.check_site(Transport("site1.local", f"unix:{tmp_path}/none"), "a1b2")
    assert passed(results) == {"accessible": False, "login_page": False, "assets": False, "release": False}


BUSY = Answer("", 503)


@pytest.mark.parametrize(
    ("read", "write", "reads", "expected"),
    [
        (None, BUSY, True, True),
        (BUSY, BUSY, False, True),
        (BUSY, BUSY, True, False),
        (None, BUSY, False, False),
        (None, None, True, False),
        (None, Answer("{}", 200), True, False),
        # Logins by password are switched off: refused before anything was written.
        (None, Answer('{"exc_type": "AuthenticationError"}', 401), True, None),
    ],
)
def test_a_freeze_is_believed_when_the_site_refuses_writes(
    read: Answer | None, write: Answer | None, reads: bool, expected: bool | None
) -> None:
    answers = frappe()
    answers.update({"/api/method/ping": read} if read else {}, **({"POST /api/method/login": write} if write else {}))
    site = Site(answers)
    with site.on_port() as port:
        assert health.frozen(Transport("site1.local", f"127.0.0.1:{port}"), reads).passed is expected
    assert not [body for _method, _path, _headers, body in site.seen if "pwd" in body]


def test_a_freeze_that_is_in_force_is_found_so_that_no_reader_fails() -> None:
    site = Site({**frappe(), f"POST {VOTE}": BUSY})
    with site.on_port() as port:
        for _time in range(2):
            assert health.frozen(Transport("site1.local", f"127.0.0.1:{port}"), reads=True).passed is True
    writes = [(path, body) for method, path, _headers, body in site.seen if method == "POST"]
    # A login makes Frappe forget where its pages are, while somebody looks for one.
    assert {path for path, _body in writes} == {VOTE}
    assert len({body for _path, body in writes}) == 2, "votes for one article are counted, and refused after some"


def test_a_vote_that_wrote_nothing_is_no_proof_of_a_site_that_takes_writes() -> None:
    site = Site({**frappe(), f"POST {VOTE}": Answer("{}"), "POST /api/method/login": BUSY})
    with site.on_port() as port:
        assert health.frozen(Transport("site1.local", f"127.0.0.1:{port}"), reads=True).passed is True


def test_a_freeze_of_a_site_that_does_not_answer_can_not_be_known(tmp_path: pathlib.Path) -> None:
    assert health.frozen(Transport("site1.local", f"unix:{tmp_path}/none"), reads=True).passed is None


def test_a_thaw_is_believed_when_the_site_answers_again() -> None:
    with Site(frappe()).on_port() as port:
        assert health.thawed(Transport("site1.local", f"127.0.0.1:{port}")).passed
    with Site(frappe(ping=BUSY)).on_port() as port:
        assert health.thawed(Transport("site1.local", f"127.0.0.1:{port}")).passed is False
