# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Background jobs: RQ, queues named after the bench's path, job ids that begin with the site."""

from __future__ import annotations

import os
import re
import time
import typing as t
import uuid

import redis
import rq.executions
import rq.job
import rq.registry
import rq.utils
from rq import Queue, Worker

import frappe
from frappe.utils import cint, get_bench_id

_TIMEOUTS = {"short": 300, "default": 300, "long": 1500}
_SEPARATOR = "::"
_NICENESS = 10


def _allow_site_ids() -> None:
    """Let ids be ``<site>::<id>``, as under RQ 1. RQ 2 allows no dots and colons in them and splits at those."""
    execution = re.compile(r":([0-9a-f]{32})$")

    def split(key: str) -> tuple[str, str]:
        found = execution.search(key)
        return (key[: found.start()], found.group(1)) if found else (key, "")

    rq.job.JOB_ID_PATTERN = re.compile(r".+")
    rq.job.parse_job_id = lambda key: split(key)[0]
    for module in (rq.utils, rq.executions, rq.registry):
        module.parse_composite_key = split


_allow_site_ids()


def get_redis_conn() -> t.Any:
    """The queue's Redis.

    Raises:
        redis.exceptions.ConnectionError: It is down.
    """
    url = frappe.get_conf().redis_queue
    connection = redis.Redis.from_url(url)
    try:
        connection.ping()
    except redis.exceptions.ConnectionError as error:
        print(f"Please make sure that Redis Queue runs @ {url}. Redis reported error: {error}")
        raise
    return connection


def queue_names() -> list[str]:
    workers = frappe.get_conf().workers or {}
    return [*_TIMEOUTS, *(name for name in workers if name not in _TIMEOUTS)]


def qualified(queue: str) -> str:
    return f"{get_bench_id()}:{queue}"


def get_queue(queue: str) -> Queue:
    if queue not in queue_names():
        frappe.throw(f"Queue should be one of {', '.join(queue_names())}")
    return Queue(qualified(queue), connection=get_redis_conn())


def create_job_id(job_id: str | None) -> str:
    return f"{frappe.local.site}{_SEPARATOR}{job_id or uuid.uuid4()}"


def enqueue(
    method: str | t.Callable[..., t.Any],
    queue: str = "default",
    timeout: int | None = None,
    event: str | None = None,
    now: bool = False,
    job_id: str | None = None,
    job_name: str | None = None,
    enqueue_after_commit: bool = False,
    **kwargs: t.Any,
) -> t.Any:
    """Put a call on a queue; during a migration with the queue's Redis down it is made at once."""
    if now:
        return frappe.call(method, **kwargs)
    try:
        target = get_queue(queue)
    except redis.exceptions.ConnectionError:
        if not frappe.local.flags.in_migrate:
            raise
        print(f"Redis queue is unreachable: Executing {method} synchronously")
        return frappe.call(method, **kwargs)
    name = method if isinstance(method, str) else f"{method.__module__}.{method.__qualname__}"
    arguments = {
        "site": frappe.local.site,
        "user": frappe.local.session.user,
        "method": name,
        "event": event,
        "job_name": job_name or name,
        "is_async": True,
        "kwargs": kwargs,
    }

    def put() -> t.Any:
        return target.enqueue_call(
            execute_job,
            kwargs=arguments,
            timeout=timeout or _TIMEOUTS.get(queue, 300),
            result_ttl=600,
            failure_ttl=7 * 24 * 60 * 60,
            job_id=create_job_id(job_id),
        )

    if enqueue_after_commit:
        frappe.local.db.after_commit.append(put)
        return None
    return put()


def execute_job(site: str, method: str, kwargs: dict[str, t.Any], user: str | None = None, **_: t.Any) -> t.Any:
    """What a worker runs: the call, then a commit. Maintenance mode is not looked at."""
    frappe.init(site=site, force=True)
    frappe.connect()
    frappe.set_user(user or "Administrator")
    try:
        result = frappe.get_attr(method)(**kwargs)
        frappe.local.db.commit()
    except Exception:
        frappe.local.db.rollback()
        frappe.log_error(title=method)
        frappe.local.db.commit()
        print(frappe.get_traceback())
        raise
    finally:
        frappe.destroy()
    return result


def start_worker(queue: str | None, quiet: bool = False, burst: bool = False) -> None:
    """Work on queues until told to stop."""
    with frappe.init_site():
        connection = get_redis_conn()
        names = [qualified(name.strip()) for name in (queue.split(",") if queue else queue_names())]
        niceness = frappe.get_conf().background_process_niceness
    os.nice(_NICENESS if niceness is None else cint(niceness))
    worker = Worker(names, connection=connection)
    worker.work(logging_level="WARNING" if quiet else "INFO", burst=burst)


def test_job(s: float) -> None:
    print("sleeping...")
    time.sleep(s)
