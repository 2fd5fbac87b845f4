# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How nginx serves Frappe's sites now: what to carry over into our file, and what would be lost.

bench writes one server for many sites, and tells them apart by the Host header: ``X-Frappe-Site-Name`` is ``$host``,
or a variable that a ``map`` makes of it where a site has further domains.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import access, claims, model
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.config import FILE
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.locations import (
    TIMEOUTS,
    Locations,
    is_replaced,
    seconds,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration, Directive

# Said by our file too, or of no consequence there.
_REPLACED = frozenset(
    {
        *("listen", "server_name", "ssl", "root", "error_page", "access_log", "error_log"),
        *("sendfile", "keepalive_timeout", "open_file_cache", "gzip", "client_max_body_size"),
        *("client_body_buffer_size", "client_header_buffer_size"),
        *("proxy_buffer_size", "proxy_buffers", "proxy_busy_buffers_size"),
    }
)
_DEFAULT_TIMEOUT = model.Site.timeout
_HEADERS = frozenset(
    {"x-frame-options", "strict-transport-security", "x-content-type-options", "x-xss-protection", "referrer-policy"}
)


@dataclass(frozen=True)
class Found:
    """How a site is served.

    Args:
        site: The site's name.
        fronts: The servers that lead to it, for :class:`model.Site`.
        body_size: Largest request; None where nothing is said.
        timeout: Seconds its web processes may be silent; None where nothing is said.
        access_logs: Arguments of the ``access_log`` directives that apply to it.
        files: The files it stands in.
        places: File and line of each of its servers.
        lost: What its servers say that our file won't say, a sentence each.
    """

    site: str
    fronts: tuple[model.Front, ...]
    body_size: str | None
    timeout: int | None
    access_logs: tuple[model.Words, ...]
    files: tuple[str, ...]
    places: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """Every name it is reached by beside its own."""
        return tuple(dict.fromkeys(one for front in self.fronts for one in front.names if one != self.site))


class Served:
    """The sites of one nginx.

    Args:
        configuration: What it reads.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._http = configuration.http()
        own = [item for item in self._http.children("log_format") if item.file == configuration.main]
        self._formats = {"combined", *(item.args[0] for item in own)}
        self._maps = {item.args[1]: item for item in self._http.children("map") if len(item.args) == 2}
        self._index = claims.Index(configuration)
        self._told = {id(server): _told(server) for server in configuration.servers()}
        self._names: dict[str, list[str]] = {}
        for server in configuration.servers():
            for name in claims.names(server):
                self._names.setdefault(self._site(server, name) or "", []).append(name)

    def find(self, site: str, domains: t.Iterable[str] = (), claimed: t.Iterable[str] = ()) -> Found | None:
        """How a site is served.

        Args:
            site: The site's name.
            domains: Further names that the administrator gives it.
            claimed: Further names that it gives itself, as in its ``site_config.json``.

        Returns:
            None when no server leads to it.

        Raises:
            LockstepError: Something of it can't be carried over as it is, and the site would be more open without it.
        """
        given = tuple(dict.fromkeys(name.lower() for name in (site, *domains)))
        wanted = [*given, *claimed, *(name for name in self._names.get(site, ()) if model.is_name(name))]
        names = tuple(dict.fromkeys(name.lower() for name in wanted))
        fronts = self._fronts(names, self._index.named, lambda server, name: self._site(server, name) == site)
        if not fronts:
            # Also a server that says nothing of sites may lead to one: Frappe then goes by the Host header. Or it is
            # somebody else's, so what a site claims doesn't count.
            fronts = self._fronts(given, self._index.named, lambda server, _name: self._silent(server))
        if not fronts:
            fronts = self._fronts(names, self._catch_all, lambda server, name: self._site(server, name) == site)
        if not fronts:
            return None
        fronts += self._fronts(names, self._index.named, lambda server, _name: _redirects(server))
        return self._found(site, sorted(fronts, key=lambda front: self._index.position(front.server)))

    def elsewhere(self, found: Found | None, names: t.Iterable[str]) -> dict[str, str]:
        """Names that a server says which does not lead to a site.

        Args:
            found: How the site is served, from :meth:`find`.
            names: Names that it shall be served by.

        Returns:
            File and line of the server, by name.
        """
        own = found.places if found else ()
        pairs = (
            (name, self._index.exactly(where, name.lower())) for where in self._index.addresses() for name in names
        )
        return {name: server.place for name, server in pairs if server is not None and server.place not in own}

    def unknown_hosts(self, fronts: t.Iterable[model.Front]) -> list[str]:
        """Servers that answer for hosts nobody names, only because they are read first, and won't be any more.

        Our file is read first: where no server is marked as ``default_server``, such hosts get 404 from it.

        Returns:
            One sentence per address.
        """
        addresses = sorted({claims.address((listen.address,)) for front in fronts for listen in front.listens})
        defaults = [(where, self._index.default(where)) for where in addresses]
        return [
            f"hosts that no server names are answered by {server.place} on {where} now, and will get 404; "
            "add default_server to its listen line if they should not"
            for where, server in defaults
            if server is not None and not self._index.marked(where)
        ]

    def _site(self, server: Directive, host: str) -> str | None:
        """The site that a server names to Frappe for a host; None when it names none."""
        word = self._told[id(server)]
        return None if word is None else self._value(word, host)

    def _silent(self, server: Directive) -> bool:
        return self._told[id(server)] is None and _passes(server)

    def _value(self, word: str, host: str) -> str | None:
        if word in ("$host", "$http_host"):
            return host
        if "$" not in word:
            return word
        if word not in self._maps:
            return None
        entries = {entry.name.lower(): entry.args[0] for entry in self._maps[word].block or () if entry.args}
        mapped = entries.get(host, entries.get("default", ""))
        return self._value(mapped, host) if mapped != word else None

    def _catch_all(self, where: str, _name: str) -> Directive | None:
        """Who is meant to answer for any host, not only does because it is read first."""
        server = self._index.default(where)
        meant = server is not None and (self._index.marked(where) or claims.names(server)[0] in ("", "_"))
        return server if meant else None

    def _fronts(
        self,
        names: t.Sequence[str],
        answering: t.Callable[[str, str], Directive | None],
        leads: t.Callable[[Directive, str], bool],
    ) -> list[_Leading]:
        """The servers that answer for some of the names and lead to the site."""
        found: dict[int, _Leading] = {}
        for where in self._index.addresses():
            for name in names:
                server = answering(where, name)
                if server is not None and leads(server, name):
                    entry = found.setdefault(id(server), _Leading(server, {}, {}))
                    entry.names[name] = None
                    entry.addresses[where] = None
        return list(found.values())

    def _format(self, log: Directive) -> str:
        named = [word for word in log.args[1:2] if "=" not in word]
        return "off" if log.args[0] == "off" else (named or ["combined"])[0]

    def _found(self, site: str, leading: t.Sequence[_Leading]) -> Found:
        servers = [entry.server for entry in leading]
        serving = next(server for server in servers if not _redirects(server))
        # One that only redirects has nothing to protect.
        locations = {id(one): Locations(one, self._http) for one in servers if not _redirects(one)}
        _refuse([sentence for one in locations.values() for sentence in one.refused()])
        timeout = max((one.timeout() or 0 for one in locations.values()), default=0) or None
        size = locations[id(serving)].body_size()
        lost = [sentence for server in servers for sentence in _lost(server, timeout or _DEFAULT_TIMEOUT)]
        for one in locations.values():
            lost += one.lost(timeout or _DEFAULT_TIMEOUT, size)
        logs: list[model.Words] = []
        for item in serving.children("access_log") or self._http.children("access_log"):
            if self._format(item) in self._formats:
                logs.append(item.args)
            elif item.args[0] != "off":
                lost.append(f"{item.place}: access_log is not carried over: our file is read before its format")
        return Found(
            site=site,
            fronts=tuple(entry.front(locations.get(id(entry.server))) for entry in leading),
            body_size=size,
            timeout=timeout,
            access_logs=tuple(logs),
            files=tuple(dict.fromkeys(server.file for server in servers)),
            places=tuple(server.place for server in servers),
            lost=tuple(lost),
        )


def find(configuration: Configuration, site: str, domains: t.Iterable[str] = ()) -> Found | None:
    """How one site is served; for several, make one :class:`Served`."""
    return Served(configuration).find(site, domains)


class _Leading(t.NamedTuple):
    """A server, the names it leads to the site by, and the addresses; dicts keep their order."""

    server: Directive
    names: dict[str, None]
    addresses: dict[str, None]

    def front(self, locations: Locations | None) -> model.Front:
        server = self.server
        listens = [item for item in server.children("listen") if claims.address(item.args) in self.addresses]
        also = ("ssl",) if any(item.args == ("on",) for item in server.children("ssl")) else ()
        carried = tuple(
            (item.name, *item.args) for item in server.block or () if item.block is None and _is_carried(item.name)
        )
        try:
            return model.Front(
                tuple(self.names),
                tuple(_listen(item.args, also) for item in listens) or (model.Listen(str(claims.default_port())),),
                carried,
                inside=locations.inside() if locations else (),
                redirect=_redirects(server),
            )
        except LockstepError as error:
            raise LockstepError(f"{server.place}: {error.message}") from error


def _listen(args: t.Sequence[str], also: tuple[str, ...]) -> model.Listen:
    options = tuple(word for word in args[1:] if word in model.LISTEN_OPTIONS)
    return model.Listen(args[0], (*(word for word in also if word not in options), *options))


def _told(server: Directive) -> str | None:
    """What a server sends as the name of the site."""
    for item in server.walk():
        if item.name == "proxy_set_header" and len(item.args) == 2 and item.args[0].lower() == "x-frappe-site-name":
            return item.args[1]
    return None


def _passes(server: Directive) -> bool:
    return any(item.name == "proxy_pass" for item in server.walk())


def _redirects(server: Directive) -> bool:
    """Whether a server only sends its visitors to https."""
    targets = [word for item in server.walk() if item.name == "return" for word in item.args]
    return any(word.startswith("https://") for word in targets) and not _passes(server)


def _is_carried(name: str) -> bool:
    return name == "http2" or name.startswith("ssl_") or access.is_carried(name)


def _refuse(sentences: list[str]) -> None:
    if sentences:
        raise LockstepError(
            f"nginx keeps visitors out of a site by what can't be taken over: {'; '.join(sentences)}",
            hint="move it into the server itself, where allow, deny, satisfy, auth_basic, limit_req and limit_conn are "
            "carried over if they hold no variables of that server, or remove it",
        )


def _lost(server: Directive, timeout: int) -> t.Iterator[str]:
    if os.path.basename(server.file) == FILE:
        return
    for item in server.block or ():
        if item.name == "location":
            lost = not is_replaced(server, item)
        elif item.name == "add_header":
            lost = item.args[0].lower() not in _HEADERS
        elif item.name in ("return", "if", "rewrite"):
            lost = not _redirects(server)
        elif item.name in TIMEOUTS:
            lost = seconds(item) > timeout
        else:
            known = item.name in _REPLACED or _is_carried(item.name)
            lost = not known and not item.name.startswith("gzip_")
        if lost:
            yield f"{item.place}: {' '.join((item.name, *item.args))} is not carried over"
