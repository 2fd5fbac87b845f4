# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from tests.integration.stage import stage
from tests.integration.traffic.operator import SITES, Operator


@pytest.fixture(scope="session")
def operator() -> t.Iterator[Operator]:
    """Two sites that were deployed to, and who is on call for them."""
    with stage("lkt-", sites=SITES) as found:
        yield Operator(found)


@pytest.fixture(autouse=True)
def as_before(operator: Operator) -> t.Iterator[None]:
    """Every test finds both sites open, and our file as we wrote it."""
    yield
    operator.put_back()
