# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request ends within its time and size, whatever the server does."""

from __future__ import annotations

import pathlib
import socket
import threading
import time

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._health.check import Check, run_checks
from tests.integration.health.servers import Answer, Site, certificate, raw

pytestmark = pytest.mark.integration

OK = b"HTTP/1.1 200 OK\r\n"


def test_a_request_over_tcp_carries_host_headers_and_body() -> None:
    site = Site({"POST /x?y=1": Answer("done", 201, {"X-One": "1"})})
    with site.on_port() as port:
        answer = http.request(
            "http://site1.local/x?y=1",
            connect=f"127.0.0.1:{port}",
            method="POST",
            headers={"X-Own": "2"},
            body=b"a=b",
        )
    assert (answer.status, answer.text, answer.headers["x-one"], answer.truncated) == (201, "done", "1", False)
    ((method, path, headers, body),) = site.seen
    assert (method, path, body) == ("POST", "/x?y=1", "a=b")
    assert (headers["host"], headers["x-own"], headers["connection"]) == ("site1.local", "2", "close")


def test_a_host_header_can_be_chosen_and_the_urls_port_is_part_of_it() -> None:
    site = Site({"/": Answer()})
    with site.on_port() as port:
        http.request(f"http://127.0.0.1:{port}/")
        http.request(f"http://127.0.0.1:{port}", headers={"Host": "site1.local"})
    assert [headers["host"] for _method, _path, headers, _body in site.seen] == [f"127.0.0.1:{port}", "site1.local"]


def test_a_request_over_a_unix_socket(tmp_path: pathlib.Path) -> None:
    with Site({"/": Answer("here")}).on_socket(tmp_path / "s") as where:
        assert http.request("http://site1.local/", connect=where).text == "here"
    with pytest.raises(http.NoAnswer, match="no connection to unix:"):
        http.request("http://site1.local/", connect=where)


def test_a_certificate_must_be_valid_for_the_host_unless_told_otherwise(tmp_path: pathlib.Path) -> None:
    context, trusted = certificate(tmp_path, "site1.local")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with Site({"/": Answer("safe")}).on_port(context) as port:
        where = f"127.0.0.1:{port}"
        assert http.request("https://site1.local/", connect=where, ca_file=trusted).text == "safe"
        with pytest.raises(http.NoAnswer, match=r"no TLS connection for site2\.local"):
            http.request("https://site2.local/", connect=where, ca_file=trusted)
        with pytest.raises(http.NoAnswer, match=r"no TLS connection for site1\.local"):
            http.request("https://site1.local/", connect=where)
        assert http.request("https://site2.local/", connect=where, verify=False).text == "safe"
    assert asked == ["site1.local", "site2.local", "site1.local", "site2.local"]


def dripping(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(4096)
    connection.sendall(OK + b"Content-Length: 100000\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b".")


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait(20)


def slow_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(OK)
    while not over.wait(0.02):
        connection.sendall(b"X: y\r\n")


@pytest.mark.parametrize("talk", [dripping, silent, slow_headers])
def test_the_time_bounds_the_request_as_a_whole(talk: object) -> None:
    with raw(talk) as port:  # type: ignore[arg-type]
        begin = time.monotonic()
        with pytest.raises(http.NoAnswer, match=r"within 0\.3 s|not in time|got more than"):
            http.request(f"http://127.0.0.1:{port}/", timeout=0.3)
        assert time.monotonic() - begin < 2


def test_a_server_that_takes_nothing_does_not_hold_an_upload() -> None:
    with raw(silent) as port:
        begin = time.monotonic()
        with pytest.raises(http.NoAnswer):
            http.request(f"http://127.0.0.1:{port}/", method="POST", body=b"x" * 50_000_000, timeout=0.3)
        assert time.monotonic() - begin < 2


def test_a_tls_handshake_that_never_ends_is_given_up() -> None:
    with raw(silent) as port, pytest.raises(http.NoAnswer):
        http.request(f"https://127.0.0.1:{port}/", timeout=0.3)


def test_a_long_body_is_cut_off_and_said_to_be() -> None:
    with Site({"/": Answer("x" * 5000)}).on_port() as port:
        answer = http.request(f"http://127.0.0.1:{port}/", max_bytes=1000)
        assert (len(answer.body), answer.truncated) == (1000, True)
        answer = http.request(f"http://127.0.0.1:{port}/", max_bytes=5000)
        assert (len(answer.body), answer.truncated) == (5000, False)


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH\r\n", OK + b"Content-Length: 9\r\n\r\nabc", b"HTTP/1.1 abc\r\n\r\n"]
)
def test_what_is_no_answer_is_told_as_that(answer: bytes) -> None:
    def talk(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with raw(talk) as port, pytest.raises(http.NoAnswer):
        http.request(f"http://127.0.0.1:{port}/", timeout=5)


def test_chunks_are_put_together_and_a_body_without_a_length_ends_with_the_connection() -> None:
    bodies = [
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        OK + b"\r\nabcde",
    ]

    def talk(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(bodies.pop())

    with raw(talk) as port:
        assert [http.request(f"http://127.0.0.1:{port}/").text for _ignored in range(2)] == ["abcde", "abcde"]


def test_redirects_are_followed_only_when_asked_for_and_only_so_far() -> None:
    site = Site(
        {
            "/a": Answer(status=302, headers={"Location": "/b"}),
            "/b": Answer(status=301, headers={"Location": "/c"}),
            "/c": Answer("end"),
        }
    )
    with site.on_port() as port:
        url = f"http://127.0.0.1:{port}/a"
        assert http.request(url).status == 302
        assert http.request(url, redirects=1).status == 301
        assert http.request(url, redirects=2, method="POST", body=b"x").text == "end"
    assert [method for method, path, _headers, _body in site.seen if path == "/c"] == ["GET"]


def test_a_redirect_elsewhere_takes_no_secrets_along() -> None:
    there = Site({"/": Answer("there")})
    with there.on_port() as other:
        here = Site({"/": Answer(status=307, headers={"Location": f"http://localhost:{other}/"})})
        with here.on_port() as port:
            headers = {"Authorization": "token a:b", "Cookie": "sid=1", "X-Own": "1"}
            assert http.request(f"http://127.0.0.1:{port}/", headers=headers, redirects=1).text == "there"
    ((_method, _path, seen, _body),) = there.seen
    assert seen["x-own"] == "1"
    assert seen["host"] == f"localhost:{other}"
    assert not {"authorization", "cookie"} & set(seen)


@pytest.mark.parametrize(
    "url",
    ["", "site1.local", "ftp://x/", "http://", "http:///x", "http://x:99999/", "http://x y/", "http://x/\r\nX: y"],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(LockstepError, match="is not"):
        http.request(url)


def test_a_url_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(LockstepError) as caught:
        http.request("http://user:topsecret@x/")
    assert "topsecret" not in str(caught.value)


def test_headers_can_not_be_split() -> None:
    with Site({}).on_port() as port, pytest.raises(LockstepError, match="can't be sent"):
        http.request(f"http://127.0.0.1:{port}/", headers={"X": "a\r\nY: b"})


def test_a_name_nobody_knows_is_no_answer() -> None:
    with pytest.raises(http.NoAnswer, match=r"nowhere\.invalid can't be resolved"):
        http.request("http://nowhere.invalid/", timeout=5)


def test_checks_over_real_servers_end_with_their_deadline() -> None:
    site = Site({"/": Answer("v1", headers={"X-Version": "1.0"}), "/old": Answer("v0")})
    with site.on_port() as port, raw(silent) as dead:
        begin = time.monotonic()
        url = f"http://127.0.0.1:{port}/"
        version = {"version": "1.0", "version_header": "X-Version"}
        found = run_checks(
            [
                Check.from_mapping({"name": "up", "type": "http", "url": url, **version}),
                Check.from_mapping({"name": "old", "type": "http", "url": f"{url}old", **version}),
                Check.from_mapping({"name": "fast", "type": "performance", "url": url, "max_p95": 5}),
                Check.from_mapping({"name": "open", "type": "tcp", "connect": f"127.0.0.1:{port}"}),
                Check.from_mapping({"name": "dead", "type": "http", "url": f"http://127.0.0.1:{dead}/"}),
            ],
            timeout=3,
        )
        assert time.monotonic() - begin < 6
    passed = {one["name"]: one["passed"] for one in found["checks"]}
    assert (passed["up"], passed["old"], passed["open"], passed["dead"]) == (True, None, True, False)
    assert found["overall_status"] == "failed"
    # The dead one used up the time, so nothing was measured: no data is no pass.
    assert passed["fast"] is None


def test_speed_is_judged_by_the_slowest_twentieth() -> None:
    site = Site({"/": Answer("ok"), "/bad": Answer("no", 500)})
    with site.on_port() as port:
        base = {"type": "performance", "requests": 20}
        found = run_checks(
            [
                Check.from_mapping({**base, "url": f"http://127.0.0.1:{port}/", "max_p95": 5}),
                Check.from_mapping({**base, "url": f"http://127.0.0.1:{port}/", "max_p95": 1e-6}),
                Check.from_mapping({**base, "url": f"http://127.0.0.1:{port}/bad", "max_p95": 5}),
            ]
        )
    assert [one["passed"] for one in found["checks"]] == [True, False, False]
    assert found["checks"][0]["observed"]["requests"] == 20
    assert 0 < found["checks"][0]["observed"]["p50"] <= found["checks"][0]["observed"]["p95"] < 5
