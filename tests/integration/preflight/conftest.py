# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from tests.integration.preflight.look import SITES, Look
from tests.integration.stage import stage


@pytest.fixture(scope="session")
def look() -> t.Iterator[Look]:
    """A running bench with two sites that nobody deployed to yet."""
    with stage("lkp-", sites=SITES) as found:
        yield Look(found)


@pytest.fixture(scope="session")
def adopted() -> t.Iterator[Look]:
    """Another one that was adopted, with the release of its next deployment built and started."""
    with stage("lkq-", sites=SITES) as found:
        yield Look(found).adopt()
