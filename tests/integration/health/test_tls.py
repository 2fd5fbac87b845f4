# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and versions of TLS are judged as browsers judge them."""

from __future__ import annotations

import pathlib
import ssl

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._health import tls
from tests.integration.health.servers import Site, certificate

pytestmark = pytest.mark.integration

NAME = "shop.example.com"


def test_a_certificate_that_is_trusted_and_lasts_passes(tmp_path: pathlib.Path) -> None:
    context, trusted = certificate(tmp_path, NAME, days=90)
    with Site({}).on_port(context) as port:
        found = tls.certificate(NAME, f"127.0.0.1:{port}", trusted)
    assert (found.passed, round(found.observed["days_left"])) == (True, 90)


@pytest.mark.parametrize(("days", "passed"), [(13, False), (15, True)])
def test_a_certificate_that_should_have_been_renewed_fails(tmp_path: pathlib.Path, days: int, passed: bool) -> None:
    context, trusted = certificate(tmp_path, NAME, days=days)
    with Site({}).on_port(context) as port:
        found = tls.certificate(NAME, f"127.0.0.1:{port}", trusted)
    assert found.passed is passed


def test_a_certificate_for_another_name_or_of_nobody_fails(tmp_path: pathlib.Path) -> None:
    context, trusted = certificate(tmp_path, NAME, days=90)
    with Site({}).on_port(context) as port:
        other = tls.certificate("other.example.com", f"127.0.0.1:{port}", trusted)
        nobody = tls.certificate(NAME, f"127.0.0.1:{port}")
    assert other.passed is False
    assert "Hostname mismatch" in other.message
    assert nobody.passed is False
    assert "self-signed" in nobody.message


def test_where_nobody_speaks_tls_nothing_is_known() -> None:
    with Site({}).on_port() as port:
        where = f"127.0.0.1:{port}"
        assert tls.certificate(NAME, where).passed is None
        assert tls.version(NAME, where).passed is None


def test_a_server_of_today_passes(tmp_path: pathlib.Path) -> None:
    context, _trusted = certificate(tmp_path, NAME)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with Site({}).on_port(context) as port:
        found = tls.version(NAME, f"127.0.0.1:{port}")
    assert found.passed is True, found
    assert found.observed == {"version": "TLSv1.3"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_speaks_a_version_nobody_should_speak_fails(
    tmp_path: pathlib.Path, newest: ssl.TLSVersion
) -> None:
    context, _trusted = certificate(tmp_path, NAME)
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with Site({}).on_port(context) as port:
        found = tls.version(NAME, f"127.0.0.1:{port}")
    assert found.passed is False, found
    assert found.message.startswith("TLSv1.1 is spoken")
