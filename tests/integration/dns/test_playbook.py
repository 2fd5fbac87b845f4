# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/dns.yml as users run it."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time

import pytest

from tests.integration.dns.scene import CLONE, KEY, SECRET, Scene
from tests.support.daemons import free_port

pytestmark = pytest.mark.integration


def test_a_site_moves_to_another_address_and_back(scene: Scene) -> None:
    scene.put("short.example.test", 2, "A", "192.0.2.1")
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


def test_what_was_lowered_ahead_is_recorded_until_the_change(scene: Scene) -> None:
    scene.put("ahead.example.test", 5, "A", "192.0.2.1")
    scene.write({"names": "ahead.example.test", "values": "192.0.2.2"}, zone={"ttl_before_change": 1})
    lowered = scene.play(state="lowered")
    assert lowered.status == 0, lowered.output
    assert "on records can change without waiting" in lowered.output
    entry = scene.recorded()["ahead.example.test"]
    assert entry["lowered"]["rrsets"] == {"A": {"ttl": 5, "values": ["192.0.2.1"]}}
    assert entry["lowered"]["at"] == pytest.approx(time.time(), abs=30)
    moved = scene.play()
    assert moved.status == 0, moved.output
    entry = scene.recorded()["ahead.example.test"]
    assert entry["before"] == {"A": {"ttl": 5, "values": ["192.0.2.1"]}}
    assert entry["lowered"] is None


def test_the_secret_of_a_key_is_vaulted_and_shown_nowhere(scene: Scene, tmp_path: pathlib.Path) -> None:
    password = tmp_path / "password"
    password.write_text("of the vault")
    vaulted = vault(password, SECRET)
    scene.write(
        {"names": "vault.example.test", "values": "192.0.2.2"}, zone={"key_secret": {"__ansible_vault": vaulted}}
    )
    closed = scene.play("--check")
    assert closed.status != 0
    assert f"the secret of the key {KEY} can't be opened" in closed.output
    opened = scene.play("-vvv", "--diff", f"--vault-password-file={password}")
    assert opened.status == 0, opened.output
    assert vaulted.splitlines()[2] not in opened.output
    assert scene.served("vault.example.test") == ["3600 192.0.2.2"]


def test_no_variable_of_the_inventory_has_the_secret(scene: Scene) -> None:
    path = scene.write({"names": "plain.example.test", "values": "192.0.2.2"})
    command = [str(pathlib.Path(sys.executable).with_name("ansible-inventory")), "-i", str(path), "--list"]
    done = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, timeout=60, check=True)
    assert "192.0.2.2" in done.stdout
    assert SECRET not in done.stdout


def test_a_site_whose_server_is_down_is_left_out_and_the_others_are_done(scene: Scene) -> None:
    state = {"state_dir": str(scene.folder / "state")}
    scene.write(
        servers={"far": {"ansible_host": "127.0.0.1", "ansible_port": free_port(), "ansible_ssh_retries": 0}},
        benches={
            "bench": {"server": "localhost", "path": "/srv/bench", **state},
            "other": {"server": "far", "path": "/srv/other", **state},
        },
        sites=[
            {"name": "near.local", "bench": "bench", "dns": {"names": "near.example.test", "values": "192.0.2.2"}},
            {"name": "far.local", "bench": "other", "dns": {"names": "far.example.test", "values": "192.0.2.2"}},
            {"name": "none.local", "bench": "bench"},
        ],
    )
    found = scene.play()
    assert found.status != 0
    assert "far.local was left out: " in found.output
    assert scene.served("near.example.test") == ["3600 192.0.2.2"]
    assert scene.served("far.example.test") == []
    assert scene.play("--limit", "near.local").status == 0
    assert "none of the selected sites has DNS records" in scene.play(sites="none.local").output
    forced = scene.play(sites="far.local", force=True)
    assert forced.status == 0
    assert "far.local: what became of its records is not recorded on its server: " in forced.output
    assert scene.served("far.example.test") == ["3600 192.0.2.2"], "forced, without a record to go back by"
    assert scene.play(state="verified", sites="far.local").status == 0, "which needs no server but those of the zone"


def test_a_name_server_that_lags_fails_the_run_and_what_was_before_is_recorded(scene: Scene) -> None:
    scene.write({"names": "late.silent.test", "values": "192.0.2.2"}, zone={"timeout": 1})
    found = scene.play()
    assert found.status != 0
    assert f"port {scene.secondary.port} serves nothing of late.silent.test, wanted is late" in found.output
    assert scene.recorded()["late.silent.test"]["before"] == {}
    scene.secondary.stop()
    (scene.secondary.folder / "silent.test.copy").unlink()
    scene.secondary.start()
    again = scene.play(state="verified")
    assert (again.status, again.changed) == (0, 0), again.output


def test_a_state_or_site_that_is_not_known_is_refused(scene: Scene) -> None:
    scene.write({"names": "odd.example.test", "values": "192.0.2.2"})
    for given, told in (
        (
            {"state": "gone"},
            "'gone' is no state: -e state=present|lowered|absent|previous|verified. Nothing was changed.",
        ),
        (
            {"sites": "shop.locl"},
            "has no site shop.locl. Did you mean shop.local? It has shop.local. Nothing was changed.",
        ),
    ):
        found = scene.play(**given)
        assert found.status != 0
        assert told in found.output.replace("\\", "")
    assert scene.play("--check", sites="all").status == 0


def vault(password: pathlib.Path, text: str) -> str:
    """A text as Ansible Vault encrypts it."""
    command = [str(pathlib.Path(sys.executable).with_name("ansible-vault")), "encrypt", "--output", "-"]
    command += [f"--vault-password-file={password}", "-"]
    done = subprocess.run(command, input=text, cwd=CLONE, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout
