# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets in: which directives of nginx say it, and which of them mean the same in our file.

A site must never be more open because its traffic moved. So what keeps somebody out is carried over word by word, or
the site is not taken over at all.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Directive

_CARRIED = frozenset({"allow", "deny", "satisfy", "auth_basic", "auth_basic_user_file"})
_LIMITS = ("limit_req", "limit_conn")
# They go with another directive, and keep nobody out by themselves.
_HARMLESS = frozenset({"auth_basic_user_file", "auth_request_set", "auth_delay"})
_REFUSING = re.compile(r"4[0-9][0-9]")
_VARIABLE = re.compile(r"\$\{?(\w+)")
# What the request says, and not the server it came to: the same in any server.
_REQUEST = re.compile(
    r"remote_addr|binary_remote_addr|realip_remote_addr|proxy_protocol_addr|host|scheme|server_port"
    r"|request_uri|uri|document_uri|args|query_string|request_method|(?:http|cookie|arg|ssl_client)_\w+"
)


def is_carried(name: str) -> bool:
    """Whether a directive says who gets in, and can stand in our file as it is."""
    return name in _CARRIED or name.startswith(_LIMITS)


def keeping_out(item: Directive) -> Directive | None:
    """What keeps somebody out altogether: a directive itself, or the first such one inside it."""
    return next((one for one in (item, *item.walk()) if _keeps_out(one)), None)


def _keeps_out(item: Directive) -> bool:
    if item.name == "return":
        return bool(item.args and _REFUSING.fullmatch(item.args[0]))
    if item.name.startswith("auth_") and item.name not in _HARMLESS:
        return item.args[:1] != ("off",)
    return item.name == "deny" or item.name.startswith("access_by_")


class Meaning:
    """What words mean in one ``http`` block, whichever server they stand in.

    Args:
        http: The block.
    """

    def __init__(self, http: Directive) -> None:
        tables = [item for name in ("map", "geo", "split_clients") for item in http.children(name)]
        self._tables = {item.args[-1].lstrip("$"): item for item in tables if item.args}
        self._zones: dict[tuple[str, str], str] = {}
        for kind in _LIMITS:
            for item in http.children(f"{kind}_zone"):
                for name in _zone_names(item.args):
                    self._zones[kind, name] = item.args[0]

    def differs(self, item: Directive) -> str | None:
        """Why a directive may mean something else in another server; None when it doesn't."""
        words = list(item.args)
        if item.name in _LIMITS:
            # limit_conn has its zone as first word.
            zone = [*_zone_names(item.args), *item.args[:1]][0]
            if (item.name, zone) not in self._zones:
                return f"the zone {zone} is not known"
            words.append(self._zones[item.name, zone])
        unknown = [name for word in words for name in _VARIABLE.findall(word) if not self._is_plain(name, ())]
        return f"${unknown[0]} may have another value there" if unknown else None

    def _is_plain(self, variable: str, seen: tuple[str, ...]) -> bool:
        """Whether the request alone says a variable's value."""
        if _REQUEST.fullmatch(variable):
            return True
        table = self._tables.get(variable)
        if table is None or variable in seen:
            return False
        words = [*table.args[:-1], *(word for entry in table.block or () for word in (entry.name, *entry.args))]
        names = [name for word in words for name in _VARIABLE.findall(word)]
        return all(self._is_plain(name, (*seen, variable)) for name in names)


def _zone_names(args: t.Iterable[str]) -> list[str]:
    return [word.partition("=")[2].partition(":")[0] for word in args if word.startswith("zone=")]
