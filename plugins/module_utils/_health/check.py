# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks as users write them, asked until they pass or their attempts or the time are used up."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health.expect import Expectation
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result, summary
from ansible_collections.lockstep.deploy.plugins.module_utils._health.performance import Performance
from ansible_collections.lockstep.deploy.plugins.module_utils._health.probes import (
    Command,
    Container,
    Database,
    Http,
    Probe,
    Sql,
    Systemd,
    Tcp,
)

# Asked in this order: what has not started is not asked whether it is ready.
KINDS = ("startup", "readiness", "liveness", "performance")
ATTEMPTS, INTERVAL, TIMEOUT = 30, 10.0, 10.0
_TOGETHER = 8

#: What a type can't be asked without.
REQUIRED = {
    "http": ("url",),
    "tcp": ("connect",),
    "command": ("argv",),
    "sql": ("query",),
    "systemd": ("unit",),
    "container": ("container",),
    "performance": ("url", "max_p95"),
}
TYPES = tuple(REQUIRED)
_COMMON = ("kind", "attempts", "interval", "timeout", "successes")
_SIMPLE: dict[str, t.Any] = {"tcp": Tcp, "command": Command, "systemd": Systemd, "container": Container}


def _names(what: t.Any, without: str = "") -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(what) if field.name != without)


_EXPECTED = _names(Expectation, without="headers")
_HTTP = _names(Http, without="expect") | _EXPECTED | {"expect_headers", "authorization"}
#: The options of each type, beside those of every check.
OPTIONS: dict[str, frozenset[str]] = {
    **{kind: _names(probe) for kind, probe in _SIMPLE.items()},
    "sql": _names(Database, without="run"),
    "http": _HTTP,
    "performance": _HTTP | _names(Performance, without="http"),
}


@dataclass(frozen=True)
class Check:
    """Something that must hold, and how patiently it is waited for.

    Args:
        name: What users call it.
        type: One of :data:`TYPES`.
        probe: How it is asked.
        kind: One of :data:`KINDS`.
        attempts: How often to ask at most.
        interval: Seconds between the beginnings of two attempts.
        timeout: Seconds one attempt may take.
        successes: How many passes in a row make it pass.
    """

    name: str
    type: str
    probe: Probe
    kind: str = "readiness"
    attempts: int = ATTEMPTS
    interval: float = INTERVAL
    timeout: float = TIMEOUT
    successes: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LockstepError(f"check {self.name}: {self.kind!r} is none of {', '.join(KINDS)}")
        if not 1 <= self.successes <= self.attempts or self.interval < 0 or self.timeout <= 0:
            raise LockstepError(f"check {self.name}: attempts, interval, timeout or successes can't be as given")

    @classmethod
    def from_mapping(cls, data: t.Mapping[str, t.Any], sql: Sql | None = None) -> Check:
        """A check from a user's mapping; None and missing are the same.

        Args:
            data: ``name``, ``type``, the options above, and those of the type's probe. For ``http`` and
                ``performance`` those of :class:`Expectation` stand beside them, its ``headers`` as
                ``expect_headers``; ``authorization`` is the header of that name.
            sql: Runs the queries of type ``sql``.

        Raises:
            LockstepError: An option is unknown, missing or of no use for the type; the check is named.
        """
        given = {key: value for key, value in data.items() if value is not None}
        name, kind = str(given.pop("name", "") or given.get("type", "check")), given.pop("type", None)
        if kind not in TYPES:
            raise LockstepError(f"check {name}: type is {kind!r}, not one of {', '.join(TYPES)}")
        if kind == "performance":
            given = {"kind": "performance", "attempts": 1, "timeout": 60.0, **given}
        own = {key: given.pop(key) for key in _COMMON if key in given}
        _require_options(name, kind, given)
        try:
            probe = _probe(kind, given, sql)
        except LockstepError as error:
            raise LockstepError(f"check {name}: {error.message}") from error
        return cls(name, kind, probe, **own)


def _require_options(name: str, kind: str, options: t.Collection[str]) -> None:
    missing = [option for option in REQUIRED[kind] if option not in options]
    stray = sorted(set(options) - OPTIONS[kind])
    if missing:
        raise LockstepError(f"check {name}: {kind} needs {' and '.join(missing)}")
    if stray:
        raise LockstepError(f"check {name}: {', '.join(stray)} can't be used with type {kind}")


def _probe(kind: str, given: t.Mapping[str, t.Any], sql: Sql | None) -> Probe:
    options: dict[str, t.Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in given.items()}
    if kind in _SIMPLE:
        return t.cast(Probe, _SIMPLE[kind](**options))
    if kind == "sql":
        return Database(run=sql, **options)
    if kind == "http":
        return _http(options)
    own = {key: options.pop(key) for key in ("requests", "max_p95") if key in options}
    return Performance(http=_http(options), **own)


def _http(options: dict[str, t.Any]) -> Http:
    expected = {key: options.pop(key) for key in _EXPECTED if key in options}
    if "expect_headers" in options:
        expected["headers"] = options.pop("expect_headers")
    if "authorization" in options:
        # An option of its own, so that Ansible can hide this header and no other.
        options["headers"] = {**options.get("headers", {}), "Authorization": options.pop("authorization")}
    if "status" in expected:
        expected["status"] = tuple(str(status) for status in expected["status"])
    return Http(expect=Expectation(**expected), **options)


def run_check(
    check: Check,
    deadline: float | None = None,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> Result:
    """Ask until it passes, or its attempts or the time are used up.

    Args:
        check: What to ask.
        deadline: Moment of ``clock`` that nothing may go beyond; None for no bound but the check's own.
        clock: Seconds that only grow.
        sleep: Waits.

    Returns:
        The last attempt's outcome. When the time is up before the first one, it is inconclusive.
    """
    begin = clock()
    outcome = Outcome(None, "there was no time left to ask")
    attempt = passes = 0
    while attempt < check.attempts:
        started = clock()
        seconds = check.timeout if deadline is None else min(check.timeout, deadline - started)
        if seconds <= 0:
            break
        outcome = check.probe.ask(seconds)
        attempt += 1
        passes = passes + 1 if outcome.passed else 0
        if passes >= check.successes or attempt == check.attempts:
            break
        pause = check.interval - (clock() - started)
        if deadline is not None and clock() + pause >= deadline:
            break
        sleep(max(pause, 0))
    if outcome.passed and passes < check.successes:
        outcome = Outcome(False, f"passed {passes} times in a row instead of {check.successes}", outcome.observed)
    return Result(check.name, check.type, outcome.passed, outcome.message, attempt, clock() - begin, outcome.observed)


def run_checks(checks: t.Sequence[Check], timeout: float | None = None) -> dict[str, t.Any]:
    """Ask several checks, those of one kind side by side.

    When a startup check doesn't pass, the kinds after it are not asked, and are inconclusive.

    Args:
        checks: In any order; the answers keep it.
        timeout: Seconds that bound the whole (``health_check_timeout``); None for no bound but the checks' own.

    Returns:
        See :func:`outcome.summary`.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    results: dict[int, Result] = {}
    held_back: str | None = None
    for kind in KINDS:
        chosen = [number for number, check in enumerate(checks) if check.kind == kind]
        if held_back is not None:
            message = f"not asked, because {held_back} did not pass"
            results.update({n: Result(checks[n].name, checks[n].type, None, message, 0) for n in chosen})
            continue
        with concurrent.futures.ThreadPoolExecutor(max_workers=_TOGETHER) as pool:
            answers = pool.map(lambda number: run_check(checks[number], deadline), chosen)
            results.update(zip(chosen, answers))
        if kind == "startup":
            held_back = next((checks[n].name for n in chosen if not results[n].passed), None)
    return summary([results[number] for number in sorted(results)])
