# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of sites in real zones: changed as the file says, seen at every name server, never somebody else's."""

from __future__ import annotations

import pytest

from tests.integration.dns.scene import Scene

pytestmark = pytest.mark.integration


def test_a_new_record_is_served_by_every_name_server(scene: Scene) -> None:
    scene.write({"names": "New.Example.TEST.", "values": ["192.0.2.7", "2001:DB8::7"]})
    made = scene.take("present")
    for server in (scene.primary, scene.secondary):
        assert server.ask("new.example.test") == ["3600 192.0.2.7"]
        assert server.ask("new.example.test", "AAAA") == ["3600 2001:db8::7"]
    assert made.updated
    assert not scene.take("present").updated
