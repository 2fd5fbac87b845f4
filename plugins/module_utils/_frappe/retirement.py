# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases that were kept running for a way back, stopped when their time is over."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext


class Retirement:
    """The releases of one bench that a deployment has kept running.

    Args:
        context: The bench.
    """

    def __init__(self, context: BenchContext) -> None:
        self._context = context
        self._processes = Processes(context)

    def idle(self) -> list[Release]:
        """Those that run and that no site needs, whether their time is over or not."""
        return [release for release in self._kept() if not self._processes.in_use(release)]

    def due(self) -> list[Release]:
        """Those of them whose time is over."""
        return [release for release in self.idle() if not self._context.record.is_retained(release.id)]

    def retained(self) -> dict[str, str]:
        """Until when those that no site needs are kept running, by release; times that are over are among them."""
        record = self._context.record
        return {release.id: clock.told(record.retained_until(release.id) or 0) for release in self.idle()}

    def needed(self) -> dict[str, list[str]]:
        """The others, which run for sites or their deployments: those that need them, by release."""
        by_release = {
            release.id: sorted({*self._processes.active_sites(release), *self._processes.awaiting(release)})
            for release in self._kept()
        }
        return {release: sites for release, sites in by_release.items() if sites}

    def _kept(self) -> list[Release]:
        """Those that run and that were once to be kept running."""
        record = self._context.record
        releases = record.releases() if record.exists() else []
        return [one for one in releases if record.retained_until(one.id) is not None and self._processes.answers(one)]

    def end(self, releases: t.Sequence[Release]) -> list[str]:
        """Stop releases, also before their time is over; the ids of those that were stopped."""
        stopped = []
        for release in releases:
            self._context.record.retain(release.id, 0)
            if self._processes.stop_if_unused(release):
                stopped.append(release.id)
        return stopped
