# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from tests.integration.frappe.ground import As, Ground
from tests.integration.stage import Stage, stage

#: For the playbooks, one set for the deployment that works and one for those that don't.
ROLLED = ("roll1.local", "roll2.local", "roll3.local")
FAILING = ("fail1.local", "fail2.local", "fail3.local")
#: For the driver itself; the last one is not brought back.
DRIVEN = ("one.local", "two.local")
LOST = "lost.local"


@pytest.fixture(scope="session")
def ground_stage() -> t.Iterator[Stage]:
    """A running bench that nobody deployed to."""
    with stage("lkf-", sites=(*ROLLED, *FAILING, *DRIVEN, LOST)) as found:
        # Requests are given up after this long, and connections that sleep for longer have nobody behind them.
        path = found.bench.path / "sites" / "common_site_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "http_timeout": 5}))
        yield found


@pytest.fixture(scope="session")
def ground(ground_stage: Stage) -> Ground:
    """The same, adopted, with the new release built and started; three sites are there to be driven."""
    found = Ground(ground_stage, (*DRIVEN, LOST))
    found.build(ground_stage.apps())
    return found


@pytest.fixture
def found(ground: Ground) -> t.Iterator[As]:
    """The second driven site as it is now, and is again for the tests that follow, whatever became of this one."""
    site = As(ground, DRIVEN[1])
    yield site
    site.take_back()
