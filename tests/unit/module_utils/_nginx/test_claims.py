# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers for a name is found as nginx finds it."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import claims
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration

OURS = "/etc/nginx/conf.d/00-lockstep.conf"


def configuration(**files: str) -> Configuration:
    """A configuration whose conf.d holds these files (``_`` for ``-``)."""
    dump = "# configuration file /etc/nginx/nginx.conf:\nhttp { include conf.d/*.conf; }\n"
    for name, text in files.items():
        dump += f"# configuration file /etc/nginx/conf.d/{name.replace('_', '-')}.conf:\n{text}\n"
    return Configuration(dump)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("80", "*:80"),
        ("*:80", "*:80"),
        ("0.0.0.0:80", "*:80"),
        ("*", "*:80"),
        ("127.0.0.1", "127.0.0.1:80"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::]:443", "[::]:443"),
        ("[::1]", "[::1]:80"),
        ("LOCALHOST:80", "localhost:80"),
        ("unix:/Run/x.sock", "unix:/Run/x.sock"),
    ],
)
def test_an_address_has_one_spelling(listen: str, expected: str) -> None:
    assert claims.address((listen, "ssl")) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("exact.example.com", "1"),
        ("other.example.com", "2"),
        ("deep.sub.example.com", "3"),
        ("example.org", "4"),
        ("www.example.org", "4"),
        ("mail.example.net", "5"),
        ("shop7.local", "6"),
        ("nobody.local", "default"),
    ],
)
def test_a_name_is_answered_by_the_server_nginx_would_choose(host: str, expected: str) -> None:
    found = configuration(
        a=r"""
        server { listen 80; server_name ~^shop\d+\.local$; return 6; }
        server { listen 80; server_name *.example.com; return 2; }
        server { listen 80; server_name *.sub.example.com; return 3; }
        server { listen 80; server_name exact.example.com; return 1; }
        server { listen 80; server_name .example.org; return 4; }
        server { listen 80; server_name mail.*; return 5; }
        server { listen 0.0.0.0:80 default_server; server_name _; return default; }
        """
    )
    server = claims.Index(found).answering("*:80", host)
    assert server is not None
    assert server.children("return")[0].args == (expected,)


def test_without_a_mark_the_first_server_answers_for_unknown_hosts() -> None:
    index = claims.Index(configuration(a="server { listen 80; server_name one; }", b="server { listen 80; }"))
    assert not index.marked("*:80")
    assert index.default("*:80") is index.answering("*:80", "nobody")
    assert index.answering("*:81", "one") is None


def test_a_name_of_ours_in_an_earlier_file_is_found_with_its_place() -> None:
    found = configuration(
        **{"00_a": "server { listen 80; server_name site1.local; }"},
        **{"00_lockstep": "server { listen 80; server_name site1.local site2.local; }"},
    )
    assert claims.shadowed(found, [OURS]) == [
        "site1.local on *:80 is answered by /etc/nginx/conf.d/00-a.conf:1",
    ]


def test_a_name_of_ours_in_a_later_file_is_no_problem() -> None:
    found = configuration(
        **{"00_lockstep": "server { listen 80; server_name site1.local; }"},
        frappe_bench="server { listen 80; server_name site1.local site9.local; }",
    )
    assert claims.shadowed(found, [OURS]) == []


def test_a_name_of_ours_on_an_address_that_goes_first_is_found_in_a_later_file_too() -> None:
    found = configuration(
        **{"00_lockstep": "server { listen 80; listen [::]:80; server_name site1.local; }"},
        frappe_bench="server { listen 127.0.0.1:80; server_name site1.local; }",
        other="server { listen 127.0.0.1:81; listen [::1]:80; server_name site2.local; }",
    )
    assert claims.shadowed(found, [OURS]) == [
        "site1.local on 127.0.0.1:80 is answered by /etc/nginx/conf.d/frappe-bench.conf:1",
    ]
