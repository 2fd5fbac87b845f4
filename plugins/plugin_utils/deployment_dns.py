# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS zones of a deployment file, and the records its sites have in them."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import VaultedText
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem

ADDRESSES = ("A", "AAAA")
TYPES = (*ADDRESSES, "CNAME")
DNS_PORT = 53
DEFAULT_TTL = 3600
DEFAULT_LOW_TTL = 60
_DEFAULTS: dict[str, t.Any] = {
    "port": DNS_PORT,
    "key_name": None,
    "key_algorithm": "hmac-sha256",
    "key_secret": None,
    "ttl": DEFAULT_TTL,
    "max_wait": 3600,
    "name_servers": [],
    "name_server_port": DNS_PORT,
    "timeout": 120,
}
_LONGEST_LABEL = 63
_LONGEST_NAME = 253


@dataclasses.dataclass
class Dns:
    """Zones and records as read, and what is wrong with them.

    Args:
        zones: Settings of each zone by its name, defaults filled in. The secret of a key is among them.
        sites: The sites, each with its records: zone, name, type, values, ttl.
        problems: What is wrong.
    """

    zones: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    sites: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)


def read_dns(
    raw: t.Mapping[str, t.Any],
    refused: t.Collection[Path],
    sites: t.Sequence[dict[str, t.Any]],
    paths: t.Mapping[str, Path],
) -> Dns:
    """Read zones and records.

    Args:
        raw: The file's ``dns``.
        refused: What was refused already, and is not looked at again.
        sites: The sites, with their records as the file has them.
        paths: Where each site stands in the file.

    Returns:
        Zones and sites, with problems.
    """
    return _Reader(raw, refused).read(sites, paths)


def normal_name(text: str) -> str:
    """A domain name in its one spelling: lower case, without a dot behind it."""
    return text.lower().rstrip(".")


def normal_value(kind: str, text: str) -> str:
    """A value in its one spelling.

    Args:
        kind: Type of the record.
        text: The value.

    Raises:
        ValueError: It is none for this type; the message says what is wrong.
    """
    if kind == "CNAME":
        name = normal_name(text)
        problem = name_problem(name)
        if problem or name.startswith("*") or re.fullmatch(r"[0-9.]+|.*:.*", name):
            raise ValueError(f"found {text!r}; expected {problem or 'the full name of another host'}")
        return name
    wanted = ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address
    try:
        address = wanted(text)
    except ValueError:
        raise ValueError(f"found {text!r}; expected an {'IPv4' if kind == 'A' else 'IPv6'} address") from None
    if address.is_multicast or address.is_unspecified or getattr(address, "scope_id", None):
        raise ValueError(f"found {text!r}; expected an address that a server can have")
    return str(address)


def name_problem(name: str) -> str:
    """What is expected of a name that can't be one in the DNS; empty if it can."""
    labels = name.split(".")
    if not all(labels):
        return "a name without empty parts"
    if len(name) > _LONGEST_NAME:
        return f"at most {_LONGEST_NAME} characters"
    if any(len(label) > _LONGEST_LABEL for label in labels):
        return f"at most {_LONGEST_LABEL} characters between two dots"
    if any("*" in label for label in labels[1:]):
        return "'*' as the first part only"
    return ""


def is_within(name: str, zone: str) -> bool:
    """Whether a name belongs to a zone, or is its apex."""
    return name == zone or name.endswith(f".{zone}")


class _Reader:
    """Reads zones, then the records of one site after the other."""

    def __init__(self, raw: t.Mapping[str, t.Any], refused: t.Collection[Path]) -> None:
        self._raw = raw
        self._lost = refused
        #: Zones that are not among what is left.
        self._refused = {
            normal_name(str(path[1])) for path in refused if path[:1] == ("dns",) and path[1:] and path[1] not in raw
        }
        self._found = Dns()
        #: Which types a name has: the site that gave it each, and where.
        self._owners: dict[str, dict[str, tuple[str, Path]]] = {}

    def read(self, sites: t.Sequence[dict[str, t.Any]], paths: t.Mapping[str, Path]) -> Dns:
        for name, given in self._raw.items():
            self._read_zone(name, given)
        for site in sites:
            if site["dns"]:
                site = {**site, "dns": self._read_site(site, (*paths[site["name"]], "dns"))}
            self._found.sites.append(site)
        return self._found

    def _refuse(self, path: Path, message: str) -> None:
        self._found.problems.append(Problem(path, message))

    def _read_zone(self, text: str, given: dict[str, t.Any]) -> None:
        name, path = normal_name(text), ("dns", text)
        problem = name_problem(name) or ("the name of a zone, without '*'" if "*" in name else "")
        if problem:
            self._refuse(path, f"found {text!r}; expected {problem}")
        elif name in self._found.zones:
            self._refuse(path, f"found the zone {name} twice; expected once")
        ttl = given.get("ttl", DEFAULT_TTL)
        if (given.get("ttl_before_change") or 0) > ttl:
            message = f"found {given['ttl_before_change']}; expected at most the ttl, {ttl}"
            self._refuse((*path, "ttl_before_change"), message)
        self._check_key(given, path)
        for at, server in enumerate(given.get("name_servers", ())):
            port = split_server(server, DNS_PORT)[1]
            if not 1 <= port <= 65535:
                self._refuse((*path, "name_servers", at), f"found the port {port}; expected one from 1 to 65535")
        low = {"ttl_before_change": min(DEFAULT_LOW_TTL, ttl)}
        self._found.zones[name] = {"name": name, **_DEFAULTS, **low, **given}

    def _check_key(self, given: dict[str, t.Any], path: Path) -> None:
        secret = given.get("key_secret")
        if {(*path, "key_name"), (*path, "key_secret")} & set(self._lost):
            return
        if secret is not None and "key_name" not in given:
            self._refuse(path, "has a key_secret and no key_name; expected both or none")
        elif secret is None and "key_name" in given:
            self._refuse(path, "has a key_name and no key_secret; expected both or none")
        elif secret is not None and not isinstance(secret, VaultedText) and not is_base64(secret):
            self._refuse((*path, "key_secret"), "is not Base64; expected the secret as the name server's key has it")

    def _read_site(self, site: dict[str, t.Any], path: Path) -> list[dict[str, t.Any]]:
        given = site["dns"]
        entries = [(path, given)] if isinstance(given, dict) else [((*path, at), one) for at, one in enumerate(given)]
        records = []
        for place, entry in entries:
            values = list(self._values(entry, place))
            for name, name_path in self._names(site, entry, place):
                records += self._records(site["name"], name, name_path, values, entry)
        return records

    def _names(self, site: dict[str, t.Any], entry: dict[str, t.Any], path: Path) -> t.Iterator[tuple[str, Path]]:
        """The names of a record, those in no zone left out."""
        if not self._found.zones and not self._refused:
            if ("dns",) not in self._lost:
                message = "found a record, and the file has no zones; expected dns with a zone at its top"
                self._refuse(path, message)
            return
        if "names" in entry:
            for place, text in _listed(entry["names"], (*path, "names")):
                name = normal_name(text)
                if name_problem(name):
                    self._refuse(place, f"found {text!r}; expected {name_problem(name)}")
                elif self._zone(name) is not None:
                    yield name, place
                elif not self._is_refused(name):
                    self._refuse(place, f'found "{name}", which is in no zone of dns; expected {self._zones_shown()}')
            return
        domains = dict.fromkeys(normal_name(domain) for domain in site["domains"])
        within = [name for name in domains if self._zone(name) is not None and not name_problem(name)]
        if not within and not any(map(self._is_refused, domains)):
            shown = ", ".join(domains)
            message = f"has no names, and no domain of the site ({shown}) is in a zone of dns; expected names, each in "
            self._refuse(path, message + self._zones_shown())
        for name in within:
            yield name, path

    def _zones_shown(self) -> str:
        return " or ".join(self._found.zones)

    def _zone(self, name: str) -> str | None:
        """The innermost zone a name is in."""
        if self._is_refused(name):
            return None
        return max((zone for zone in self._found.zones if is_within(name, zone)), key=len, default=None)

    def _is_refused(self, name: str) -> bool:
        return any(is_within(name, zone) for zone in self._refused)

    def _values(self, entry: dict[str, t.Any], path: Path) -> t.Iterator[tuple[str, str]]:
        """Type and value of each value of a record."""
        seen: dict[str, list[str]] = {}
        for place, text in _listed(entry["values"], (*path, "values")):
            kind = entry.get("type") or _kind(text)
            try:
                value = normal_value(kind, text)
            except ValueError as error:
                self._refuse(place, str(error))
                continue
            if value in seen.setdefault(kind, []):
                self._refuse(place, f'found "{value}" twice; expected each once')
            elif seen.get("CNAME") and len([one for values in seen.values() for one in values]) > 0:
                self._refuse(place, "found beside another value; expected a CNAME to have a single one")
            else:
                yield kind, value
            seen[kind].append(value)

    def _records(
        self, site: str, name: str, path: Path, values: list[tuple[str, str]], entry: dict[str, t.Any]
    ) -> list[dict[str, t.Any]]:
        zone = self._zone(name)
        if zone is None:
            return []
        by_kind: dict[str, list[str]] = {}
        for kind, value in values:
            by_kind.setdefault(kind, []).append(value)
        records = []
        for kind, found in by_kind.items():
            if self._is_free(site, zone, name, kind, found, path):
                ttl = entry.get("ttl", self._found.zones[zone]["ttl"])
                records.append({"zone": zone, "name": name, "type": kind, "values": sorted(found), "ttl": ttl})
        return records

    def _is_free(self, site: str, zone: str, name: str, kind: str, values: list[str], path: Path) -> bool:
        owned = self._owners.setdefault(name, {})
        clash = next((other for other in owned if other == kind or "CNAME" in (other, kind)), None)
        if clash is not None:
            owner = "this site" if owned[clash][0] == site else f'the site "{owned[clash][0]}"'
            what = "each once" if clash == kind else "a CNAME to have no other record beside it"
            self._refuse(path, f"found {kind} of {name}, of which {owner} gives {clash} already; expected {what}")
        elif kind == "CNAME" and name == zone:
            message = f"found a CNAME of {name}, which is the zone itself; expected addresses: a zone has other records"
            self._refuse(path, message)
        elif kind == "CNAME" and name in values:
            self._refuse(path, f"found a CNAME of {name} to itself; expected another name")
        else:
            owned[kind] = (site, path)
            return True
        return False


def split_server(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port``, an IPv6 address, or ``[IPv6 address]:port``."""
    bracketed = re.fullmatch(r"\[(?P<host>[^\]]+)\](?::(?P<port>\d+))?", text)
    plain = re.fullmatch(r"(?P<host>[^:]+):(?P<port>\d+)", text)
    found = bracketed or plain
    if found is None:
        return text, default_port
    return found["host"], int(found["port"] or default_port)


def is_base64(text: str) -> bool:
    """Whether a text is the Base64 of anything."""
    try:
        return bool(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        return False


def _listed(given: str | list[str], path: Path) -> list[tuple[Path, str]]:
    if isinstance(given, str):
        return [(path, given)]
    return [((*path, at), one) for at, one in enumerate(given)]


def _kind(text: str) -> str:
    """The type a value is meant for: what can only be an address, right or wrong, is none of a name."""
    if ":" in text:
        return "AAAA"
    return "A" if re.fullmatch(r"[0-9./]+", text) else "CNAME"
