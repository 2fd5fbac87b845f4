# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of questions a check can ask. Each asks once, within seconds given, and never raises for a bad answer."""

from __future__ import annotations

import json
import re
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._health.expect import Expectation
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome

Sql = t.Callable[[str, float], t.Any]
_EXCERPT = 300


class Probe(t.Protocol):
    """Something that can be asked."""

    def ask(self, timeout: float) -> Outcome:
        """Ask once, within ``timeout`` seconds."""


@dataclass(frozen=True)
class Http:
    """An HTTP request and what its answer must be.

    Args:
        url: What to ask; its host is the Host header and the TLS name.
        connect: Where to connect instead (``host:port``, ``unix:/path``).
        method, headers, body: The request.
        verify, ca_file: How certificates are checked.
        redirects: How many to follow.
        max_bytes: How much of the body is read.
        expect: What the answer must be.
    """

    url: str
    connect: str | None = None
    method: str = "GET"
    headers: t.Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    verify: bool = True
    ca_file: str | None = None
    redirects: int = 0
    max_bytes: int = 1 << 20
    expect: Expectation = field(default_factory=Expectation)

    def __post_init__(self) -> None:
        http.check_url(self.url)

    def request(self, timeout: float) -> http.Response:
        """The answer itself.

        Raises:
            http.NoAnswer: There is none.
        """
        return http.request(
            self.url,
            connect=self.connect,
            method=self.method,
            headers=self.headers,
            body=None if self.body is None else self.body.encode(),
            timeout=timeout,
            verify=self.verify,
            ca_file=self.ca_file,
            max_bytes=self.max_bytes,
            redirects=self.redirects,
        )

    def ask(self, timeout: float) -> Outcome:
        """Ask once and judge the answer."""
        try:
            answer = self.request(timeout)
        except http.NoAnswer as error:
            return Outcome(False, error.message)
        observed: dict[str, t.Any] = {"status": answer.status, "seconds": round(answer.seconds, 3)}
        problems = self.expect.problems(answer)
        if self.expect.version is not None:
            observed["version"] = self.expect.told_version(answer)
            if not problems and observed["version"] is None:
                return Outcome(None, "the answer names no version", observed)
            if observed["version"] != self.expect.version:
                problems.append(f"version {observed['version']} answers instead of {self.expect.version}")
        if problems:
            return Outcome(False, "; ".join(problems), observed)
        return Outcome(True, f"status {answer.status} in {answer.seconds:.3f} s", observed)


@dataclass(frozen=True)
class Tcp:
    """Somebody accepts connections at ``host:port`` or ``unix:/path``."""

    connect: str

    def ask(self, timeout: float) -> Outcome:
        """Open and close a connection."""
        try:
            seconds = http.open_connection(self.connect, timeout)
        except http.NoAnswer as error:
            return Outcome(False, error.message)
        return Outcome(True, f"{self.connect} accepts connections", {"seconds": round(seconds, 3)})


@dataclass(frozen=True)
class Command:
    """A command and what it must return.

    Args:
        argv: The command, never through a shell.
        user, cwd, env: How it is run.
        rc: Accepted return codes.
        contains, matches: What its standard output must hold.
    """

    argv: tuple[str, ...]
    user: str | None = None
    cwd: str | None = None
    env: t.Mapping[str, str] = field(default_factory=dict)
    rc: tuple[int, ...] = (0,)
    contains: str | None = None
    matches: str | None = None

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise LockstepError("a command check needs a command")
        try:
            re.compile(self.matches or "")
        except re.error as error:
            raise LockstepError(f"{self.matches!r} is not a regular expression: {error}") from error

    def ask(self, timeout: float) -> Outcome:
        """Run it once."""
        try:
            done = process.run(self.argv, user=self.user, cwd=self.cwd, env=self.env, timeout=timeout, check=False)
        except LockstepError as error:
            # Ended for its time it has failed; not started at all it has said nothing.
            return Outcome(False if "was ended after" in error.message else None, error.message)
        observed = {"rc": done.rc, "stdout": done.stdout[-_EXCERPT:], "stderr": done.stderr[-_EXCERPT:]}
        if done.rc not in self.rc:
            return Outcome(False, f"return code {done.rc} instead of {' or '.join(map(str, self.rc))}", observed)
        if self.contains is not None and self.contains not in done.stdout:
            return Outcome(False, f"{self.contains!r} is not in its output", observed)
        if self.matches is not None and not re.search(self.matches, done.stdout):
            return Outcome(False, f"nothing in its output matches {self.matches!r}", observed)
        return Outcome(True, f"return code {done.rc}", observed)


@dataclass(frozen=True)
class Database:
    """A query whose first value must be what is expected.

    Args:
        query: What to ask.
        equals: The value, compared as text.
        minimum, maximum: Bounds for a number.
        run: Takes the query and seconds, and returns the first value of the first row, or None.
    """

    query: str
    equals: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    run: Sql | None = None

    def ask(self, timeout: float) -> Outcome:
        """Run the query once."""
        if self.run is None:
            return Outcome(None, "there is no database to ask")
        try:
            value = self.run(self.query, timeout)
        except LockstepError as error:
            return Outcome(False, error.message)
        observed = {"value": value}
        if value is None:
            return Outcome(None, "the query returned nothing", observed)
        if self.equals is not None and str(value) != self.equals:
            return Outcome(False, f"the query returned {value} instead of {self.equals}", observed)
        if self.minimum is not None or self.maximum is not None:
            return self._within(value, observed)
        return Outcome(True, f"the query returned {value}", observed)

    def _within(self, value: t.Any, observed: dict[str, t.Any]) -> Outcome:
        try:
            number = float(value)
        except (TypeError, ValueError):
            return Outcome(None, f"the query returned {value}, which is no number", observed)
        if self.minimum is not None and number < self.minimum:
            return Outcome(False, f"the query returned {value}, less than {self.minimum:g}", observed)
        if self.maximum is not None and number > self.maximum:
            return Outcome(False, f"the query returned {value}, more than {self.maximum:g}", observed)
        return Outcome(True, f"the query returned {value}", observed)


@dataclass(frozen=True)
class Systemd:
    """A unit of systemd.

    Args:
        unit: Its name.
        sub_state: What it must be beside active (``running``, ``exited``, ``listening``).
    """

    unit: str
    sub_state: str = "running"

    def ask(self, timeout: float) -> Outcome:
        """Ask systemctl once."""
        argv = ["systemctl", "show", "--property=LoadState,ActiveState,SubState", "--", self.unit]
        try:
            done = process.run(argv, timeout=timeout, check=False)
        except LockstepError as error:
            return Outcome(None, error.message)
        found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        if done.rc != 0 or "ActiveState" not in found:
            return Outcome(None, f"systemd says nothing of {self.unit}: {done.stderr.strip()[:_EXCERPT]}")
        if found.get("LoadState") == "not-found":
            return Outcome(False, f"there is no unit {self.unit}", found)
        states = f"{found['ActiveState']} ({found.get('SubState')})"
        passed = found["ActiveState"] == "active" and found.get("SubState") == self.sub_state
        return Outcome(passed, f"{self.unit} is {states}", found)


@dataclass(frozen=True)
class Container:
    """A container.

    Args:
        container: Its name or id.
        require: ``healthy`` by its own health check, or ``running``.
        engine: ``docker`` or ``podman``.
    """

    container: str
    require: str = "healthy"
    engine: str = "docker"

    def __post_init__(self) -> None:
        if self.require not in ("healthy", "running"):
            raise LockstepError(f"a container can be required to be healthy or running, not {self.require!r}")

    def ask(self, timeout: float) -> Outcome:
        """Ask the engine once."""
        if shutil.which(self.engine) is None:
            return Outcome(None, f"there is no {self.engine} on this server")
        argv = [self.engine, "container", "inspect", "--format", "{{json .State}}", "--", self.container]
        try:
            done = process.run(argv, timeout=timeout, check=False)
        except LockstepError as error:
            return Outcome(None, error.message)
        if done.rc != 0:
            gone = "no such container" in done.stderr.lower()
            return Outcome(False if gone else None, done.stderr.strip()[:_EXCERPT] or f"{self.engine} says nothing")
        return self._judge(json.loads(done.stdout))

    def _judge(self, state: t.Mapping[str, t.Any]) -> Outcome:
        status, health = state.get("Status"), (state.get("Health") or {}).get("Status") or None
        observed = {"status": status, "health": health}
        if status != "running":
            return Outcome(False, f"{self.container} is {status}", observed)
        if self.require == "running":
            return Outcome(True, f"{self.container} is running", observed)
        if health is None or health == "none":
            return Outcome(None, f"{self.container} has no health check of its own", observed)
        return Outcome(health == "healthy", f"{self.container} is {health}", observed)
