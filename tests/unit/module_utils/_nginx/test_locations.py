# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site is never more open because it was adopted: who gets in is carried over as it is, or nothing is adopted."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import adopt
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration

FILE = "/etc/nginx/conf.d/bench.conf"
# In the manner of bench; a test adds its own lines to some of the locations.
SERVER = """server {{ listen 80; server_name site1.local; {server}
location /assets {{ try_files $uri =404; add_header Cache-Control "max-age=31536000"; {assets} }}
location ~ ^/protected/(.*) {{ internal; try_files /$host/$1 =404; {private} }}
location /socket.io {{ proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade"; proxy_set_header X-Frappe-Site-Name $host;
    proxy_set_header Origin $scheme://$http_host; proxy_set_header Host $host; proxy_pass http://io; {realtime} }}
location / {{ rewrite ^(.+)/$ $1 permanent; rewrite ^(.+)/index\\.html$ $1 permanent;
    rewrite ^(.+)\\.html$ $1 permanent;
    location ~* ^/files/.*.(htm|html|svg|xml) {{
        add_header Content-disposition "attachment"; try_files /$host/public/$uri @webserver; {active} }}
    try_files /$host/public/$uri @webserver; {pages} }}
location @webserver {{ proxy_http_version 1.1; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Frappe-Site-Name $host;
    proxy_set_header Host $host; proxy_set_header X-Use-X-Accel-Redirect True; proxy_redirect off;
    proxy_pass http://web; {web} }}
error_page 502 /502.html; location /502.html {{ root /templates; internal; }} }}
"""
PLACES = ("server", "assets", "private", "realtime", "pages", "active", "web")


def found(text: str, http: str = "") -> adopt.Found:
    main = f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {http} include conf.d/*.conf; }}\n"
    served = adopt.find(Configuration(f"{main}# configuration file {FILE}:\n{text}\n"), "site1.local")
    assert served is not None
    return served


def bench(**added: str) -> str:
    return SERVER.format(**{place: added.get(place, "") for place in PLACES})


def refused(text: str, http: str = "") -> str:
    with pytest.raises(LockstepError) as caught:
        found(text, http)
    assert "move it into the server itself" in (caught.value.hint or "")
    return caught.value.message


def inside(text: str, http: str = "") -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for place, words in found(text, http).fronts[0].inside:
        lines.setdefault(place, []).append(" ".join(words))
    return lines


def test_what_bench_writes_into_its_locations_is_neither_lost_nor_carried() -> None:
    assert (found(bench()).lost, found(bench()).fronts[0].inside) == ((), ())


def test_who_gets_into_a_location_gets_into_ours_for_the_same_requests() -> None:
    text = bench(
        pages='auth_basic "Only us"; auth_basic_user_file /etc/staff; allow 10.0.0.0/8; deny all; satisfy any;',
        active="deny all;",
        assets="auth_basic off;",
        private="allow all;",
        realtime="deny 10.0.0.1;",
        web="auth_basic Web;",
    )
    assert inside(text) == {
        "pages": [
            *("auth_basic Only us", "auth_basic_user_file /etc/staff"),
            *("allow 10.0.0.0/8", "deny all", "satisfy any"),
        ],
        "active": ["deny all"],
        "assets": ["auth_basic off"],
        "private": ["allow all"],
        "realtime": ["deny 10.0.0.1"],
        "web": ["auth_basic Web"],
    }
    assert found(text).lost == ()


def test_locations_that_bench_has_and_the_server_has_not_are_as_open_as_its_pages() -> None:
    text = (
        "server { listen 80; server_name site1.local;"
        " location / { deny all; proxy_pass http://127.0.0.1:8000; proxy_set_header Host $host; } }"
    )
    assert inside(text) == {place: ["deny all"] for place in ("pages", "assets", "realtime", "web", "private")}


def test_a_limit_is_carried_with_its_zone_from_location_and_server() -> None:
    http = "limit_req_zone $binary_remote_addr zone=one:1m rate=1r/s; limit_conn_zone $host zone=two:1m;"
    text = bench(server="limit_conn two 8;", web="limit_req zone=one burst=5; limit_req_status 429;")
    assert inside(text, http) == {"web": ["limit_req zone=one burst=5", "limit_req_status 429"]}
    assert found(text, http).fronts[0].carried == (("limit_conn", "two", "8"),)
    assert found(text, http).lost == ()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "line",
    [
        "auth_request /auth;",
        "auth_jwt closed;",
        "access_by_lua_file /a.lua;",
        "if ($ssl_client_verify != SUCCESS) { return 403; }",
        "limit_except GET { deny all; }",
        "location /inner { deny all; }",
        "return 401;",
    ],
)
def test_what_keeps_visitors_out_and_can_not_be_carried_is_refused(place: str, line: str) -> None:
    message = refused(bench(**{place: line}))
    assert FILE + ":" in message
    at_fault = line.partition("{ ")[2] or line
    assert at_fault.partition(";")[0] in message


def test_a_refusal_names_file_line_directive_and_location() -> None:
    text = bench(web="\nauth_request /auth;", pages="\nif ($bad) {\n return 444; }")
    message = refused(text)
    assert f"{FILE}:13: return 444 in if ($bad) in location /" in message
    assert f"{FILE}:18: auth_request /auth in location @webserver" in message


def test_a_location_that_is_not_ours_is_lost_when_open_and_refused_when_it_keeps_visitors_out() -> None:
    assert found(bench(server="location /x { root /srv; auth_basic off; }")).lost == (
        f"{FILE}:1: location /x is not carried over",
    )
    assert "deny all in location /x" in refused(bench(server="location /x { allow 10.0.0.0/8; deny all; }"))
    # The page of an error that only nginx itself leads to is nobody's way in.
    assert found(bench(server="error_page 429 @slow; location @slow { return 429; }")).lost == ()


def test_an_inner_location_of_benchs_name_is_not_taken_for_benchs_own() -> None:
    assert "deny all in location /assets in location /" in refused(bench(pages="location /assets { deny all; }"))


def test_files_that_are_open_to_others_than_the_pages_are_refused() -> None:
    files = "location /files { try_files /x/$uri @webserver; %s }"
    assert found(bench(server=files % "")).lost == ()
    assert found(bench(server=files % "deny all;", pages="deny all;")).lost == ()
    assert "/ and /files don't let the same visitors in" in refused(bench(server=files % "", pages="deny all;"))
    only = "server { listen 80; server_name site1.local; deny all; location @webserver { proxy_pass http://w; }"
    assert "/ and /files don't let" in refused(f"{only} location /files {{ allow all; }} }}")


@pytest.mark.parametrize("place", ["server", "pages"])
def test_words_that_may_mean_something_else_in_another_server_are_refused(place: str) -> None:
    realm = "map $host $realm { default off; site1.local Staff; }"
    text = bench(**{place: "auth_basic $realm;"})
    assert found(text, realm).lost == ()
    assert "auth_basic $realm" in refused(text)
    assert "$realm may have another value" in refused(text, "map $server_name $realm { default off; }")
    assert "$realm may have another value" in refused(text, "map $host $realm { default $realm; }")
    assert "the zone host is not known" in refused(bench(**{place: "limit_req zone=host;"}))
    zone = "limit_req_zone $own zone=host:1m rate=1r/s;"
    assert "$own may have another value" in refused(bench(**{place: "limit_req zone=host;"}), zone)


def test_a_server_that_only_redirects_protects_nothing() -> None:
    text = bench() + (
        "server { listen 81; server_name site1.local; location / { deny all; return 301 https://$host$request_uri; } }"
    )
    assert [(front.redirect, front.inside) for front in found(text).fronts] == [(False, ()), (True, ())]


def test_what_else_somebody_added_to_a_location_is_reported_with_its_place() -> None:
    text = bench(
        pages="add_header X-Own 1; rewrite ^/old /new permanent; try_files /soon.html /x @webserver;",
        web="proxy_set_header X-Forwarded-Proto https; proxy_buffering off;",
        assets="expires 1y;",
        realtime="proxy_read_timeout 1d;",
    )
    assert [sentence.partition(": ")[2] for sentence in found(text).lost] == [
        "add_header X-Own 1 in location / is not carried over",
        "rewrite ^/old /new permanent in location / is not carried over",
        "try_files /soon.html /x @webserver in location / is not carried over",
        "expires 1y in location /assets is not carried over",
        "proxy_read_timeout 1d in location /socket.io is not carried over",
        "proxy_set_header X-Forwarded-Proto https in location @webserver is not carried over",
        "proxy_buffering off in location @webserver is not carried over",
    ]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("600", 600), ("600s", 600), ("10m", 600), ("1h 30m", 5400), ("1500ms", 2), ("1d", 86400), ("0", 1)],
)
def test_a_request_may_take_as_long_as_before(written: str, seconds: int) -> None:
    assert found(bench(web=f'proxy_read_timeout "{written}";')).timeout == seconds
    assert found(bench(server=f'proxy_read_timeout "{written}";')).timeout == seconds
    assert found(bench(), http=f'proxy_read_timeout "{written}";').timeout == seconds


def test_the_location_has_the_last_word_on_time_and_size() -> None:
    text = bench(
        server="proxy_read_timeout 60; client_max_body_size 1m;",
        web="proxy_read_timeout 600; proxy_send_timeout 500;",
        pages="client_max_body_size 9m;",
    )
    assert (found(text).timeout, found(text).body_size, found(text).lost) == (600, "9m", ())
    assert found(bench()).timeout is None
    longer = found(bench(web="proxy_read_timeout 60; proxy_send_timeout 61; client_max_body_size 2m;")).lost
    assert [sentence.split()[1] for sentence in longer] == ["proxy_send_timeout", "client_max_body_size"]


def test_of_two_servers_the_more_patient_one_counts() -> None:
    text = bench(web="proxy_read_timeout 60;") + bench(web="proxy_read_timeout 600;").replace("listen 80", "listen 81")
    assert found(text).timeout == 600
    assert found(text).lost == ()
