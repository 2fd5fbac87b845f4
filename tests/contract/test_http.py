# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users and health checks get, in good states and broken ones."""

from __future__ import annotations

import datetime
import json
import re

import pytest
import redis

from tests.contract.subject import OTHER, SITE, Subject
from tests.support.asking import ask
from tests.support.daemons import wait_until

PING = "/api/method/ping"
WRITE = "/api/method/contract_app.api.write"


def test_ping_answers_pong(subject: Subject) -> None:
    answer = subject.ask(PING)
    assert (answer.status, answer.json) == (200, {"message": "pong"})


def test_rows_are_stamped_in_the_sites_own_time_zone(changing: Subject) -> None:
    assert changing.ask(WRITE, method="POST", data={"number": 6}).status == 200
    [[stamp]] = changing.bench.sql(SITE, "SELECT creation FROM `tabContract Write` WHERE number = 6")
    now = str(changing.bench.execute(SITE, "frappe.utils.now_datetime"))
    age = datetime.datetime.fromisoformat(now) - datetime.datetime.fromisoformat(stamp)
    assert datetime.timedelta(0) < age < datetime.timedelta(minutes=10)


def test_an_unknown_host_is_404(subject: Subject) -> None:
    assert subject.ask(PING, site="nowhere.test").status == 404


def test_the_site_is_named_by_a_header_before_the_host(subject: Subject) -> None:
    answer = subject.ask(PING, site="nowhere.test", headers={"X-Frappe-Site-Name": SITE})
    assert answer.status == 200


def test_nginx_hands_requests_to_the_site_and_serves_assets_itself(subject: Subject) -> None:
    assert subject.bench.get(SITE, PING).status == 200
    asset = subject.bench.path / "sites" / "assets" / "assets.json"
    path = next(iter(json.loads(asset.read_text()).values()))
    assert subject.bench.get(SITE, path).status == 200


@pytest.mark.parametrize("path", ["/login", "/no-such-page"])
def test_every_page_holds_the_map_of_its_benchs_assets(subject: Subject, path: str) -> None:
    answer = subject.ask(path)
    known = json.loads((subject.bench.path / "sites" / "assets" / "assets.json").read_text())
    assert answer.status == (200 if path == "/login" else 404)
    assert known["contract_app.bundle.js"] in answer.body


def test_the_login_page_names_assets_that_exist(subject: Subject) -> None:
    named = re.findall(r'(?:src|href)="(/assets/[^"?]+\.bundle\.[^"?]+)"', subject.ask("/login").body)
    assert any("contract_app" in one for one in named)
    for one in named:
        assert (subject.bench.path / "sites" / one.lstrip("/")).exists(), one


def test_a_whitelisted_method_answers_guests_only_where_allowed(subject: Subject) -> None:
    assert subject.ask("/api/method/contract_app.api.version").json == {"message": "1.0.0"}
    assert subject.ask("/api/method/contract_app.api.for_users").status == 403
    assert subject.ask("/api/method/contract_app.api.seed").status == 403


def test_a_method_is_refused_for_http_methods_it_does_not_list(subject: Subject) -> None:
    assert subject.ask("/api/method/contract_app.api.version", method="POST", data={}).status == 403
    assert subject.ask(PING, method="HEAD").status == 403


def test_an_unknown_method_is_an_error_of_validation(subject: Subject) -> None:
    answer = subject.ask("/api/method/contract_app.api.nowhere")
    assert (answer.status, answer.json["exc_type"]) == (417, "ValidationError")


def test_a_write_over_http_is_in_the_database(changing: Subject) -> None:
    assert changing.ask(WRITE, method="POST", data={"number": 7}).json == {"message": 7}
    assert changing.ask("/api/method/contract_app.api.read").message == [7]
    assert changing.ask(WRITE, method="POST", data={"number": 7}).status >= 400  # numbers are unique


def test_login_gives_a_session(subject: Subject) -> None:
    good = subject.ask("/api/method/login", method="POST", data={"usr": "Administrator", "pwd": "admin"})
    sid = re.search(r"sid=(\w+)", good.headers["set-cookie"])
    assert good.status == 200
    assert sid
    allowed = subject.ask("/api/method/contract_app.api.for_users", headers={"Cookie": f"sid={sid.group(1)}"})
    assert allowed.status == 200
    bad = subject.ask("/api/method/login", method="POST", data={"usr": "Administrator", "pwd": "wrong"})
    assert bad.status == 401


@pytest.mark.parametrize("path", [PING, "/login", "/api/method/contract_app.api.read"])
def test_maintenance_mode_is_503_everywhere(configuring: Subject, path: str) -> None:
    configuring.set_config(maintenance_mode=1)
    assert configuring.ask(path).status == 503
    assert configuring.ask(PING, method="POST", data={}).status == 503
    assert configuring.ask(PING, method="OPTIONS").status == 503
    assert configuring.ask(PING, site=OTHER).status == 200


def test_with_reads_allowed_only_what_writes_is_503(configuring: Subject) -> None:
    configuring.set_config(maintenance_mode=1, allow_reads_during_maintenance=1)
    assert configuring.ask(PING).status == 200
    assert configuring.ask("/login").status == 200
    assert configuring.ask("/api/method/contract_app.api.read").status == 200
    assert configuring.ask("/no-such-page").status == 404
    assert configuring.ask(PING, method="POST", data={}).status == 200  # writes nothing
    for method in ("POST", "GET"):
        answer = configuring.ask(f"{WRITE}?number=8", method=method, data={} if method == "POST" else None)
        assert (answer.status, answer.json["exc_type"]) == (503, "InReadOnlyMode")
    login = configuring.ask("/api/method/login", method="POST", data={"usr": "Administrator", "pwd": "admin"})
    assert login.status == 503
    assert configuring.bench.sql(SITE, "SELECT COUNT(*) FROM `tabContract Write`") == [["0"]]


def test_a_config_that_is_read_while_it_is_empty_makes_the_site_unknown(configuring: Subject) -> None:
    configuring.bench.site_file(SITE, "site_config.json").write_text("")
    assert configuring.ask(PING).status in (404, 500)


def test_ping_answers_with_the_cache_down(subject: Subject) -> None:
    with subject.without("redis:redis-cache"):
        assert subject.ask(PING).status == 200


def test_ping_answers_with_the_queue_down(subject: Subject) -> None:
    with subject.without("workers:*", "redis:redis-queue"):
        assert subject.ask(PING).status == 200


def test_a_wrong_encryption_key_is_only_noticed_by_who_needs_it(changing: Subject) -> None:
    bench = changing.bench
    bench.site(SITE, "set-config", "encryption_key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    keys = _generate_keys(changing)
    token = {"Authorization": f"token {keys['api_key']}:{keys['api_secret']}"}
    path = "/api/method/contract_app.api.for_users"
    assert changing.ask(path, headers=token).status == 200
    bench.site(SITE, "set-config", "encryption_key", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=")
    assert changing.ask(PING).status == 200
    assert changing.ask(path, headers=token).status == 417


def _generate_keys(subject: Subject) -> dict[str, str]:
    """An API key for the Administrator; where it is made differs, what it is used for doesn't."""
    bench = subject.bench
    if not subject.flavour.real:
        return dict(bench.execute(SITE, "frappe.auth.generate_keys"))
    secret = bench.execute(SITE, "frappe.core.doctype.user.user.generate_keys", user="Administrator")["api_secret"]
    return {
        "api_key": bench.sql(SITE, "SELECT api_key FROM tabUser WHERE name = 'Administrator'")[0][0],
        "api_secret": secret,
    }


def test_without_the_code_of_a_listed_app_nothing_answers_once_the_cache_is_empty(changing: Subject) -> None:
    folder = changing.bench.path / "apps" / "contract_app"
    away = folder.with_name("contract_app.away")
    changing.bench.site(SITE, "clear-cache")
    folder.rename(away)
    try:
        changing.services.supervisor.ctl("restart", "first-web:first-frappe-web")
        wait_until(lambda: changing.ask(PING).status == 500, 60, "the site fails")
    finally:
        away.rename(folder)
        changing.restart("web:frappe-web")


def test_ping_answers_on_a_database_that_the_code_is_ahead_of(changing: Subject) -> None:
    changing.bench.checkout("contract_app", "v2.0.0")
    assert changing.ask(PING).status == 200


def test_files_come_from_nginx_in_any_state(configuring: Subject) -> None:
    file = configuring.bench.site_file(SITE, "public", "files", "hello.txt")
    file.write_text("hello")
    configuring.flavour.give(file)
    configuring.set_config(maintenance_mode=1)
    path = json.loads((configuring.bench.path / "sites" / "assets" / "assets.json").read_text())["desk.bundle.js"]
    assert configuring.bench.get(SITE, "/files/hello.txt").body == "hello"
    assert configuring.bench.get(SITE, path).status == 200
    assert configuring.bench.get(SITE, PING).status == 503
    configuring.set_config(maintenance_mode=None)
    assert configuring.ask("/files/hello.txt").status == 404  # web processes alone don't have it


def test_keys_in_the_cache_carry_the_database_and_no_bench(subject: Subject) -> None:
    subject.ask("/login")
    cache = redis.Redis.from_url(subject.bench.config["redis_cache"], decode_responses=True)
    keys = list(cache.scan_iter(count=1000))
    assert any(key.startswith(f"{subject.database(SITE)}|") for key in keys)
    # Looked for as a key of all sites and written as one of the site: it is read from the bench's file each time.
    assert f"{subject.database(SITE)}|assets_json" in keys
    assert "assets_json" not in keys


def test_realtime_answers_the_handshake(subject: Subject) -> None:
    path = "/socket.io/?EIO=4&transport=polling"
    answer = wait_until(lambda: ask(subject.bench.config["socketio_port"], SITE, path), 30, "realtime answers")
    assert answer.status == 200
    assert answer.body.startswith('0{"sid":')
