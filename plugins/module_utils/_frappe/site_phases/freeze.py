# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes stopped and let in again."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.jobs import wait_for_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import watcher

# A request reads the site's configuration before it connects to the database. One that read it just before the freeze
# has connected by then, and is waited for like every other.
_GRACE = 0.3
_HTTP_TIMEOUT = 120.0


def stop_writes(deployment: SiteDeployment, releases: t.Sequence[Release]) -> dict[str, t.Any]:
    """Freeze a site, wait for the requests and jobs that were under way, and believe it by asking.

    Args:
        deployment: The site's deployment.
        releases: The releases that visitors get to: the one that is live, and one that shares them with it.

    Returns:
        ``jobs_drained`` and the database connections that had to be ended.

    Raises:
        LockstepError: The freeze is not in force, or a request or job doesn't end in time.
    """
    options, benches = deployment.options, [deployment.context.bench(release) for release in releases]
    if deployment.freeze == "full" or deployment.site.refuses_readers():
        # Who closed the site to readers doesn't want them to see it while it is frozen for us.
        deployment.traffic.close(deployment.journal.deployment_id)
    deployment.site.freeze()
    # One process that refuses writes says nothing of the others, which may still know the settings of before.
    time.sleep(max(bench.settings_age() for bench in benches))
    deadline = time.monotonic() + options.drain_timeout
    for release in releases:
        SiteHealth(deployment).wait_frozen(release)
    time.sleep(_GRACE)
    database = deployment.database()
    existing = watcher.connection_ids(database)
    # Jobs first: one that renders or asks somebody else sleeps on its connection, which must not be ended under it.
    drained = sum(drain_jobs(deployment, bench, deadline) for bench in benches)
    longest = max(longest_request(bench) for bench in benches)
    ended = watcher.wait_for_old_connections(database, existing, _left(deadline), idle=longest)
    if existing:
        # A request that was under way may have put one into the queue meanwhile.
        drained += sum(drain_jobs(deployment, bench, deadline) for bench in benches)
    return {"jobs_drained": drained, "connections_ended": len(ended)}


def drain_jobs(deployment: SiteDeployment, bench: Bench, deadline: float | None = None) -> int:
    """Wait until no job of the site is queued or running; how many ended meanwhile is returned.

    Args:
        deployment: The site's deployment.
        bench: The bench whose workers run them.
        deadline: Until when, by the monotonic clock; a drain timeout from now if None.

    Raises:
        LockstepError: One is still there then; names it.
    """
    timeout = deployment.options.drain_timeout
    jobs = wait_for_jobs(bench, deployment.site.name, timeout if deadline is None else _left(deadline))
    if jobs.idle:
        return jobs.drained
    raise LockstepError(
        f"{len(jobs.running)} running and {len(jobs.queued)} queued jobs did not end within {timeout:g} s",
        hint="wait for them, or set drain_timeout higher",
        detail=[*jobs.running, *jobs.queued][:20],
    )


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def longest_request(bench: Bench) -> float:
    """Seconds after which nginx and gunicorn give a request up (bench's own setting, which makes both).

    A connection that sleeps for longer has nobody behind it. One that sleeps for less may be a request that waits for
    somebody else, a payment for example, and has still to write.
    """
    return float(bench.common_config().get("http_timeout") or _HTTP_TIMEOUT)


def let_writes_in(deployment: SiteDeployment, flags: t.Mapping[str, t.Any]) -> None:
    """Put maintenance settings back to what was found, and take the maintenance page away."""
    deployment.site.thaw(flags)
    deployment.traffic.reopen()


def is_as_found(deployment: SiteDeployment) -> bool:
    """Whether the maintenance settings are those that were found before the freeze."""
    freeze = deployment.journal.last("freeze")
    return freeze is not None and deployment.site.flags() == freeze.intent.get("flags")


def note_thaw_by_hand(deployment: SiteDeployment) -> None:
    """Write down a thaw that nobody journaled: somebody ended the maintenance of a site that was to stay frozen.

    Nothing is restored by itself over what users did since, as after a thaw of ours. When it was is not known.
    """
    journal = deployment.journal
    freeze = journal.last("freeze")
    if freeze is None or journal.last("migrate") is None or journal.last("thaw") is not None:
        return
    if not deployment.site.is_frozen():
        step = journal.begin(Thaw.name, 0)
        step.note(thawed_at=freeze.intent["frozen_at"])
        journal.end(step, "completed", {"reason": "writes were let in by hand"})


class Freeze(Phase):
    """Stop writes, wait for what is under way."""

    name = "freeze"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self.timeout = deployment.options.drain_timeout + 120

    def run(self, step: Step) -> dict[str, t.Any]:
        # Flags of an attempt that died after its freeze are the freeze's own, not the user's.
        if "flags" not in step.intent:
            step.note(flags=self._deployment.site.flags(), frozen_since=clock.since_boot(), frozen_at=clock.utc_now())
        return stop_writes(self._deployment, [self._deployment.before])

    def undo(self, step: Step) -> dict[str, t.Any]:
        if "flags" in step.intent:
            let_writes_in(self._deployment, step.intent["flags"])
        return {"action": "writes let in"}


class Thaw(Phase):
    """Let writes in: from here on nothing is restored by itself over what users do."""

    name = "thaw"
    timeout = 300

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        freeze = deployment.journal.last("freeze")
        if freeze is None:
            return {"skipped": True}
        step.note(thawed_at=clock.utc_now())
        let_writes_in(deployment, freeze.intent["flags"])
        seconds = round(clock.since_boot() - freeze.intent["frozen_since"], 2)
        deployment.journal.data["freeze_seconds"] = seconds
        return {"freeze_seconds": seconds}

    def undo(self, step: Step) -> dict[str, t.Any]:
        """Writes are stopped again before anything else goes back; the rollback did that before it decided."""
        self._deployment.site.freeze()
        return {}
