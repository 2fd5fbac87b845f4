# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import shutil
import socket
import tempfile
import typing as t

import pytest

from tests.integration.dns.scene import Named, Primary, Scene, Secondary
from tests.support.daemons import end_recorded


@pytest.fixture(scope="session")
def servers() -> t.Iterator[tuple[Named, Named]]:
    """A primary and a secondary name server."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="lkn-", dir="/tmp"))
    try:
        with Primary(scratch) as primary, Secondary(scratch, primary) as secondary:
            yield primary, secondary
    finally:
        end_recorded(scratch)
        shutil.rmtree(scratch)


@pytest.fixture
def scene(servers: tuple[Named, Named], tmp_path: pathlib.Path) -> Scene:
    """Both name servers, with a folder for one test."""
    return Scene(*servers, tmp_path)


@pytest.fixture
def ipv6() -> None:
    """IPv6 on the loopback interface."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
