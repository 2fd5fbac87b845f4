# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One name server: questions, and updates that hold only while what was seen is still so (RFC 2136, 2.4)."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import Rrset, Rrsets, Seen
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_dns import TYPES, is_base64, normal_name
from ansible_collections.lockstep.deploy.plugins.plugin_utils.libraries import need

#: Records that a zone's names often have and that no CNAME can be beside.
_OTHERS = ("TXT", "MX", "NS", "SOA", "CAA", "SRV")
_PATIENCE = 5.0
#: A question by UDP gets lost now and then.
_UDP_PATIENCE, _UDP_TRIES = 1.5, 2
_PARTS = ("exception", "flags", "message", "name", "query", "rcode", "rdata", "rdatatype", "tsig", "update")

# The answers that say: a prerequisite did not hold.
_CHANGED_MEANWHILE = ("NXRRSET", "YXRRSET", "NXDOMAIN", "YXDOMAIN")
#: Algorithms whose name in messages is another one than users and name servers know them by (RFC 8945, 6).
_ALGORITHMS = {"hmac-md5": "hmac-md5.sig-alg.reg.int"}
_REASONS = {
    "REFUSED": "refused by the name server's policy for this key or address",
    "NOTAUTH": "it is not authoritative for the zone, or does not accept the key",
    "NOTZONE": "the name is not in the zone",
    "NOTIMP": "it knows no updates (RFC 2136)",
    "SERVFAIL": "it failed; its log says why",
    "FORMERR": "it did not understand the message",
}
_TSIG = {
    "PeerBadKey": "it does not know the key {key}",
    "UnknownTSIGKey": "it does not know the key {key}",
    "PeerBadSignature": "the secret or algorithm of the key {key} is another one there",
    "BadSignature": "its answer is signed by another secret than that of the key {key}",
    "PeerBadTime": "its clock and the controller's are too far apart for the key {key}",
    "BadTime": "its clock and the controller's are too far apart for the key {key}",
    "PeerBadTruncation": "it does not accept how the key {key} signs",
}


class NameServerError(LockstepError):
    """A name server that can't be asked, or refuses."""


class Key(t.NamedTuple):
    """A TSIG key. Its secret is never part of an error."""

    name: str
    algorithm: str
    secret: str


def library() -> t.Any:
    """dnspython.

    Raises:
        LockstepError: It is not installed.
    """
    package = need("dns")
    for part in _PARTS:
        need(f"dns.{part}")
    return package


class NameServer:
    """A name server at one address.

    Args:
        host: How users call it.
        address: Its IP address.
        port: Its port.
        key: What questions and updates are signed with, if with anything.
    """

    def __init__(self, host: str, address: str, port: int, key: Key | None = None) -> None:
        self._dns = library()
        self.address, self.port = address, port
        self.shown = f"{host} port {port}" if host == address else f"{host} ({address} port {port})"
        self._key_name = key.name if key else ""
        self._key = None
        if key:
            if not is_base64(key.secret):
                raise LockstepError(f"the secret of the key {key.name} is not Base64", left="Nothing was changed")
            algorithm = _ALGORITHMS.get(key.algorithm, key.algorithm)
            self._key = self._dns.tsig.Key(key.name, "".join(key.secret.split()), algorithm=algorithm)

    def rrsets(self, name: str, kinds: t.Sequence[str] = TYPES) -> tuple[Rrsets, int]:
        """What it serves of a name, by its own authority, and for how long others may keep that there is nothing.

        Raises:
            NameServerError: It doesn't answer, or not with authority.
        """
        found: Rrsets = {}
        negative_ttl = 0
        for kind in kinds:
            answer = self._ask(name, kind)
            rrset = self._rrset(answer, name, kind)
            if rrset is not None:
                found[kind] = rrset
            for authority in answer.authority:
                if authority.rdtype == self._dns.rdatatype.SOA:
                    negative_ttl = max(negative_ttl, min(authority.ttl, authority[0].minimum))
        return found, negative_ttl

    def look(self, zone: str, name: str, is_cname: bool) -> Seen:
        """What is there of a name itself, and what a wildcard answers for it.

        Args:
            zone: The zone it is in.
            name: The name.
            is_cname: Whether it is to be a CNAME, and everything else of it counts.

        Raises:
            NameServerError: It doesn't answer, is not authoritative, or does not accept the key.
        """
        found, negative_ttl = self.rrsets(name)
        if not self._exists(zone, name):
            return Seen(covered=found, negative_ttl=negative_ttl)
        others = sorted(self.rrsets(name, _OTHERS)[0]) if is_cname and "CNAME" not in found else []
        return Seen(rrsets=found, others=others, negative_ttl=negative_ttl)

    def require_zone(self, zone: str) -> None:
        """Make sure that it is authoritative for a zone.

        Raises:
            NameServerError: It isn't.
        """
        if self._rrset(self._ask(zone, "SOA"), zone, "SOA") is None:
            message = f"{self.shown} has no zone {zone}"
            raise NameServerError(message, hint="Give the zone's own name and its primary server under dns")

    def name_servers(self, zone: str) -> list[str]:
        """Names of the name servers of a zone."""
        return (self._rrset(self._ask(zone, "NS"), zone, "NS") or {"values": []})["values"]

    def addresses(self, name: str) -> list[str]:
        """Addresses of a host it has authority over; none if it hasn't."""
        with contextlib.suppress(NameServerError):
            found, _ttl = self.rrsets(name, ("A", "AAAA"))
            return [value for rrset in found.values() for value in rrset["values"]]
        return []

    def update(self, zone: str, name: str, before: Rrsets, after: Rrsets) -> None:
        """Replace RRsets of one name, if they are what was seen.

        Args:
            zone: The zone.
            name: The name.
            before: What was seen. A type that is only in ``after`` must not be there.
            after: What is to be there. A type that is only in ``before`` is removed.

        Raises:
            NameServerError: It refused, and nothing was changed; or it didn't answer, and that is not known.
        """
        message = self._message(zone)
        owner = self._dns.name.from_text(name)
        for kind in sorted({*before, *after}):
            if kind in before:
                message.present(owner, *(self._rdata(kind, value) for value in before[kind]["values"]))
            else:
                message.absent(owner, kind)
        if "CNAME" in after and not before:
            message.absent(owner)
        elif "CNAME" not in {*before, *after}:
            message.absent(owner, "CNAME")
        for kind in sorted(before):
            message.delete(owner, kind)
        for kind, rrset in sorted(after.items()):
            message.add(owner, rrset["ttl"], *(self._rdata(kind, value) for value in rrset["values"]))
        rcode = self._send(message)
        if rcode in _CHANGED_MEANWHILE:
            raise NameServerError(
                f"{name} was changed by somebody else while this ran",
                left="It is as they made it",
                hint="Look at it, and run the same again",
            )
        if rcode != "NOERROR":
            reason = _REASONS.get(rcode, f"it answered {rcode}")
            raise NameServerError(f"{self.shown} did not update {name}: {reason}", left=f"{name} was not changed")

    def _rdata(self, kind: str, value: str) -> t.Any:
        text = f"{value}." if kind == "CNAME" else value
        return self._dns.rdata.from_text("IN", kind, text)

    def _exists(self, zone: str, name: str) -> bool:
        """Whether there is anything of a name itself: asked as an update that consists of the question only."""
        message = self._message(zone)
        message.present(self._dns.name.from_text(name))
        rcode = self._send(message)
        if rcode not in ("NOERROR", "NXDOMAIN"):
            reason = _REASONS.get(rcode, f"it answered {rcode}")
            raise NameServerError(f"{self.shown} takes no updates of {zone}: {reason}", left="Nothing was changed")
        return bool(rcode == "NOERROR")

    def _message(self, zone: str) -> t.Any:
        return self._dns.update.UpdateMessage(f"{zone}.", keyring=self._key)

    def _send(self, message: t.Any) -> str:
        """Send an update by TCP; returns what was answered."""
        with self._failing():
            answer = self._dns.query.tcp(message, self.address, timeout=_PATIENCE, port=self.port)
        return str(self._dns.rcode.to_text(answer.rcode()))

    def _ask(self, name: str, kind: str) -> t.Any:
        query = self._dns.message.make_query(self._dns.name.from_text(name), kind)
        query.flags &= ~self._dns.flags.RD
        if self._key:
            query.use_tsig(self._key)
        answer = self._patiently(query)
        rcode = self._dns.rcode.to_text(answer.rcode())
        if rcode not in ("NOERROR", "NXDOMAIN"):
            raise NameServerError(f"{self.shown} answered {rcode} for {name}")
        if not answer.flags & self._dns.flags.AA:
            raise NameServerError(f"{self.shown} is not authoritative for {name}")
        return answer

    def _patiently(self, query: t.Any) -> t.Any:
        """Ask by UDP, twice where nothing comes, then by TCP: that tells a server that is down, and gets by filters."""
        for _try in range(_UDP_TRIES):
            with self._failing(), contextlib.suppress(self._dns.exception.Timeout):
                ask = self._dns.query.udp_with_fallback
                return ask(query, self.address, timeout=_UDP_PATIENCE, port=self.port)[0]
        with self._failing():
            return self._dns.query.tcp(query, self.address, timeout=_PATIENCE, port=self.port)

    def _rrset(self, answer: t.Any, name: str, kind: str) -> Rrset | None:
        wanted = self._dns.name.from_text(name)
        for rrset in answer.answer:
            if rrset.name == wanted and self._dns.rdatatype.to_text(rrset.rdtype) == kind:
                return {"ttl": int(rrset.ttl), "values": sorted(normal_name(rdata.to_text()) for rdata in rrset)}
        return None

    @contextlib.contextmanager
    def _failing(self) -> t.Iterator[None]:
        """What goes wrong on the way, in words."""
        try:
            yield
        except self._dns.exception.Timeout:
            raise NameServerError(f"{self.shown} did not answer") from None
        except self._dns.exception.DNSException as error:
            known = _TSIG.get(type(error).__name__, f"its answer can't be used ({type(error).__name__})")
            raise NameServerError(f"{self.shown}: {known.format(key=self._key_name)}") from None
        except (OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or "it closed the connection"
            raise NameServerError(f"{self.shown} can't be reached: {reason}") from None


def resolve(host: str) -> list[str]:
    """Addresses of a host, by the controller's own resolver.

    Raises:
        NameServerError: There are none.
    """
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise NameServerError(f"the name server {host} has no address: {error.strerror or error}") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def has_route(address: str, port: int) -> bool:
    """Whether this machine has a way to an address at all: often there is none for IPv6."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, port))
    except OSError:
        return False
    return True
