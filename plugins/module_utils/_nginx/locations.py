# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands inside the locations of a server that is taken over.

Each of our locations answers what one of bench's answered, by another name. So who gets into bench's is who must get
into ours: directives are moved from location to location, and nginx inherits them in both servers alike.
"""

from __future__ import annotations

import math
import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import model
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.access import Meaning, is_carried, keeping_out
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.config import FILE
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Directive

_ACTIVE: dict[model.Words, str] = {
    ("~*", "^/files/.*.(htm|html|svg|xml)"): "active",
    ("~*", "^/files/.*\\.(htm|html|svg|xml)$"): "active",
}
#: Locations of bench and of our own file, and which of :data:`model.PLACES` answers for them.
_PLACES: dict[model.Words, str] = {
    ("/",): "pages",
    ("/files",): "pages",
    ("/assets",): "assets",
    ("/assets/",): "assets",
    ("@lockstep_previous_assets",): "assets",
    ("/socket.io",): "realtime",
    ("@webserver",): "web",
    ("@lockstep_web",): "web",
    ("~", "^/protected/(.*)"): "private",
    ("^~", "/protected/private/"): "private",
    **_ACTIVE,
}

# First words of the directives that bench writes, header names in lower case: our file says them too, or needs none.
_PROXY: tuple[model.Words, ...] = (
    ("proxy_http_version",),
    ("proxy_pass",),
    ("proxy_redirect", "off"),
    ("proxy_set_header", "host", "$host"),
    ("proxy_set_header", "x-frappe-site-name"),
)
_WEB: tuple[model.Words, ...] = (
    *_PROXY,
    ("proxy_set_header", "x-forwarded-for", "$remote_addr"),
    ("proxy_set_header", "x-forwarded-host", "$host"),
    ("proxy_set_header", "x-forwarded-proto", "$scheme"),
    ("proxy_set_header", "x-use-x-accel-redirect", "True"),
)
_WRITTEN: dict[str, tuple[model.Words, ...]] = {
    "pages": (
        *_WEB,
        ("rewrite", "^(.+)/$", "$1", "permanent"),
        ("rewrite", "^(.+)/index\\.html$", "$1", "permanent"),
        ("rewrite", "^(.+)\\.html$", "$1", "permanent"),
    ),
    "active": (("add_header", "content-disposition", "attachment"),),
    "assets": (("add_header", "cache-control", "max-age=31536000"),),
    "private": (("internal",),),
    "realtime": (
        *_PROXY,
        ("proxy_set_header", "connection"),
        ("proxy_set_header", "origin", "$scheme://$http_host"),
        ("proxy_set_header", "upgrade", "$http_upgrade"),
    ),
    "web": _WEB,
}
#: What our file says with :attr:`model.Site.timeout`.
TIMEOUTS = ("proxy_read_timeout", "proxy_send_timeout")

_DURATION = re.compile(r"([0-9]+)(ms|[smhdwMy]?)\s*")
_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}


class Locations:
    """The locations of one server that serves a site.

    Args:
        server: The server.
        http: The block it stands in.
    """

    def __init__(self, server: Directive, http: Directive) -> None:
        self._server = server
        self._http = http
        self._meaning = Meaning(http)
        self._is_ours = os.path.basename(server.file) == FILE
        self._known: dict[str, list[Directive]] = {}
        for location in _known(server):
            self._known.setdefault(_PLACES[location.args], []).append(location)
        self._ids = {id(location) for locations in self._known.values() for location in locations}

    def inside(self) -> tuple[tuple[str, model.Words], ...]:
        """Who gets into each of our locations, for :class:`model.Front`."""
        pages = self._access("pages")
        # Where bench's location is missing, its requests went to "/"; the active files stand inside it.
        found = {place: pages for place in model.PLACES if place != "active"}
        found.update({place: self._access(place) for place in self._known})
        return tuple((place, words) for place in model.PLACES for words in found.get(place, ()))

    def _access(self, place: str) -> tuple[model.Words, ...]:
        return _access(self._known[place][0]) if place in self._known else ()

    def refused(self) -> t.Iterator[str]:
        """What keeps somebody out and would not in our file, a sentence each."""
        if self._is_ours:
            return
        yield from self._not_carried(self._server, "")
        for place, locations in self._known.items():
            for location in locations:
                yield from self._not_carried(location, f" in {_words(location)}")
            yield from self._disagreeing(place, locations)

    def _not_carried(self, block: Directive, where: str) -> t.Iterator[str]:
        for item in block.block or ():
            if id(item) in self._ids or (_is_error_page(self._server, item) and _is_internal(item)):
                continue
            at_fault = item if is_carried(item.name) else keeping_out(item)
            reason = self._meaning.differs(item) if is_carried(item.name) else None
            if at_fault is item and (reason or not is_carried(item.name)):
                yield f"{item.place}: {_words(item)}{where}{f' ({reason})' if reason else ''}"
            elif at_fault is not None and at_fault is not item:
                yield f"{at_fault.place}: {_words(at_fault)} in {_words(item)}{where}"

    def _disagreeing(self, place: str, locations: t.Sequence[Directive]) -> t.Iterator[str]:
        for other in locations[1:]:
            if _access(other) != _access(locations[0]):
                names = (" ".join(one.args) for one in (locations[0], other))
                yield f"{other.place}: {' and '.join(names)} don't let the same visitors in, and become one location"

    def lost(self, timeout: int, body_size: str | None) -> t.Iterator[str]:
        """What our file won't say and bench didn't write, a sentence each.

        Args:
            timeout: Seconds our file gives a request.
            body_size: Largest request in our file.
        """
        if self._is_ours:
            return
        for place, locations in self._known.items():
            for location in locations:
                for item in location.block or ():
                    if not self._is_said(place, item, timeout, body_size):
                        yield f"{item.place}: {_words(item)} in {_words(location)} is not carried over"

    def _is_said(self, place: str, item: Directive, timeout: int, body_size: str | None) -> bool:
        if id(item) in self._ids or is_carried(item.name) or (item.name, *item.args) == ("auth_request", "off"):
            return True
        if item.name == "try_files":
            # A file, and where to ask for it otherwise.
            return len(item.args) == 2
        if item.name in TIMEOUTS:
            return seconds(item) <= timeout
        if item.name == "client_max_body_size":
            return item.args == (body_size,)
        words = (item.name, *item.args)
        if item.name in ("add_header", "proxy_set_header"):
            words = (item.name, item.args[0].lower(), *item.args[1:])
        return any(words[: len(written)] == written for written in _WRITTEN[place])

    def timeout(self) -> int | None:
        """Seconds the web processes may be silent; None where nothing is said."""
        web = self._known.get("web") or self._known.get("pages") or []
        found = [
            item for block in (*web[:1], self._server, self._http) for item in block.children("proxy_read_timeout")
        ]
        return seconds(found[0]) if found else None

    def body_size(self) -> str | None:
        """Largest request; None where nothing is said.

        nginx compares the announced length where a request arrives, before it is handed to a named location.
        """
        blocks = (*self._known.get("pages", [])[:1], self._server, self._http)
        found = [item for block in blocks for item in block.children("client_max_body_size")]
        return found[0].args[0] if found else None


def is_replaced(server: Directive, location: Directive) -> bool:
    """Whether our file has what a location of a server is for: one of bench's, or the page of an error."""
    return location.args in _PLACES or _is_error_page(server, location)


def seconds(item: Directive) -> int:
    """How long a directive says, in whole seconds, at least one."""
    parts = _DURATION.findall("".join(item.args))
    return max(1, math.ceil(sum(int(number) * _SECONDS[unit] for number, unit in parts)))


def _known(server: Directive) -> t.Iterator[Directive]:
    """The locations with a counterpart in our file; "/" is the first of those that become one."""
    found = [item for item in server.children("location") if item.args in _PLACES]
    pages = [item for item in found if _PLACES[item.args] == "pages"]
    if pages and not any(item.args == ("/",) for item in pages):
        # What no location is for goes by what the server says.
        yield Directive("location", ("/",), (), server.file, server.line)
    yield from sorted(found, key=lambda item: item.args != ("/",))
    yield from (inner for item in pages for inner in item.children("location") if inner.args in _ACTIVE)


def _access(location: Directive) -> tuple[model.Words, ...]:
    return tuple((item.name, *item.args) for item in location.block or () if is_carried(item.name))


def _is_error_page(server: Directive, item: Directive) -> bool:
    pages = server.children("error_page")
    return item.name == "location" and any(page.args[-1:] == item.args[-1:] for page in pages)


def _words(item: Directive) -> str:
    return " ".join((item.name, *item.args))


def _is_internal(location: Directive) -> bool:
    return bool(location.children("internal")) or location.args[0].startswith("@")
