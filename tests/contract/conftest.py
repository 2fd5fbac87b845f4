# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One bench for all tests: the stand-in, or the real one that ``LOCKSTEP_BENCH`` names."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests.contract.subject import OTHER, SITE, Subject, make_subject
from tests.support.bench import Bench
from tests.support.daemons import end_recorded
from tests.support.services import Services

_MAKING_A_REAL_BENCH = 3600


@pytest.fixture(scope="session")
def subject() -> t.Iterator[Subject]:
    """A bench with the sites SITE and OTHER, running."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="lkc-", dir="/tmp"))
    scratch.chmod(0o755)
    try:
        with Services(scratch) as services:
            found = make_subject(scratch, services)
            found.bench.execute(SITE, "contract_app.api.seed")
            found.remember(SITE, OTHER)
            yield found
    finally:
        end_recorded(scratch)
        shutil.rmtree(scratch)


@pytest.fixture
def changing(subject: Subject) -> t.Iterator[Subject]:
    """For tests that change SITE's database or its app's release: both are put back."""
    yield subject
    subject.reset(SITE)


@pytest.fixture
def configuring(subject: Subject) -> t.Iterator[Subject]:
    """For tests that change a site's configuration: it is put back."""
    yield subject
    subject.reset_config(SITE)
    subject.reset_config(OTHER)


@pytest.fixture(scope="session")
def second(subject: Subject) -> Bench:
    """A second bench beside the first."""
    return subject.second_bench()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = pathlib.Path(__file__).parent
    real = bool(os.environ.get("LOCKSTEP_BENCH"))
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.contract)
            if real:
                # Whichever test comes first has a bench made for it: minutes of pip and yarn.
                item.add_marker(pytest.mark.timeout(_MAKING_A_REAL_BENCH))
