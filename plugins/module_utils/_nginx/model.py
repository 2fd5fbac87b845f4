# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server's nginx shall serve, as values that were checked before they can reach a file."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

if t.TYPE_CHECKING:
    from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.projects import Project

Words = tuple[str, ...]

_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_ADDRESS = re.compile(
    r"((\*|[a-zA-Z0-9][a-zA-Z0-9.-]*|\[[0-9a-fA-F:.]+\]):)?[0-9]{1,5}|\[[0-9a-fA-F:.]+\]|[0-9]+(\.[0-9]+){3}"
)
_PATH = re.compile(r"/[A-Za-z0-9._@+/:=,~-]*")
_SIZE = re.compile(r"[0-9]+[kKmMgG]?")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")

LISTEN_OPTIONS = ("ssl", "http2", "quic", "proxy_protocol")
#: Options that nginx takes from one server per address only.
ADDRESS_OPTIONS = ("default_server", "ipv6only=on", "ipv6only=off")
#: Locations of our file in which a server can say who gets in; see :attr:`Front.inside`.
PLACES = ("pages", "active", "assets", "realtime", "web", "private")


def _must(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise LockstepError(f"{text!r} can't be used as {what} in nginx's configuration")
    return text


def name(text: str) -> str:
    """A host name as nginx compares it: lower case. ``*.`` may stand in front.

    Raises:
        LockstepError: It is not one.
    """
    return _must(_NAME, text.lower(), "a host name")


def is_name(text: str) -> bool:
    """Whether :func:`name` takes it; ``_`` is what people write for "any host"."""
    return text != "_" and bool(_NAME.fullmatch(text.lower()))


def path(text: str) -> str:
    """An absolute path without characters that mean something to nginx.

    Raises:
        LockstepError: It is not one.
    """
    if ".." in text.split("/"):
        raise LockstepError(f"{text!r} can't be used as a path in nginx's configuration")
    return _must(_PATH, text, "a path")


@dataclass(frozen=True)
class Listen:
    """An address and port (``80``, ``[::]:443``, ``127.0.0.1:8080``) with its options (``ssl``, ``http2`` …)."""

    address: str
    options: Words = ()

    def __post_init__(self) -> None:
        _must(_ADDRESS, self.address, "an address to listen on")
        for option in self.options:
            if option not in (*LISTEN_OPTIONS, *ADDRESS_OPTIONS):
                raise LockstepError(f"{option!r} is no option of listen that can be carried over")


PLAIN = (Listen("80"), Listen("[::]:80"))


@dataclass(frozen=True)
class Front:
    """Names on addresses, under one certificate: one ``server`` of nginx.

    Args:
        names: Host names; the first is nginx's ``$server_name``.
        listens: Where it is reached.
        carried: Further directives of the server, word by word (``("ssl_certificate", "/etc/…")``).
        inside: Further directives of its locations, each with the one of :data:`PLACES` it belongs to.
        redirect: Sends everything to https instead of serving the site.
    """

    names: Words
    listens: tuple[Listen, ...] = PLAIN
    carried: tuple[Words, ...] = ()
    inside: tuple[tuple[str, Words], ...] = ()
    redirect: bool = False

    def __post_init__(self) -> None:
        if not self.names or not self.listens:
            raise LockstepError("a server in nginx needs a name and an address")
        for one in self.names:
            name(one)
        for place, _words in self.inside:
            if place not in PLACES:
                raise LockstepError(f"{place!r} is no location that directives can be carried over to")


def tls(certificate: str, key: str) -> tuple[Words, ...]:
    """The directives of a certificate for :class:`Front`; what they leave open is the server's own default.

    Args:
        certificate: Path of the chain in PEM.
        key: Path of its key.
    """
    return (
        ("ssl_certificate", path(certificate)),
        ("ssl_certificate_key", path(key)),
        ("ssl_protocols", "TLSv1.2", "TLSv1.3"),
    )


@dataclass(frozen=True)
class Site:
    """One Frappe site.

    Args:
        name: The site's name, which its release is told in ``X-Frappe-Site-Name``.
        traffic: Folder with the links ``live`` and ``previous`` and the file ``closed``; see ``live.SiteTraffic``.
        data: The site's own folder, with ``public`` and ``private``; the same one for every release.
        fronts: The servers that lead to it.
        body_size: Largest request, as nginx writes it.
        timeout: Seconds a release may be silent before nginx gives up.
        access_logs: Arguments of further ``access_log`` directives, beside the JSON one.
    """

    name: str
    traffic: str
    data: str
    fronts: tuple[Front, ...]
    body_size: str = "50m"
    timeout: int = 120
    access_logs: tuple[Words, ...] = ()

    def __post_init__(self) -> None:
        name(self.name)
        path(self.traffic)
        path(self.data)
        _must(_SIZE, self.body_size, "a size")
        if self.timeout < 1 or not self.fronts:
            raise LockstepError(f"{self.name} needs a server that leads to it and a timeout of at least a second")


@dataclass(frozen=True)
class Bridge:
    """A unix socket in front of a program that can only listen on a loopback port.

    Args:
        socket: Path of the socket nginx opens.
        port: The program's port on 127.0.0.1.
        release: For the web processes of a bench that was adopted: the release to name in every answer.
    """

    socket: str
    port: int
    release: str | None = None

    def __post_init__(self) -> None:
        path(self.socket)
        if not 0 < self.port < 65536:
            raise LockstepError(f"{self.port} is not a port")
        if self.release is not None:
            _must(_LABEL, self.release, "a release")


@dataclass(frozen=True)
class Traffic:
    """Everything in our file.

    Args:
        sites: The sites of all benches of this server.
        bridges: The bridges of their releases.
        generation_socket: Where nginx answers which generation it serves.
        access_log: The JSON log; one line per request.
        projects: The projects of containers of this server.
    """

    sites: tuple[Site, ...]
    bridges: tuple[Bridge, ...] = ()
    generation_socket: str = "/run/lockstep/nginx/generation.sock"
    access_log: str = "/var/log/nginx/lockstep-access.log"
    projects: tuple[Project, ...] = ()

    def __post_init__(self) -> None:
        path(self.generation_socket)
        path(self.access_log)
        named = (
            ("site", [site.name for site in self.sites]),
            ("project", [project.traffic for project in self.projects]),
            ("socket", [bridge.socket for bridge in self.bridges]),
        )
        for what, found in named:
            twice = sorted({one for one in found if found.count(one) > 1})
            if twice:
                raise LockstepError(f"{what} given twice: {', '.join(twice)}")
        self._unique_names()

    def _unique_names(self) -> None:
        owner: dict[tuple[str, str], str] = {}
        served: list[Site | Project] = [*self.sites, *self.projects]
        for site in served:
            for front in site.fronts:
                for key in ((one.lower(), listen.address) for one in front.names for listen in front.listens):
                    if key in owner:
                        raise LockstepError(f"{key[0]} on {key[1]} leads to both {owner[key]} and {site.name}")
                    owner[key] = site.name
