# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of repositories: which are accepted, and that none is shown with its secrets."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import urls


@pytest.mark.parametrize(
    ("source", "url", "local"),
    [
        ("https://github.com/frappe/frappe", "https://github.com/frappe/frappe", False),
        ("https://git.example.com:8443/a/b.git", "https://git.example.com:8443/a/b.git", False),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x", False),
        ("ssh://git@example.com:2222/a/b", "ssh://git@example.com:2222/a/b", False),
        ("git@github.com:frappe/frappe.git", "git@github.com:frappe/frappe.git", False),
        ("example.com:path/to/repo", "example.com:path/to/repo", False),
        ("file:///srv/git/frappe", "file:///srv/git/frappe", True),
        ("file://localhost/srv/git/frappe", "file:///srv/git/frappe", True),
        ("/srv/git/frappe", "/srv/git/frappe", True),
        ("./frappe", "/base/frappe", True),
        ("../frappe/", "/frappe", True),
    ],
)
def test_addresses_that_are_taken(source: str, url: str, local: bool) -> None:
    found = urls.parse(source, "/base")
    assert (found.url, found.local, found.username, found.password) == (url, local, None, None)


def test_credentials_are_taken_out_of_the_address() -> None:
    found = urls.parse("https://us%40er:pa%3Ass@example.com/x", "/")
    assert found == urls.Address("https://example.com/x", False, "us@er", "pa:ss")
    assert urls.parse("https://t0ken@example.com/x", "/").username == "t0ken"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "frappe",
        "frappe/frappe",
        "ftp://example.com/x",
        "ext::sh -c x",
        "ext::sh",
        "https://",
        "https://example.com",
        "https:///path",
        "https://exa mple.com/x",
        "https://-oProxy/x",
        "ssh://-oProxyCommand=x/y",
        "-uhttps://example.com/x",
        "--upload-pack=x",
        "https://example.com/x?token=y",
        "https://example.com/x#y",
        "https://example.com:port/x",
        "https://[::1/x",
        "file://other/x",
        "file://relative",
        "ssh://git:password@example.com/x",
        "https://example.com/a\nb",
        "/srv/a b",
        "host:",
        "-host:path",
        "user:password@example.com:x",
        "user:password@example.com/x",
        "https:/user:password@example.com/x",
        "//user:password@example.com/x",
        "https://user:123/word@example.com/x",
    ],
)
def test_addresses_that_are_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"expected|password"):
        urls.parse(source, "/base")


@hypothesis.given(
    st.sampled_from(["https", "http", "HTTPS"]),
    st.text("abcXYZ019-_.~%!$&*+,;=:", min_size=1, max_size=20),
    st.sampled_from(["example.com/a", "exa mple.com/a", "", "example.com:x/y", "example.com/a?token=S3CRET"]),
)
def test_no_message_and_no_shown_address_holds_a_secret(scheme: str, secret: str, rest: str) -> None:
    source = f"{scheme}://u:S3CRET{secret}@{rest}"
    assert "S3CRET" not in urls.without_credentials(f"fatal: unable to access '{source}/': no")
    try:
        said = urls.parse(source, "/").url
    except ValueError as error:
        said = str(error)
    assert "S3CRET" not in said


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://user:S3/CRET@example.com/x", "https://example.com/x"),
        ("https://user:123/S3CRET@example.com/x", "https://example.com/x"),
        ("https://user:S3 CRET@example.com/x", "https://example.com/x"),
        ("https:/user:S3CRET@example.com/x", "https:/example.com/x"),
        ("https//user:S3CRET@example.com/x", "https//example.com/x"),
        ("//user:S3CRET@example.com/x", "//example.com/x"),
        ("user:S3CRET@example.com:x", "example.com:x"),
        ("user:S3CRET@example.com/x", "example.com/x"),
        ("-git@example.com:a/b@c", "-git@example.com:a/b@c"),
        ("ftp://example.com/a@b", "ftp://example.com/a@b"),
    ],
)
def test_an_address_that_is_refused_is_shown_without_what_may_be_a_password(source: str, shown: str) -> None:
    with pytest.raises(ValueError, match="found") as raised:
        urls.parse(source, "/base")
    assert repr(shown) in str(raised.value)
    assert "CRET" not in str(raised.value)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://github.com/resilient-tech/india-compliance", "india-compliance"),
        ("git@github.com:frappe/hrms.git", "hrms"),
        ("/srv/git/erpnext.git/", "erpnext"),
        ("host:frappe", "frappe"),
    ],
)
def test_the_name_of_a_repository(source: str, name: str) -> None:
    assert urls.repository_name(source) == name
