# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site with two releases behind a real nginx, and visitors who are sent to the one or the other."""

from __future__ import annotations

import concurrent.futures
import time

from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import Figures
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import Sides
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import LogSource, Source
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import SiteTraffic
from tests.integration.nginx.scene import Scene, wait_until
from tests.integration.nginx.switching import SITE, two_releases

OLD, NEW = "blue", "green"
#: Tests don't take three minutes: one that is looked back at as a whole.
RULES = Rules(minutes=1, latency_window=60)
_CLIENTS = 8


class Ground:
    """The site; half of its slots lead to the new release.

    Attributes:
        scene: nginx and what is around it.
        since: When everything began. Nothing was asked for a while before, so that a minute can have passed.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.old, self.new = two_releases(scene)
        self.traffic: SiteTraffic = scene.traffic(SITE)
        self.traffic.share(self.new.folder, 50, "cookie")
        self.since = time.time() - 61
        self._logged = 0

    @property
    def sides(self) -> Sides:
        """Which release each route leads to now."""
        return Sides.beside(NEW, OLD, self.traffic.slots.sides())

    def source(self) -> LogSource:
        """The log, attributed by where the slots lead now."""
        return LogSource(self.sides, self.since, SITE, path=str(self.scene.access_log))

    def visit(self, slot: int, path: str, count: int) -> None:
        """Ask so often, as visitors of one slot, and wait until the log has it."""
        headers = {"Cookie": f"lockstep_slot={slot:02}"}
        with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
            list(pool.map(lambda _number: self.scene.status(path, headers=headers), range(count)))
        self._logged += count
        wait_until(lambda: self.logged() >= self._logged, "what was asked is logged")

    def logged(self) -> int:
        """Lines in the log that is written now."""
        return self.scene.access_log.read_bytes().count(b"\n")

    def figures(self, source: Source) -> Figures:
        """What a source says of the last minute."""
        return source.figures(time.time(), RULES)
