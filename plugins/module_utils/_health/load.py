# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load from wrk, and what it says of the answers."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome

PROGRAM = "wrk"
#: The package that has it, on Debian, Ubuntu, Fedora and Arch alike.
PACKAGE = "wrk"

_MARK = "lockstep "
_AGENT = "lockstep-validate"
# Threads of wrk; each more takes a core away from who has to answer, where both are on one server.
_THREADS = 1
_LONGEST = 30.0
_SOCKET_ERRORS = ("connect", "read", "write", "timeout")
# wrk takes the name for Host header and TLS from the URL, and the address from `wrk.resolve` (wrk 4, src/wrk.lua).
_SCRIPT = """
local where = %(address)s
local paths = %(paths)s
local requests, at = {}, 0

function wrk.resolve(host, service)
  wrk.addrs = {}
  for _, address in ipairs(wrk.lookup(where.host, where.port)) do
    if wrk.connect(address) then table.insert(wrk.addrs, address) end
  end
end

function init(arguments)
  wrk.headers["User-Agent"] = "%(agent)s"
  for _, path in ipairs(paths) do table.insert(requests, wrk.format("GET", path)) end
end

function request()
  at = at %% #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local seen = summary.errors
  local ms = function(share) return string.format("%%.3f", latency:percentile(share) / 1000) end
  io.write(string.format(
    '%(mark)s{"requests":%%d,"seconds":%%.3f,"bytes":%%d,"p50":%%s,"p95":%%s,"p99":%%s,"max":%%.3f,'
      .. '"status":%%d,"connect":%%d,"read":%%d,"write":%%d,"timeout":%%d}\\n',
    summary.requests, summary.duration / 1000000, summary.bytes, ms(50), ms(95), ms(99), latency.max / 1000,
    seen.status, seen.connect, seen.read, seen.write, seen.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What is asked for, how hard and how long.

    Args:
        url: ``http://name`` or ``https://name``: the Host header and the name asked for in TLS.
        connect: ``host:port`` to connect to.
        paths: Asked for one after the other, over and over.
        connections: How many clients ask at once; each waits for its answer before it asks again.
        duration: Seconds.
    """

    url: str
    connect: str
    paths: tuple[str, ...]
    connections: int
    duration: int

    def __post_init__(self) -> None:
        if not self.paths or self.connections < 1 or self.duration < 1:
            raise LockstepError("load needs a path, and at least one connection and one second")


@dataclass(frozen=True)
class Figures:
    """What wrk counted.

    Args:
        requests: Requests that were answered, whatever the answer.
        seconds: How long it took.
        bytes: What was received.
        p50, p95, p99, max: Milliseconds to the answer.
        status: Answers with a status of 400 and above.
        connect, read, write, timeout: Requests without an answer, by why.
    """

    requests: int
    seconds: float
    bytes: int
    p50: float
    p95: float
    p99: float
    max: float
    status: int
    connect: int
    read: int
    write: int
    timeout: int

    @property
    def socket_errors(self) -> int:
        """Requests that got no answer."""
        return sum(getattr(self, name) for name in _SOCKET_ERRORS)

    @property
    def error_rate(self) -> float:
        """Percent of all requests that failed; 0 when there were none."""
        asked = self.requests + self.socket_errors
        return 100 * (self.status + self.socket_errors) / asked if asked else 0.0

    def as_dict(self) -> dict[str, t.Any]:
        """For a report; times in milliseconds, rates in percent."""
        return {
            "requests": self.requests,
            "requests_per_second": round(self.requests / self.seconds, 2) if self.seconds else 0.0,
            "seconds": round(self.seconds, 3),
            "bytes": self.bytes,
            **{f"{name}_ms": round(getattr(self, name), 3) for name in ("p50", "p95", "p99", "max")},
            "errors": self.status,
            "socket_errors": {name: getattr(self, name) for name in _SOCKET_ERRORS},
            "error_rate": round(self.error_rate, 3),
        }


def parse(output: str) -> Figures:
    """What our script had wrk print.

    Raises:
        LockstepError: It is not there, or not what the script writes.
    """
    told = [line[len(_MARK) :] for line in output.splitlines() if line.startswith(_MARK)]
    try:
        return Figures(**json.loads(told[-1]))
    except (IndexError, TypeError, ValueError):
        raise LockstepError(f"{PROGRAM} did not say what it counted", detail=output[-2000:]) from None


def require() -> str:
    """The path of wrk.

    Raises:
        LockstepError: It is not installed here.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise LockstepError(
            f"{PROGRAM}, which makes the load, is not installed on this server", hint=f"install the package {PACKAGE}"
        )
    return found


def run(load: Load, user: str | None = None) -> Figures:
    """Make load, and return what came of it.

    Args:
        load: What to ask.
        user: Who runs wrk.

    Raises:
        LockstepError: wrk is not installed, can't connect, or did not end.
    """
    program = require()
    with tempfile.TemporaryDirectory(prefix="lockstep-load-") as folder:
        os.chmod(folder, 0o755)
        script = os.path.join(folder, "load.lua")
        with open(script, "w", encoding="utf-8") as handle:
            handle.write(script_of(load))
        os.chmod(script, 0o644)
        argv = [program, "--threads", str(_THREADS), "--connections", str(load.connections)]
        argv += ["--duration", f"{load.duration}s", "--timeout", f"{_LONGEST:g}s", "--latency", "--script", script]
        done = process.run([*argv, load.url], user=user, timeout=load.duration + 2 * _LONGEST + 30, check=False)
    if done.rc != 0:
        raise LockstepError(f"{PROGRAM} failed with return code {done.rc}: {done.reason()}", detail=done.tail())
    return parse(done.stdout)


def script_of(load: Load) -> str:
    """wrk's script for a load."""
    host, _colon, port = load.connect.rpartition(":")
    address = f"{{host = {_quoted(host.strip('[]'))}, port = {_quoted(port)}}}"
    paths = "{" + ", ".join(_quoted(path) for path in load.paths) + "}"
    return _SCRIPT % {"address": address, "paths": paths, "agent": _AGENT, "mark": _MARK}


def _quoted(text: str) -> str:
    """A text in Lua; what could end it or mean something is written as its number."""
    plain = text.isascii() and all(char.isalnum() or char in " !#$%&()*+,-./:;<=>?@[]^_`{|}~'" for char in text)
    if plain:
        return f'"{text}"'
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


def judge(figures: Figures, max_error_rate: float, max_p95: float) -> dict[str, Outcome]:
    """What the figures come to.

    Args:
        figures: What was counted.
        max_error_rate: Percent of requests that may fail.
        max_p95: Milliseconds within which 95 % of the answers have to be there.

    Returns:
        ``error_rate``, ``p95`` and ``load``, all with the figures; without any answer nothing is known of the times.
    """
    seen = figures.as_dict()
    if not figures.requests and not figures.socket_errors:
        nothing = Outcome(None, "nothing was asked within the time", seen)
        return {"load": nothing, "error_rate": nothing, "p95": nothing}
    told = f"{seen['requests_per_second']:g} requests/s, p50 {figures.p50:.0f} ms, p99 {figures.p99:.0f} ms"
    rate = f"{figures.error_rate:.2f} % of {figures.requests + figures.socket_errors} requests failed"
    rate = f"{rate} ({figures.status} by status, {figures.socket_errors} without an answer; {max_error_rate:g} % may)"
    return {
        "load": Outcome(True, told, seen),
        "error_rate": Outcome(figures.error_rate <= max_error_rate, rate),
        "p95": _times(figures, max_p95),
    }


def _times(figures: Figures, max_p95: float) -> Outcome:
    if not figures.requests:
        return Outcome(None, "no request was answered, so nothing is known of the times")
    message = f"95 % of {figures.requests} answers took at most {figures.p95:.0f} ms ({max_p95:g} ms are allowed)"
    return Outcome(figures.p95 <= max_p95, message)
