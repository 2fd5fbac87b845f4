# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checksum fits what we wrote, and nothing that differs from it in any letter."""

from __future__ import annotations

import random

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config, drift, seal
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Bridge, Traffic

TEXT = config.render(Traffic((), (Bridge("/run/a.sock", 8000),))).text


def test_what_we_write_is_as_we_wrote_it() -> None:
    assert seal.judge(TEXT) == seal.INTACT
    assert seal.judge(seal.seal("")) == seal.INTACT
    assert seal.seal("x\udcff") == seal.seal("x\udcff"), "bytes that are no text are hashed as they are"


def test_every_letter_counts() -> None:
    dice = random.Random(7)
    for _try in range(300):
        at = dice.randrange(len(TEXT))
        for changed in (TEXT[:at] + TEXT[at + 1 :], TEXT[:at] + "~" + TEXT[at:]):
            assert seal.judge(changed) != seal.INTACT, (at, TEXT[at])


@pytest.mark.parametrize(
    "text", ["", "\n", "server { }\n", "# as written by lockstep.deploy\n", "x\n" * 30 + "# Written by"]
)
def test_what_does_not_say_that_it_is_ours_is_somebody_elses(text: str) -> None:
    assert seal.judge(text) == seal.FOREIGN


def test_an_old_head_without_a_generation_is_ours() -> None:
    assert seal.judge("# Written by lockstep.deploy, which overwrites changes made here.\nserver { }\n") == seal.INTACT


def test_a_refusal_shows_no_more_than_people_read() -> None:
    found = drift.Drift("/x.conf", TEXT + "# by hand\n" * 500, TEXT, None, None)
    detail = found.refusal().detail
    assert isinstance(detail, list)
    assert len(detail) == 41
    assert detail[-1].endswith("more lines")


def test_the_gravest_is_told() -> None:
    missing = drift.Drift("/a.conf", None, TEXT, None, None)
    edited = drift.Drift("/b.conf", TEXT + "x", TEXT, None, None)
    fine = drift.Drift("/c.conf", TEXT, TEXT, "1", "1")
    assert drift.gravest([missing, edited, fine]) is edited
    assert drift.gravest([fine]) is None
