# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever follows a log hears once in a while that something goes on."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.callback.progress import CallbackModule


def test_a_play_in_which_no_unit_moves_says_that_it_goes_on() -> None:
    view: t.Any = CallbackModule()
    said: list[str] = []
    view._say = said.append
    view._title = "Watch the sites"
    view._heartbeat()
    assert said == [], "nothing of it runs yet"
    view._announced = True
    view._heartbeat()
    assert len(said) == 1
    assert re.fullmatch(r"Watch the sites: for \d+ s", said[0])
