# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The new release judged on its own socket, and the traffic moved to it by one rename."""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._core.phases import Phase
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import impact
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache import clear_cache, hand_over
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green_exchange import (
    EXCHANGED_BACK,
    GreenExchange,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.jobs import queue_job, wait_for_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.judging import Judging
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.freeze import longest_request
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import WEB, wait_until_idle

#: What every migration has built by a job (frappe/migrate.py).
_SEARCH_INDEX = "frappe.search.website_search.build_index_for_all_routes"


class Verify(Phase):
    """The new release serves this site well, before anybody is sent to it; what the migration did is taken down."""

    name = "verify"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment

    def run(self, step: Step) -> dict[str, t.Any]:
        health = SiteHealth(self._deployment)
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as beside:
            # Writes are blocked meanwhile: the database is read while the release answers its first requests.
            touched = beside.submit(impact.end, self._deployment)
            checks = health.of_release(self._deployment.after)
            tables = touched.result()
        # Before these, which may write: what they do must not count as the migration's doing.
        health.run_tests(self._deployment.new)
        return {"checks": len(checks), "tables_touched": tables}


class Switch(Phase):
    """The scheduler sees the site in the new release only, traffic goes there, and that is believed from outside."""

    name = "switch"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        draining = deployment.options.drain_timeout if deployment.clones else 0
        self.timeout = deployment.options.health_check_timeout + draining + 300

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        if deployment.steps:
            return self._offer()
        if deployment.clones:
            return self._exchange(step)
        # The phase before has left the new release no caches of another time.
        move(deployment, deployment.before, deployment.after)
        return {"release": deployment.after.id}

    def undo(self, step: Step) -> dict[str, t.Any]:
        deployment = self._deployment
        before, after = deployment.before, deployment.after
        Processes(deployment.context).start(before)
        if deployment.clones and GreenExchange(deployment).undo():
            # Its caches are of these very tables, but for what it read in the moment before visitors were taken along.
            move(deployment, after, before)
            clear_cache(deployment.old, deployment.site.name)
            return {"action": "switched back, tables exchanged", "release": before.id, EXCHANGED_BACK: True}
        # Nobody reads through this release yet, and what it cached is from before.
        clear_cache(deployment.context.bench(before), deployment.site.name)
        move(deployment, after, before)
        return {"action": "switched back", "release": before.id}

    def _exchange(self, step: Step) -> dict[str, t.Any]:
        """Make the clone the site's database, and take visitors along at once: they read what was migrated now."""
        deployment, exchange = self._deployment, GreenExchange(self._deployment)
        done = exchange.run(step)
        move(deployment, deployment.before, deployment.after)
        exchange.finish()
        return {"release": deployment.after.id, **done}

    def _offer(self) -> dict[str, t.Any]:
        """Let testers, and nobody else, get to the new release: visitors follow step by step when they can write."""
        deployment = self._deployment
        hindered = impact.obstacle_to_sharing(deployment)
        if hindered:
            raise LockstepError(
                f"two releases can't share this site's visitors: {hindered}",
                hint="deploy it with traffic_strategy=instant, which freezes it only while it migrates",
            )
        # It goes on serving, and what it cached is from before the migration.
        clear_cache(deployment.old, deployment.site.name)
        folder = deployment.context.runtime(deployment.after).folder
        deployment.traffic.share(folder, 0, deployment.options.sticky)
        SiteHealth(deployment).from_outside(deployment.after)
        return {"release": deployment.after.id, "percent": 0}


def move(deployment: SiteDeployment, source: Release, target: Release) -> None:
    """Take scheduler and all visitors of a site from one release to another, and believe it from outside.

    What waits in the one's Redis to be written to the database goes along.

    Raises:
        LockstepError: The other release doesn't listen, or doesn't answer from outside.
    """
    old, new = deployment.context.bench(source), deployment.context.bench(target)
    deployment.placement.deactivate(old)
    deployment.traffic.switch(deployment.context.runtime(target).folder)
    deployment.placement.activate(new)
    take_waiting(deployment, old, new)
    SiteHealth(deployment).from_outside(target)


def take_waiting(deployment: SiteDeployment, source: Bench, target: Bench) -> list[str]:
    """Take along the records that wait in a release's Redis to be written to the database.

    Returns:
        What an administrator should know: visitors are moved all the same, not least where that Redis is gone.
    """
    try:
        hand_over(source, target, deployment.database().name)
    except LockstepError as error:
        return [f"records that waited in the Redis of {source.path} were not taken along: {error.message}"]
    return []


class Confirm(Phase):
    """After writes were let in: what a migration left for then, then watch the site for a while, and judge it."""

    name = "confirm"

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        # What says too little is watched for longer.
        self.timeout = 2 * deployment.options.wait_time + 900

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment, missing = self._deployment, _index(self._deployment)
        if deployment.site.refuses_readers():
            # Found so and left so: its 503 says nothing of the release, which was verified before.
            return {"skipped": True, "reason": "the site was in maintenance before and still is", "warnings": missing}
        judging = Judging(deployment, deployment.options.wait_time, patience=deployment.journal.seconds_left)
        look = judging.concluded if deployment.options.analysed else judging.watch
        look(deployment.options.wait_time)
        found = SiteHealth(deployment).validate(deployment.after)
        failed = [f"{check['name']}: {check['message']}" for check in found["checks"] if check["passed"] is False]
        counts = {"checks": found["total_checks"], "passed": found["passed"], "failed": failed}
        return {"validation": found, "warnings": [*missing, *failed], "judgement": judging.summary(), **counts}


def _index(deployment: SiteDeployment) -> list[str]:
    """Have the search index of the website built, as a migration does that is not one of a clone.

    Returns:
        What an administrator should know: the site is live, and its index is that of before.
    """
    if not deployment.clones or not deployment.journal.data["reasons_to_migrate"]:
        return []
    try:
        queue_job(deployment.new, deployment.site.name, _SEARCH_INDEX, "long")
    except LockstepError as error:
        told = "the search index of the website is still that of before the migration"
        return [f"{told}, build it with bench --site {deployment.site.name} build-search-index: {error.message}"]
    return []


class Retire(Phase):
    """Stop the release before once no site needs it, and its retention is over; it stays on disk for the way back."""

    name = "retire"
    timeout = 1800

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment

    def run(self, step: Step) -> dict[str, t.Any]:
        deployment, processes = self._deployment, Processes(self._deployment.context)
        retention = deployment.options.blue_retention
        left = [*_drop_blue(deployment), *await_jobs(deployment)]
        if not retention and not processes.in_use(deployment.before):
            left += await_requests(deployment)
        # Readers were with it until the switch, and what they do is noted, too.
        left += take_waiting(deployment, deployment.old, deployment.new)
        if retention:
            until = deployment.context.record.retain(deployment.before.id, retention)
            return {"stopped": False, "retained_until": clock.told(until), "warnings": left}
        return {"stopped": processes.stop_if_unused(deployment.before), "warnings": left}

    def undo(self, step: Step) -> dict[str, t.Any]:
        return {"started": Processes(self._deployment.context).start(self._deployment.before)}


def _drop_blue(deployment: SiteDeployment) -> list[str]:
    """Drop what the site's tables were before they were exchanged for a clone's; a way back takes the backup now.

    Returns:
        What an administrator should know; the site is live, so that is no failure.
    """
    try:
        if deployment.clones:
            GreenExchange(deployment).drop_blue()
    except LockstepError as error:
        return [f"the tables of before the exchange are still there: {error.message}"]
    return []


def await_jobs(deployment: SiteDeployment) -> list[str]:
    """Wait for jobs that requests which only read put into the old release's queue during the freeze.

    Returns:
        What an administrator should know of those that did not end; the site is live, so that is no failure.
    """
    where = f"release {deployment.before.id}, which the site left"
    try:
        left = wait_for_jobs(deployment.old, deployment.site.name, deployment.options.drain_timeout)
    except LockstepError as error:
        return [f"whether jobs are left in {where}, is not known: {error.message}"]
    if left.idle:
        return []
    return [f"{len(left.running)} running and {len(left.queued)} queued jobs are left in {where}"]


def await_requests(deployment: SiteDeployment) -> list[str]:
    """Wait for readers whose request the old release got before the switch and is still at work on.

    Its processes end what they are at when they are stopped, but not for as long as a request may take.
    """
    web = deployment.context.runtime(deployment.before).socket(WEB)
    left = wait_until_idle(web, longest_request(deployment.old))
    count = "1 request was" if left == 1 else f"{left} requests were"
    return [f"{count} cut off when release {deployment.before.id} was stopped"] if left else []
