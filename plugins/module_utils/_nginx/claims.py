# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which server answers for which name on which address.

When two servers claim one name on one address, the one that nginx reads first has it; the other is ignored with
a warning ("conflicting server name") while ``nginx -t`` returns 0. The warning doesn't say which of the two lost.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration, Directive

_PORT = re.compile(r"[0-9]+")


class Claim(t.NamedTuple):
    """A server that says it answers for a name on an address (``*:80``, ``[::]:443``, ``unix:/path``)."""

    address: str
    name: str
    server: Directive


def address(listen: t.Sequence[str]) -> str:
    """The address of a ``listen`` directive in one spelling: ``80``, ``*:80`` and ``0.0.0.0:80`` are one."""
    text = listen[0].lower() if listen else f"*:{default_port()}"
    if text.startswith("unix:"):
        return listen[0]
    if _PORT.fullmatch(text):
        return f"*:{text}"
    if text.startswith("["):
        return text if "]:" in text else f"{text}:80"
    host, _colon, port = text.partition(":")
    return f"{'*' if host in ('*', '0.0.0.0') else host}:{port or '80'}"


def default_port() -> int:
    """The port of a server without ``listen``: 80 for root, else 8000."""
    return 80 if os.geteuid() == 0 else 8000


def addresses(server: Directive) -> list[str]:
    """Where a server listens."""
    return [address(item.args) for item in server.children("listen")] or [address(())]


def names(server: Directive) -> list[str]:
    """The names of a server, lower case but for patterns, in their order; one empty name where it has none."""
    found = [name for item in server.children("server_name") for name in item.args]
    return [name if name.startswith("~") else name.lower() for name in found] or [""]


def claims(configuration: Configuration) -> list[Claim]:
    """Every claim in the order nginx reads them."""
    return [
        Claim(where, name, server)
        for server in configuration.servers()
        for where in addresses(server)
        for name in names(server)
    ]


class Index:
    """Who answers, by the order nginx looks in: exact name, ``*.suffix``, ``prefix.*``, pattern, default server.

    https://nginx.org/en/docs/http/server_names.html
    """

    def __init__(self, configuration: Configuration) -> None:
        self._order = {id(server): number for number, server in enumerate(configuration.servers())}
        self._names: dict[str, dict[str, Directive]] = {}
        self._default: dict[str, Directive] = {}
        self._marked: dict[str, Directive] = {}
        for claim in claims(configuration):
            self._names.setdefault(claim.address, {}).setdefault(claim.name, claim.server)
            self._default.setdefault(claim.address, claim.server)
        for server in configuration.servers():
            for item in server.children("listen"):
                if "default_server" in item.args or "default" in item.args:
                    self._marked.setdefault(address(item.args), server)

    def position(self, server: Directive) -> int:
        """Where a server stands among all."""
        return self._order[id(server)]

    def addresses(self) -> list[str]:
        """Every address but unix sockets, in the order of the text."""
        return [where for where in self._names if not where.startswith("unix:")]

    def marked(self, where: str) -> bool:
        """Whether a server is marked as the default of an address."""
        return where in self._marked

    def default(self, where: str) -> Directive | None:
        """Who answers for hosts nobody names."""
        return self._marked.get(where, self._default.get(where))

    def exactly(self, where: str, name: str) -> Directive | None:
        """Who answers for a host name at an address because it says that very name."""
        return self._names.get(where, {}).get(name)

    def named(self, where: str, name: str) -> Directive | None:
        """Who answers for a host name at an address because its names cover it."""
        names = self._names.get(where, {})
        found = names.get(name) or names.get(_suffix(names, name)) or names.get(_prefix(names, name))
        return found or _by_pattern(names, name)

    def answering(self, where: str, name: str) -> Directive | None:
        """Who answers for a host name at an address; None where nobody listens."""
        return self.named(where, name) or self.default(where)


def _suffix(names: t.Iterable[str], name: str) -> str:
    return max((one for one in names if _ends(name, one)), key=len, default="*")


def _ends(name: str, pattern: str) -> bool:
    # ".example.com" is short for "example.com" and "*.example.com".
    if pattern.startswith("."):
        return name == pattern[1:] or name.endswith(pattern)
    return pattern.startswith("*.") and name.endswith(pattern[1:])


def _prefix(names: t.Iterable[str], name: str) -> str:
    return max((one for one in names if one.endswith(".*") and name.startswith(one[:-1])), key=len, default="*")


def _by_pattern(names: t.Mapping[str, Directive], name: str) -> Directive | None:
    for pattern, server in names.items():
        if pattern.startswith("~"):
            with contextlib.suppress(re.error):
                # Named groups are (?<name>…) in PCRE and (?P<name>…) here.
                if re.search(re.sub(r"\(\?<(?![=!])", "(?P<", pattern[1:]), name, re.IGNORECASE):
                    return server
    return None


def _takes(other: str, ours: str) -> bool:
    """Whether a listener at ``other`` gets connections that ``ours`` would get without it."""
    if other == ours:
        return True
    host, _colon, port = other.rpartition(":")
    our_host, _colon, our_port = ours.rpartition(":")
    if other.startswith("unix:") or ours.startswith("unix:") or port != our_port:
        return False
    return our_host == ("[::]" if host.startswith("[") else "*")


def shadowed(configuration: Configuration, files: t.Collection[str]) -> list[str]:
    """Names that servers in our files claim and servers elsewhere answer for.

    Args:
        configuration: What nginx reads.
        files: Paths of our own files.

    Returns:
        One sentence per name and address; empty when every name of ours is ours.
    """
    found: list[str] = []
    first: dict[tuple[str, str], Directive] = {}
    everything = claims(configuration)
    by_name: dict[str, list[Claim]] = {}
    for claim in everything:
        first.setdefault((claim.address, claim.name), claim.server)
        by_name.setdefault(claim.name, []).append(claim)
    for claim in everything:
        if claim.server.file not in files or claim.address.startswith("unix:"):
            continue
        for other in by_name[claim.name]:
            if other.server.file in files or not _takes(other.address, claim.address):
                continue
            if first[(other.address, claim.name)] is other.server:
                found.append(f"{claim.name} on {other.address} is answered by {other.server.place}")
    return sorted(set(found))
