# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is on call for two sites, and what he sees of them."""

from __future__ import annotations

import pathlib
import re
import subprocess
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_traffic import Request, SiteTrafficState
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config, gate
from tests.integration.stage import Stage
from tests.support.asking import ask

SITES = ("site1.local", "site2.local")
ONE, TWO = SITES
PLAYBOOK = "playbooks/traffic.yml"
PING = "/api/method/ping"

Done = subprocess.CompletedProcess[str]


class Operator:
    """Two sites that were deployed to.

    Args:
        stage: Their bench.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        done = self.deploy()
        assert done.returncode == 0, done.stdout[-5000:]
        self.context = stage.context()
        self.file = stage.services.nginx.conf_d / config.FILE

    def deploy(self, *arguments: str, **variables: t.Any) -> Done:
        return self.stage.play("playbooks/deploy.yml", *arguments, preflight_disk_left=0.001, **variables)

    def traffic(self, *arguments: str, **variables: t.Any) -> Done:
        """Run traffic.yml."""
        return self.stage.play(PLAYBOOK, *arguments, **variables)

    def site(self, name: str = ONE, timeout: float = 10) -> SiteTrafficState:
        """The module's view of a site, without a playbook."""
        return SiteTrafficState(self.context, name, name, timeout)

    def gate(self, name: str = ONE) -> gate.Gate:
        return self.context.traffic(name).gate

    def visit(self, name: str = ONE, path: str = PING) -> http.Response:
        """Ask through nginx, as visitors do."""
        return ask(self.stage.bench.http_port, name, path)

    def sees(self, name: str = ONE) -> str:
        """What visitors get: the release, or what nginx says instead."""
        headers = self.visit(name).headers
        return headers.get("x-lockstep-traffic") or headers.get("x-lockstep-release", "nothing known")

    def release(self, name: str = ONE) -> str:
        return self.context.live_release(name).id

    def workers(self) -> frozenset[int]:
        return Fronts(self.context).nginx.master().workers()

    def change_by_hand(self) -> str:
        """Give uploads more room, where it is lost."""
        text = re.sub(r"client_max_body_size 50m;", "client_max_body_size 99m;", self.file.read_text())
        self.file.write_text(text)
        return text

    def copies(self) -> list[pathlib.Path]:
        return sorted((self.stage.folder / "state" / "nginx").glob("overwritten/*"))

    def put_back(self) -> None:
        for site in SITES:
            self.gate(site).open(gate.CLOSED, gate.MAINTENANCE, gate.STOPPED)
            self.gate(site).allow(())
        Fronts(self.context).apply(overwrite=True)
        for copy in self.copies():
            copy.unlink()


def request(state: str, **more: t.Any) -> Request:
    """What an operator asks for."""
    return Request(state, **more)


def changed(done: Done) -> dict[str, int]:
    """How many changes each host's recap has."""
    found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, re.MULTILINE)
    return {host: int(count) for host, count in found if int(count)}
