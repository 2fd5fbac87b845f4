# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private mtail that counts what stands in our access log, and a private Prometheus that asks it."""

from __future__ import annotations

import json
import pathlib
import urllib.error
import urllib.request

from tests.support.daemons import Daemon, free_port
from tests.support.services import program

_PROGRAM = pathlib.Path(__file__).with_name("lockstep.mtail")

REQUESTS = 'sum(increase(lockstep_requests_total{site="$site", release="$release"}[$window]))'
ERRORS = 'sum(increase(lockstep_requests_total{site="$site", release="$release", status=~"5.."}[$window]))'
HISTOGRAM = 'sum by (le) (increase(lockstep_request_seconds_bucket{site="$site", release="$release"}[$window]))'


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.URLError:
        return False


class Mtail(Daemon):
    """mtail.

    Args:
        scratch: Where its folder is made.
        log: What it reads.
    """

    def __init__(self, scratch: pathlib.Path, log: pathlib.Path) -> None:
        super().__init__("mtail", scratch)
        self.port = free_port()
        self._access_log = log

    def command(self) -> list[str]:
        where = ["-address", "127.0.0.1", "-port", str(self.port), "-log_dir", str(self.folder)]
        polling = ["-poll_interval", "50ms", "-poll_log_interval", "50ms"]
        return [program("mtail"), "-progs", str(_PROGRAM), "-logs", str(self._access_log), *where, *polling]

    def ready(self) -> bool:
        return _answers(f"http://127.0.0.1:{self.port}/metrics")


class Prometheus(Daemon):
    """Prometheus, which asks one program five times a second.

    Args:
        scratch: Where its folder is made.
        target: The program's port.
    """

    def __init__(self, scratch: pathlib.Path, target: int) -> None:
        super().__init__("prometheus", scratch)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._target = target

    def prepare(self) -> None:
        settings = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [
                {"job_name": "lockstep", "static_configs": [{"targets": [f"127.0.0.1:{self._target}"]}]}
            ],
        }
        # JSON is YAML, too.
        (self.folder / "prometheus.yml").write_text(json.dumps(settings))

    def command(self) -> list[str]:
        return [
            program("prometheus"),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def ready(self) -> bool:
        return _answers(f"{self.url}/-/ready")
