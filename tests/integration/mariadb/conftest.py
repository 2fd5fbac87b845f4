# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import pathlib
import tempfile
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from tests.integration.mariadb.scene import Site
from tests.support.services import MariaDB

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> t.Iterator[MariaDB]:
    with tempfile.TemporaryDirectory(prefix="lk") as folder, MariaDB(pathlib.Path(folder)) as found:
        yield found


@pytest.fixture
def site(server: MariaDB) -> t.Iterator[Site]:
    found = Site(server, f"site_{next(_NUMBERS)}")
    yield found
    found.drop()


@pytest.fixture
def database(site: Site) -> Database:
    return site.database


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> str:
    """Where a backup may go."""
    return str(tmp_path / "backup")
