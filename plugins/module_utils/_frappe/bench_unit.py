# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench as a unit: adopted once, then a release built and started beside the one that serves."""

from __future__ import annotations

import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.orphan import end_orphan, identify
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.release import Builder
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext


class Prepare(Phase):
    """Build the release, unless it is there."""

    name = "prepare"
    timeout = 7200

    def __init__(self, context: BenchContext, release: str, apps: t.Sequence[App]) -> None:
        self._context = context
        self._release = release
        self._apps = apps

    def run(self, step: Step) -> dict[str, t.Any]:
        end_orphan(step.intent.get("process"))
        known = self._context.record.release(self._release)
        step.note(release=self._release, built=not (known and known.ready))
        builder = Builder(self._context, lambda pid: step.note(process=identify(pid)))
        removed = outdated(self._context, self._release)
        for release in removed:
            builder.remove(release)
        builder.build(self._release, self._apps)
        return {"release": self._release, "removed": [release.id for release in removed]}

    def undo(self, step: Step) -> dict[str, t.Any]:
        """Remove what was built for nothing; a release that a site stayed on is none of that."""
        # A build goes on when the module that began it is killed, and would write into what is removed or built anew.
        end_orphan(step.intent.get("process"))
        release = self._context.record.release(step.intent.get("release", self._release))
        if release is None or not step.intent.get("built") or Processes(self._context).in_use(release):
            return {"action": "kept"}
        Builder(self._context).remove(release)
        return {"action": "removed"}


class Verify(Phase):
    """Start the release and wait until redis, web and realtime answer."""

    name = "verify"

    def __init__(self, context: BenchContext, release: str) -> None:
        self._context = context
        self._release = release

    def run(self, step: Step) -> dict[str, t.Any]:
        release = self._context.require_release(self._release)
        step.note(release=release.id)
        return {"started": start_release(self._context, release)}

    def undo(self, step: Step) -> dict[str, t.Any]:
        release = self._context.record.release(step.intent.get("release", self._release))
        if release is None or not release.ready:
            return {}
        return {"stopped": Processes(self._context).stop_if_unused(release)}


def start_release(context: BenchContext, release: Release) -> bool:
    """Start a release from wherever it stands: freshly built, stopped, or after a reboot.

    Returns:
        Whether it had to be started.
    """
    processes = Processes(context)
    context.prepare_runtime(release)
    if not release.adopted and not processes.running(release):
        Builder(context).install_programs(release)
    return processes.start(release)


def outdated(context: BenchContext, wanted: str) -> list[Release]:
    """Releases beyond ``keep_releases``, the live ones among those kept, that nothing needs: the oldest first.

    Args:
        context: The bench.
        wanted: The release that is about to be built.
    """
    built = [release for release in context.record.releases() if not release.adopted and release.id != wanted]
    processes = Processes(context)
    unused = [one for one in built if not processes.in_use(one) and not processes.awaiting(one, leaving=True)]
    return unused[: max(0, len(built) - context.options["keep_releases"])]
