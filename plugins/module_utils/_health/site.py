# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a Frappe site works, and whether its freeze is in force, asked as its visitors ask.

``/api/method/ping`` alone says little: it stays 200 with Redis down, with a wrong encryption key, with a database
that was not migrated and with an app's code missing. ``/login`` needs all of these.
"""

from __future__ import annotations

import html.parser
import os
import posixpath
import secrets
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._health.expect import Expectation
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result
from ansible_collections.lockstep.deploy.plugins.module_utils._health.probes import Http

RELEASE_HEADER = "X-Lockstep-Release"
#: Tells nginx, which believes it of this server only, that a request is ours; see ``_nginx/config.py``.
PROBE_HEADER = "X-Lockstep-Probe"
PING = "/api/method/ping"
LOGIN = "/login"
# A vote for an article that nobody has written changes no row and removes nothing from a cache that anybody reads. The
# database refuses it all the same while the site is read-only. Frappe counts votes by article, so it is never the same.
_VOTE = "/api/method/frappe.website.doctype.help_article.help_article.add_feedback"
# Where a vote is not refused, if only because nobody can vote: a login without a password is refused before anything is
# looked up, which Frappe writes down in the Activity Log (frappe/auth.py, LoginManager.authenticate and fail). Before
# that it forgets where its pages are, and who asks for one at that moment may get an error (frappe/utils/caching.py,
# redis_cache).
_LOGIN = ("/api/method/login", b"usr=lockstep-freeze-probe")
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_REFUSED = 503


@dataclass(frozen=True)
class Transport:
    """How to reach a site.

    Args:
        site: Its name, or one of its domains: the Host header.
        connect: ``host:port`` of nginx, or ``unix:/…/web.sock`` of a release, which is asked directly.
        tls: Whether nginx speaks TLS there.
        verify: Whether its certificate must be valid for the name.
        timeout: Seconds one request may take.
        side: Which of two releases that share the visitors is meant, ``live`` or ``candidate``; see ``_nginx.slots``.
        host: The Host header of a copy that is asked directly: its own name need not be one that may stand there.
    """

    site: str
    connect: str
    tls: bool = False
    verify: bool = True
    timeout: float = 30.0
    side: str | None = None
    host: str | None = None

    def url(self, path: str) -> str:
        """The URL of a path of the site."""
        return f"{'https' if self.tls else 'http'}://{self.host or self.site}{path}"

    def headers(self, more: t.Mapping[str, str] | None = None) -> dict[str, str]:
        """What nginx would add is added where a release is asked directly; nginx is told that this is no visitor."""
        way = {"X-Frappe-Site-Name": self.site} if self.connect.startswith("unix:") else {PROBE_HEADER: "1"}
        side = {"X-Lockstep-Side": self.side} if self.side else {}
        return {**way, **side, **(more or {})}

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> http.Response:
        """Ask once.

        Raises:
            http.NoAnswer: Nobody answered in time.
        """
        headers = self.headers(_FORM if body is not None else None)
        return http.request(
            self.url(path),
            connect=self.connect,
            method=method,
            headers=headers,
            body=body,
            timeout=self.timeout,
            verify=self.verify,
        )


def check_site(
    transport: Transport,
    release: str | None = None,
    assets: str | None = None,
    endpoints: t.Iterable[t.Mapping[str, t.Any]] = (),
) -> list[Result]:
    """Whether a site works: it answers, its login page is built, the page's assets are there.

    Args:
        transport: How to reach it.
        release: The release that must answer (``X-Lockstep-Release``).
        assets: Folder of the release's built assets, for a release that is asked directly; else they are asked for.
        endpoints: Further requests: ``path`` with the options of :class:`expect.Expectation`.

    Returns:
        One result per question; all are asked, also when one fails.
    """
    asked: list[tuple[str, t.Callable[[], Outcome]]] = [
        ("accessible", lambda: _plain(transport, PING, json={"message": "pong"})),
        ("login_page", lambda: _plain(transport, LOGIN)),
        ("assets", lambda: _assets(transport, assets)),
    ]
    if release is not None:
        asked.append(("release", lambda: expected_release(transport, release)))
    return [*(_timed(name, question) for name, question in asked), *check_endpoints(transport, endpoints)]


def _timed(name: str, question: t.Callable[[], Outcome]) -> Result:
    begin = time.monotonic()
    outcome = question()
    seconds = time.monotonic() - begin
    return Result(name, "http", outcome.passed, outcome.message, 1, seconds, outcome.observed)


def _plain(transport: Transport, path: str, **expected: t.Any) -> Outcome:
    probe = Http(
        transport.url(path),
        transport.connect,
        headers=transport.headers(),
        verify=transport.verify,
        expect=Expectation(**expected),
    )
    return probe.ask(transport.timeout)


def _endpoint(transport: Transport, item: t.Mapping[str, t.Any]) -> t.Callable[[], Outcome]:
    expected = _expected(item)
    return lambda: _plain(transport, item["path"], **expected)


def _expected(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    expected = {key: value for key, value in item.items() if key != "path"}
    if "status" in expected:
        status = expected["status"]
        several = status if isinstance(status, (list, tuple)) else [status]
        expected["status"] = tuple(str(one) for one in several)
    return expected


def check_endpoint(item: t.Mapping[str, t.Any]) -> None:
    """Make sure that a request can be asked before it has to be.

    Raises:
        LockstepError: It has no path, or what is expected can't be.
    """
    if not str(item.get("path") or "").startswith("/"):
        raise LockstepError("a request that must be answered needs a path beginning with '/'")
    try:
        Expectation(**_expected(item))
    except TypeError:
        raise LockstepError(f"{item['path']}: what is expected of it is not understood") from None


def check_endpoints(transport: Transport, endpoints: t.Iterable[t.Mapping[str, t.Any]]) -> list[Result]:
    """Requests alone: ``path`` with the options of :class:`expect.Expectation`."""
    return [_timed(f"endpoint_{item['path']}", _endpoint(transport, item)) for item in endpoints]


def expected_release(transport: Transport, release: str) -> Outcome:
    """Whether the release that answers is the expected one; no header is inconclusive."""
    return _plain(transport, PING, version=release, version_header=RELEASE_HEADER)


class _Named(html.parser.HTMLParser):
    """Collects the assets a page names."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and tag in ("link", "script", "img"):
                found = urlsplit(value or "")
                if not found.netloc and found.path.startswith("/assets/") and found.path not in self.paths:
                    self.paths.append(found.path)


def named_assets(page: str) -> list[str]:
    """The paths below ``/assets/`` that a page loads, each once, in its order."""
    found = _Named()
    found.feed(page)
    return found.paths


def _assets(transport: Transport, folder: str | None) -> Outcome:
    try:
        page = transport.ask(LOGIN)
        if page.status != 200:
            return Outcome(None, f"{LOGIN} has status {page.status} and names no assets")
        paths = named_assets(page.text)
        missing = [path for path in paths if not _served(transport, folder, path)]
    except http.NoAnswer as error:
        return Outcome(False, error.message)
    observed = {"named": len(paths), "missing": missing}
    if not paths:
        return Outcome(None, f"{LOGIN} names no assets", observed)
    if missing:
        return Outcome(False, f"{len(missing)} of {len(paths)} assets of {LOGIN} are missing: {missing[0]}", observed)
    return Outcome(True, f"all {len(paths)} assets of {LOGIN} are there", observed)


def _served(transport: Transport, folder: str | None, path: str) -> bool:
    if folder is None:
        return transport.ask(path).status == 200
    inside = posixpath.normpath(unquote(path)).partition("/assets/")[2]
    return bool(inside) and os.path.isfile(os.path.join(folder, inside))


def frozen(transport: Transport, reads: bool) -> Outcome:
    """Whether a freeze is in force, by asking the site.

    Args:
        transport: How to reach it.
        reads: Whether reads are to go on; else every request must be refused.

    Returns:
        Passed when writes get 503 and reads get what they should. A write that is refused for another reason says
        nothing, and is inconclusive. Where the freeze is *not* in force, one line in the site's Activity Log is left.
    """
    wanted = 200 if reads else _REFUSED
    try:
        read = transport.ask(PING).status
        if read != wanted:
            return Outcome(False, f"reads have status {read} instead of {wanted}", {"read": read})
        write = _try_to_write(transport)
    except http.NoAnswer as error:
        return Outcome(None, error.message)
    observed = {"read": read, "write": write.status}
    if write.status == _REFUSED:
        return Outcome(True, "writes are refused" + (", reads go on" if reads else ", reads too"), observed)
    # Where logins by password are switched off, 401 comes before anything is written, and without this message.
    tried = write.status != 401 or '"message"' in write.text
    return Outcome(False if tried else None, f"a write has status {write.status} instead of {_REFUSED}", observed)


def _try_to_write(transport: Transport) -> http.Response:
    """What a write of a visitor's gets.

    Raises:
        http.NoAnswer: Nobody answered in time.
    """
    vote = transport.ask(_VOTE, "POST", f"article=lockstep-{secrets.token_hex(8)}&helpful=Yes".encode())
    # Of what else a vote is answered nobody knows whether it was one: what isn't believed has to be tried for sure.
    return vote if vote.status == _REFUSED else transport.ask(_LOGIN[0], "POST", _LOGIN[1])


def thawed(transport: Transport) -> Outcome:
    """Whether a site answers reads again; that writes are let in is not tried, since it would leave traces."""
    return _plain(transport, PING, json={"message": "pong"})
