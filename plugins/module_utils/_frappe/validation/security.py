# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets into a site, what its answers tell browsers, how it is encrypted, and who can read its secrets.

Asked as a guest, without any account, through nginx. Nothing is written, not even a failed login.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import socket
import stat
import typing as t
import uuid
from urllib.parse import urljoin, urlsplit

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import Door, LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.questions import Question, answers
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http, tls
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome, Result
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import LOGIN, PING, Transport

PRODUCTION = "production"

_USERS = "/api/resource/User"
_DESK = "/app"
_FOLDERS = ("/files/", "/assets/", "/assets/frappe/", "/private/files/")
_SECRETS = (
    "/site_config.json",
    "/{site}/site_config.json",
    "/files/../site_config.json",
    "/files/../../site_config.json",
    "/assets/../common_site_config.json",
    "/assets/../{site}/site_config.json",
)
_REFUSED = (401, 403)
_MOVED = (301, 302, 303, 307, 308)
_HOPS = 4
_SOON = 5.0
_OTHERS = stat.S_IROTH | stat.S_IWOTH
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT)
_VERSION = re.compile(r"[0-9]+\.[0-9]+")
_LISTING = re.compile(r"<title>Index of /|<h1>Index of /", re.IGNORECASE)
_HEADERS = ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")
_HSTS = "Strict-Transport-Security"
#: Settings that open a site up, for developers.
_DEVELOPMENT = ("developer_mode", "allow_tests")


class Security:
    """The security of one site.

    Args:
        live: The site where it gets its traffic.
        environment: ``development``, ``staging`` or ``production``.
        ca_file: Certificates to trust instead of the system's.
    """

    def __init__(self, live: LiveSite, environment: str, ca_file: str | None = None) -> None:
        self._live = live
        self._environment = environment
        self._ca_file = ca_file
        self._login: http.Response | None = None

    def results(self) -> list[Result]:
        """Everything there is to say of it."""
        who = [
            Question("guest_api", "http", self._guest_api),
            Question("guest_desk", "http", self._guest_desk),
            Question("guest_private_files", "http", self._guest_private_files),
            Question("configuration_served", "http", self._of_nginx(self._configuration_served)),
            Question("directory_listing", "http", self._of_nginx(self._directory_listing)),
            Question("unknown_host", "http", self._of_nginx(self._unknown_host)),
        ]
        told = [*self._headers(), Question("server_version", "http", self._of_nginx(self._server_version))]
        inside = [
            Question("site_config_permissions", "file", self._permissions),
            Question("development_settings", "file", self._development),
        ]
        return [*answers([*who, *told]), *self._encryption(), *answers(inside)]

    def _outside(self) -> Transport:
        return self._live.outside()

    def _of_nginx(self, ask: t.Callable[[], Outcome]) -> t.Callable[[], Outcome]:
        """What only nginx can answer. While the site is closed its release is asked, which would say something else."""
        closed = Outcome(None, "the site is closed, so nginx is not asked")
        return (lambda: closed) if self._live.traffic.closed else ask

    def _guest_api(self) -> Outcome:
        return _refused(self._outside().ask(_USERS), _USERS)

    def _guest_private_files(self) -> Outcome:
        path = f"/private/files/lockstep-{uuid.uuid4().hex[:8]}.txt"
        answer = self._outside().ask(path)
        # Older versions look first whether there is such a file.
        if answer.status == 404:
            return Outcome(True, "guests get nothing from /private/files")
        return _refused(answer, "/private/files")

    def _guest_desk(self) -> Outcome:
        """Guests are sent to the login page, or refused."""
        outside, path = self._outside(), _DESK
        for _hop in range(_HOPS):
            answer = outside.ask(path)
            if answer.status in _REFUSED:
                return Outcome(True, f"{_DESK} refuses guests: status {answer.status}")
            if answer.status not in _MOVED:
                return _unexpected(answer, _DESK)
            to = urlsplit(urljoin(path, answer.headers.get("location", "")))
            if to.path.rstrip("/") == LOGIN:
                return Outcome(True, f"{_DESK} sends guests to {LOGIN}")
            path = to.path or "/"
        return Outcome(None, f"{_DESK} leads to another page again and again, at last to {path}")

    def _configuration_served(self) -> Outcome:
        outside = self._outside()
        paths = [path.format(site=self._live.name) for path in _SECRETS]
        found = [path for path in paths if "db_name" in _read(outside, path) or "redis_" in _read(outside, path)]
        if found:
            return Outcome(False, f"anybody can read the configuration with its passwords: {', '.join(found)}")
        return Outcome(True, "no configuration is served")

    def _directory_listing(self) -> Outcome:
        outside = self._outside()
        listed = [path for path in _FOLDERS if _LISTING.search(_read(outside, path))]
        if listed:
            return Outcome(False, f"everybody can list {', '.join(listed)}")
        return Outcome(True, "no folder is listed")

    def _unknown_host(self) -> Outcome:
        """A name of nobody's does not lead to this site, or a scanner gets in by the server's address."""
        name = f"{uuid.uuid4().hex[:12]}.invalid"
        door = self._outside()
        stranger = Transport(name, door.connect, door.tls, verify=False, timeout=door.timeout)
        try:
            answer = stranger.ask(PING)
        except http.NoAnswer:
            return Outcome(True, "a name that is not the site's gets no answer")
        if answer.status == 404:
            return Outcome(True, "a name that is not the site's gets 404")
        if answer.status < 300:
            return Outcome(False, f"a name that is not the site's is answered with status {answer.status}")
        return Outcome(None, f"a name that is not the site's gets status {answer.status}; 404 is expected")

    def _page(self) -> http.Response:
        if self._login is None:
            self._login = self._outside().ask(LOGIN)
        return self._login

    def _headers(self) -> list[Question]:
        names = [*_HEADERS, *([_HSTS] if self._outside_is_encrypted() else [])]
        return [
            Question(f"header_{name}", "http", self._of_nginx(functools.partial(self._header, name))) for name in names
        ]

    def _outside_is_encrypted(self) -> bool:
        try:
            return self._outside().tls
        except LockstepError:
            return False

    def _header(self, name: str) -> Outcome:
        page = self._page()
        value = page.headers.get(name.lower())
        if value:
            return Outcome(True, f"{name}: {value}"[:200])
        if page.status >= 500:
            return Outcome(None, f"{LOGIN} has status {page.status}, and headers of such a page say nothing")
        return Outcome(False, f"{LOGIN} has no {name}")

    def _server_version(self) -> Outcome:
        """Told, and no failure: it opens nothing by itself."""
        server = self._page().headers.get("server", "")
        if _VERSION.search(server):
            return Outcome(
                True, f"answers name the server's version, {server}; server_tokens off hides it", warning=True
            )
        return Outcome(True, "no version of the server is named")

    def _encryption(self) -> list[Result]:
        try:
            doors = [door for door in self._live.doors() if _can_be_reached(door.transport.connect)]
        except LockstepError as error:
            return [Result("tls", "tls", False, str(error))]
        encrypted = [door for door in doors if door.transport.tls]
        if not encrypted:
            told = "nginx serves the site without TLS; whether something before it encrypts can't be seen from here"
            return [Result("tls", "tls", None, told)]
        return answers([*self._certificates(encrypted), *_tls_versions(encrypted), *_tls_redirects(doors)])

    def _certificates(self, encrypted: t.Sequence[Door]) -> list[Question]:
        """One for each name, as visitors can come by any."""
        places = {name: door.transport.connect for door in encrypted for name in door.names if not name.startswith("*")}
        return [
            Question(f"tls_certificate_{name}", "tls", functools.partial(tls.certificate, name, where, self._ca_file))
            for name, where in places.items()
        ]

    def _permissions(self) -> Outcome:
        """Whether accounts of the server that have no part in the bench can read the database's password."""
        path = self._live.site.config_path
        try:
            mode = os.stat(path).st_mode
            reachable = _others_can_enter(os.path.dirname(os.path.realpath(path)))
        except OSError as error:
            raise LockstepError(f"{path} can't be looked at: {error.strerror or error}") from error
        told = f"{os.path.basename(path)} has mode {stat.S_IMODE(mode):04o}"
        if not mode & _OTHERS:
            return Outcome(True, told)
        if not reachable:
            return Outcome(True, f"{told}, in a folder that others can't enter")
        can = "change it" if mode & stat.S_IWOTH else "read the passwords in it"
        message = f"{told}: every account of the server can {can}; chmod o-rwx {path}"
        return Outcome(self._environment != PRODUCTION, message, warning=True)

    def _development(self) -> Outcome:
        config = {**self._live.bench.common_config(), **self._live.site.config()}
        on = [name for name in _DEVELOPMENT if _is_on(config.get(name))]
        if not on:
            return Outcome(True, f"{' and '.join(_DEVELOPMENT)} are off")
        message = f"{' and '.join(on)} {'is' if len(on) == 1 else 'are'} on"
        if self._environment == PRODUCTION:
            return Outcome(False, f"{message}, in production")
        return Outcome(True, f"{message}, which is as it should be only outside production")


def _is_on(value: t.Any) -> bool:
    return str(value).strip().lower() not in ("", "0", "none", "false")


def _refused(answer: http.Response, path: str) -> Outcome:
    if answer.status in _REFUSED:
        return Outcome(True, f"{path} refuses guests: status {answer.status}")
    return _unexpected(answer, path)


def _unexpected(answer: http.Response, path: str) -> Outcome:
    if answer.status < 300:
        return Outcome(False, f"guests can read {path}: status {answer.status}")
    return Outcome(None, f"{path} has status {answer.status}, which says nothing of who gets in")


def _read(outside: Transport, path: str) -> str:
    answer = outside.ask(path)
    return answer.text if answer.status == 200 else ""


def _tls_versions(encrypted: t.Sequence[Door]) -> list[Question]:
    """One for each address: what is spoken there is the same for all names."""
    places = {door.transport.connect: door.transport.site for door in encrypted}
    return [
        Question(f"tls_version_{where}", "tls", functools.partial(tls.version, name, where))
        for where, name in places.items()
    ]


def _tls_redirects(doors: t.Sequence[Door]) -> list[Question]:
    return [
        Question(f"https_redirect_{door.transport.connect}", "http", functools.partial(_redirects, door))
        for door in doors
        if not door.transport.tls
    ]


def _redirects(door: Door) -> Outcome:
    """Whether a plain address does nothing but send to the encrypted one."""
    answer = door.transport.ask(PING)
    to = answer.headers.get("location", "")
    if answer.status in _MOVED and to.startswith("https://"):
        return Outcome(True, f"{door.transport.url('')} sends to https")
    if answer.status < 300:
        return Outcome(False, f"the site answers without TLS, too, on {door.transport.connect}")
    return Outcome(None, f"{door.transport.url('')} has status {answer.status} and does not send to https")


def _can_be_reached(where: str) -> bool:
    """Whether anybody can come by an address: nginx binds those of IPv6 also where that is switched off."""
    if not where.startswith("[::1]"):
        return True
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.settimeout(_SOON)
        return probe.connect_ex(("::1", int(where.rpartition(":")[2]))) not in _NO_IPV6


def _others_can_enter(folder: str) -> bool:
    while True:
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            return False
        parent = os.path.dirname(folder)
        if parent == folder:
            return True
        folder = parent
