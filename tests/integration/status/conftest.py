# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from tests.integration.stage import stage
from tests.integration.status.story import SITES, Story


@pytest.fixture(scope="session")
def story() -> t.Iterator[Story]:
    """Two sites that were asked before their first deployment, and then deployed to."""
    with stage("lks-", sites=SITES) as found:
        yield Story(found)
