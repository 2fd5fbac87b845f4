# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the parts of a site work together: nginx, web, realtime, queue, workers, scheduler, cache, database.

Nothing of the site's own data is read or written. A key of ours is put into the cache and taken out again, and a job
that does nothing (``frappe.ping``) goes through the queue and is removed from it.
"""

from __future__ import annotations

import json
import os
import typing as t
import uuid
from urllib.parse import quote

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import redis
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.questions import Question, answers
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import LOGIN, named_assets

#: Seconds a job may wait for a worker and be done.
JOB_TIMEOUT = 30.0

_START = 60.0
_KEPT = "60"
_REALTIME = "/socket.io/?EIO=4&transport=polling"
_BAD_GATEWAY = 502
_LEADS = (
    "/private/files/",
    "/protected/private/files/",
    "/protected/{site}/private/files/",
    "/files/../private/files/",
)

# Runs in the bench's environment, and so takes the ways the app takes. `frappe.ping` is what /api/method/ping calls:
# it returns "pong" (frappe/__init__.py) and has no part in anybody's data. The queue of short jobs is the one in which
# none may be waited for long. RQ renamed a job's result twice.
_PROBE = """
import json, sys, time
wanted = json.load(sys.stdin)
found = {}

def tell(name, passed, message, **observed):
    found[name] = {"passed": passed, "message": message, "observed": observed}

def said(error):
    return f"{type(error).__name__}: {error}"[:300]

def look_at_database():
    account, database = frappe.local.db.sql("SELECT CURRENT_USER(), DATABASE()")[0]
    tell("database", True, f"the app's own connection reaches {database}", account=account, database=database)

def waiting(job):
    serving = [worker for worker in Worker.all(connection=job.connection) if job.origin in worker.queue_names()]
    if not serving:
        return False, f"no worker takes jobs from {job.origin}"
    if all(worker.get_current_job_id() for worker in serving):
        return None, f"all {len(serving)} workers of {job.origin} are at work on something else"
    return False, f"no worker took a job from {job.origin} within {wanted['timeout']:g} s"

def run_job():
    begun = time.monotonic()
    job = enqueue("frappe.ping", queue="short", timeout=60)
    try:
        while time.monotonic() - begun < wanted["timeout"]:
            status = job.get_status()
            status = str(getattr(status, "value", status))
            if status in ("finished", "failed", "stopped", "canceled"):
                break
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        if status == "finished":
            value = job.return_value() if callable(getattr(job, "return_value", None)) else job.result
            done = f"a job went through {job.origin} in {seconds:.2f} s"
            tell("background_job", value == "pong", done if value == "pong" else f"a job returned {value!r}")
        elif status in ("queued", "started", "deferred", "scheduled"):
            tell("background_job", *waiting(job))
        else:
            tell("background_job", False, f"a job that does nothing has {status}; see the worker's log")
    finally:
        job.delete()

try:
    import frappe
    frappe.init(site=wanted["site"])
    frappe.connect()
    look_at_database()
except Exception as error:
    tell("database", False, said(error))
try:
    from rq import Worker
    from frappe.utils.background_jobs import enqueue
    run_job()
except Exception as error:
    tell("background_job", False, said(error))
print(json.dumps(found))
"""


class Integration:
    """The parts of one site.

    Args:
        live: The site where it gets its traffic.
        job_timeout: Seconds a job may take to get done.
    """

    def __init__(self, live: LiveSite, job_timeout: float = JOB_TIMEOUT) -> None:
        self._live = live
        self._job_timeout = job_timeout
        self._found: dict[str, t.Any] | None = None

    def results(self) -> list[Result]:
        """Whether they work together."""
        inside = [
            Question("background_job", "command", lambda: self._inside("background_job")),
            Question("database_path", "command", lambda: self._inside("database")),
            Question("cache", "redis", self._cache),
        ]
        return answers([*self._looking(), *inside])

    def looks(self) -> list[Result]:
        """The same as far as nothing has to be put anywhere for it; the rest is not known then."""
        message = "not tried under --check: it takes a key in the cache or a job in the queue"
        untried = [Question(name, "command", lambda: Outcome(None, message)) for name in ("background_job", "cache")]
        return answers([*self._looking(), *untried])

    def _looking(self) -> list[Question]:
        return [
            Question("realtime", "http", self._realtime),
            Question("scheduler_sees_site", "command", self._scheduler),
            Question("private_files", "http", self._private_files),
            Question("static_assets", "http", self._assets),
        ]

    def _inside(self, name: str) -> Outcome:
        """What the app finds by its own ways; one start of Python for all of it."""
        if self._found is None:
            self._found = self._probe()
        return Outcome(**self._found[name])

    def _probe(self) -> dict[str, t.Any]:
        bench = self._live.bench
        done = process.run(
            [bench.python, "-c", _PROBE],
            user=bench.user,
            cwd=bench.sites_folder,
            env=bench.env,
            stdin=json.dumps({"site": self._live.name, "timeout": self._job_timeout}),
            timeout=self._job_timeout + _START,
            check=False,
        )
        try:
            return dict(json.loads(done.stdout.splitlines()[-1]))
        except (IndexError, ValueError):
            raise LockstepError(f"the bench's Python could not be asked: {done.reason()}", detail=done.tail()) from None

    def _realtime(self) -> Outcome:
        answer = self._live.outside().ask(_REALTIME)
        if answer.status == _BAD_GATEWAY and not self._has_realtime():
            return Outcome(None, "the bench has no realtime process")
        if answer.status == 200 and answer.text.startswith("0{"):
            return Outcome(True, "realtime answers through nginx")
        return Outcome(False, f"realtime does not answer through nginx: status {answer.status}")

    def _has_realtime(self) -> bool:
        release = self._live.release
        return release is None or Processes(self._live.context).has_realtime(release)

    def _scheduler(self) -> Outcome:
        """Frappe's scheduler works on the sites of its own list; two lists with the site would run its jobs twice."""
        live, context = self._live, self._live.context
        seen = live.name in live.bench.execute(live.name, "frappe.utils.get_sites")
        if not seen:
            return Outcome(False, f"the scheduler of {live.bench.path} does not see the site")
        others = context.record.releases() if context.record.exists() else []
        twice = [one.id for one in others if one != live.release and live.name in Processes(context).active_sites(one)]
        if live.release is not None and twice:
            return Outcome(False, f"the scheduler of release {', '.join(twice)} sees the site, too")
        return Outcome(True, f"the scheduler sees the site{', and no other one does' if live.release else ''}")

    def _cache(self) -> Outcome:
        url = {**self._live.bench.common_config(), **self._live.site.config()}.get("redis_cache")
        if not url:
            return Outcome(False, f"{self._live.bench.path} names no redis_cache")
        key, value = f"lockstep|{uuid.uuid4().hex}", uuid.uuid4().hex
        stored = redis.ask(url, "SET", key, value, "EX", _KEPT)
        same = redis.ask(url, "EVAL", "return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0", "1", key, value)
        redis.ask(url, "DEL", key)
        if stored != "+OK" or same != ":1":
            return Outcome(False, f"what is put into the cache is not found there again: {stored}, {same}")
        return Outcome(True, "what is put into the cache is found there again")

    def _private_files(self) -> Outcome:
        """A private file that is there: one that isn't would be refused by any server."""
        name = _first_file(os.path.join(self._live.site.folder, "private", "files"))
        if name is None:
            return Outcome(None, "the site has no private file to ask for")
        outside = self._live.outside()
        paths = [lead.format(site=self._live.name) for lead in _LEADS]
        open_ones = [path for path in paths if outside.ask(path + quote(name)).status < 300]
        if open_ones:
            return Outcome(False, f"anybody can read private files, by {', '.join(open_ones)}")
        return Outcome(True, f"a private file is kept from guests on {len(paths)} ways")

    def _assets(self) -> Outcome:
        outside = self._live.outside()
        page = outside.ask(LOGIN)
        if page.status != 200:
            return Outcome(None, f"{LOGIN} has status {page.status} and names no assets")
        paths = named_assets(page.text)
        if not paths:
            return Outcome(None, f"{LOGIN} names no assets")
        wrong = [path for path in paths if not _is_kept(outside.ask(path))]
        if wrong:
            return Outcome(False, f"{len(wrong)} of {len(paths)} assets of {LOGIN} are not served well: {wrong[0]}")
        return Outcome(True, f"all {len(paths)} assets of {LOGIN} are served, for browsers to keep")


def _is_kept(answer: t.Any) -> bool:
    """Whether an answer has a file in it, and lets browsers keep it, as only nginx says of a static file."""
    return answer.status == 200 and bool(answer.body) and "max-age=" in answer.headers.get("cache-control", "")


def _first_file(folder: str) -> str | None:
    try:
        with os.scandir(folder) as found:
            return min((entry.name for entry in found if entry.is_file(follow_symlinks=False)), default=None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockstepError(f"{folder} can't be looked into: {error.strerror or error}") from error
