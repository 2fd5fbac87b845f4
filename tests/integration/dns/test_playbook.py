# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/dns.yml as users run it."""

from __future__ import annotations

import pytest

from tests.integration.dns.scene import Scene

pytestmark = pytest.mark.integration


def test_a_site_moves_to_another_address_and_back(scene: Scene) -> None:
    scene.write({"names": "short.example.test", "values": "192.0.2.2"}, zone={"ttl_before_change": 1, "ttl": 900})
    looked = scene.play("--check", "--diff")
    assert looked.status == 0, looked.output
    assert "-short.example.test. 2 IN A 192.0.2.1" in looked.output
    assert "+short.example.test. 900 IN A 192.0.2.2" in looked.output
    assert scene.primary.ask("short.example.test") == ["2 192.0.2.1"]
    assert not (scene.folder / "state").exists()
    moved = scene.play()
    assert moved.status == 0, moved.output
    assert "Waiting 2 s" in moved.output
    for server in (scene.primary, scene.secondary):
        assert server.ask("short.example.test") == ["900 192.0.2.2"]
    again = scene.play()
    assert (again.status, again.changed) == (0, 0), again.output
    back = scene.play(state="previous")
    assert back.status == 0, back.output
    for server in (scene.primary, scene.secondary):
        assert server.ask("short.example.test") == ["2 192.0.2.1"]
    assert scene.play(state="previous").changed == 0
