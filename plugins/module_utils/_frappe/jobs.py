# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The background jobs of one site: queued and running, asked with the bench's own copy of rq where there are any."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import redis
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import LOOK_TIMEOUT, Bench

# Runs in the bench's environment. A job belongs to a site by its id since Frappe 15 (`<site>||<id>` or `<site>::<id>`),
# and by its arguments always. One whose arguments can't be read counts: letting it run during a migration is worse.
_PROBE = """
import json, sys, time
import redis
from rq import Worker
from rq.job import Job
wanted = json.load(sys.stdin)
connection = redis.from_url(wanted["url"])

def belongs(job_id):
    for mark in ("||", "::"):
        if mark in job_id:
            return job_id.split(mark, 1)[0] == wanted["site"]
    try:
        return Job.fetch(job_id, connection=connection).kwargs.get("site") == wanted["site"]
    except Exception:
        return connection.exists("rq:job:" + job_id) == 1

def look():
    queued, running = [], []
    for key in connection.smembers("rq:queues"):
        queued += [i.decode() for i in connection.lrange(key, 0, -1) if belongs(i.decode())]
    for worker in Worker.all(connection=connection):
        job = worker.get_current_job_id()
        if job and belongs(job):
            running.append(job)
    return queued, running

begun = time.monotonic()
first = None
empty = 0
while True:
    queued, running = look()
    first = first if first is not None else len(queued) + len(running)
    empty = 0 if queued or running else empty + 1
    # A job that a worker takes is in no list for a moment, so nothing must be there twice.
    if empty > 1 or not empty and time.monotonic() - begun > wanted["timeout"]:
        print(json.dumps({"queued": queued, "running": running, "drained": first - len(queued) - len(running)}))
        break
    time.sleep(0.1)
"""


#: The jobs in all queues of rq, and those that its workers have.
_COUNT = """
local count = 0
for _, queue in ipairs(redis.call('SMEMBERS', 'rq:queues')) do count = count + redis.call('LLEN', queue) end
for _, worker in ipairs(redis.call('SMEMBERS', 'rq:workers')) do
  if redis.call('HEXISTS', worker, 'current_job') == 1 then count = count + 1 end
end
return count
"""

#: Remove what one site put into the queues, and the queues of a bench id that is this site's alone (rq/job.py,
#: rq/queue.py, rq/registry.py): what it queued under such a name, no worker ever takes.
_DISCARD = """
local site, bench, count = ARGV[1], ARGV[2], 0
local function own(id)
  local mark = string.sub(id, #site + 1, #site + 2)
  return string.sub(id, 1, #site) == site and (mark == '||' or mark == '::')
end
local function drop(id)
  for _, kind in ipairs({'rq:job:', 'rq:results:', 'rq:executions:'}) do redis.call('DEL', kind .. id) end
  redis.call('DEL', 'rq:job:' .. id .. ':dependents', 'rq:job:' .. id .. ':executions')
  count = count + 1
end
for _, key in ipairs(redis.call('SMEMBERS', 'rq:queues')) do
  local name = string.sub(key, #'rq:queue:' + 1)
  local ours = string.sub(name, 1, #bench + 1) == bench .. ':'
  for _, id in ipairs(redis.call('LRANGE', key, 0, -1)) do
    if ours or own(id) then redis.call('LREM', key, 0, id) drop(id) end
  end
  for _, kind in ipairs({'wip', 'finished', 'failed', 'deferred', 'scheduled', 'canceled'}) do
    local registry = 'rq:' .. kind .. ':' .. name
    for _, id in ipairs(redis.call('ZRANGE', registry, 0, -1)) do
      if ours or own(id) then redis.call('ZREM', registry, id) drop(id) end
    end
  end
  if ours then redis.call('DEL', key) redis.call('SREM', 'rq:queues', key) end
end
return count
"""

# `bench execute` would fail on what `frappe.enqueue` returns, a job, which is not JSON, and call it once more then.
_QUEUE = """
import json, sys
import frappe
wanted = json.load(sys.stdin)
frappe.init(site=wanted["site"])
frappe.connect()
try:
    frappe.enqueue(wanted["method"], queue=wanted["queue"])
finally:
    frappe.destroy()
"""

_AGAIN = 0.1


class Jobs(t.NamedTuple):
    """What is left of a site's jobs, and how many ended while we waited."""

    queued: list[str]
    running: list[str]
    drained: int

    @property
    def idle(self) -> bool:
        return not self.queued and not self.running


def _is_idle(url: str) -> bool:
    """Whether no job of any site is queued or running: asked in a moment, where rq takes half a second to start.

    Twice, for the same reason as in the probe. What can't be asked so is asked by rq.
    """
    for look in range(2):
        if look:
            time.sleep(_AGAIN)
        try:
            if redis.ask(url, "EVAL", _COUNT, "0") != ":0":
                return False
        except LockstepError:
            return False
    return True


def wait_for_jobs(bench: Bench, site: str, timeout: float) -> Jobs:
    """Wait until no job of a site is queued or running in a bench.

    Args:
        bench: The bench whose workers run them.
        site: The site.
        timeout: Seconds to wait at most; 0 just looks.

    Raises:
        LockstepError: The bench's queue can't be asked (Redis down).
    """
    url = bench.common_config().get("redis_queue")
    if not url:
        raise LockstepError(f"{bench.path} names no redis_queue in common_site_config.json")
    if _is_idle(url):
        return Jobs([], [], 0)
    question = json.dumps({"url": url, "site": site, "timeout": timeout})
    done = process.run(
        [bench.python, "-c", _PROBE],
        user=bench.user,
        cwd=bench.sites_folder,
        stdin=question,
        timeout=timeout + 60,
        check=False,
    )
    if done.rc != 0:
        raise LockstepError(
            f"the job queue of {bench.path} can't be asked", hint="is its Redis up?", detail=done.tail(3)
        )
    return Jobs(**json.loads(done.stdout.strip().splitlines()[-1]))


def queue_job(bench: Bench, site: str, method: str, queue: str) -> None:
    """Put a job into a bench's queue.

    Args:
        bench: The bench whose workers run it.
        site: The site that it is for.
        method: The function, with its module, called without arguments.
        queue: ``short``, ``default`` or ``long``.

    Raises:
        LockstepError: It can't be queued.
    """
    done = process.run(
        [bench.python, "-c", _QUEUE],
        user=bench.user,
        cwd=bench.sites_folder,
        env=bench.env,
        stdin=json.dumps({"site": site, "method": method, "queue": queue}),
        timeout=LOOK_TIMEOUT,
        check=False,
    )
    if done.rc != 0:
        raise LockstepError(f"{method} can't be put into the queue of {bench.path}", detail=done.tail(3))


def discard_jobs(bench: Bench, site: str, bench_id: str) -> int:
    """Remove the jobs that a copy of a site put into a bench's queue.

    Args:
        bench: The bench.
        site: The copy's name.
        bench_id: The ``bench_id`` in its configuration, which no worker goes by.

    Returns:
        How many there were.

    Raises:
        LockstepError: The queue's Redis does not answer, or refuses.
    """
    answer = redis.ask(str(bench.common_config().get("redis_queue", "")), "EVAL", _DISCARD, "0", site, bench_id)
    if not answer.startswith(":"):
        raise LockstepError(f"the jobs of {site} can't be removed from the queue of {bench.path}: {answer.lstrip('-')}")
    return int(answer[1:])
