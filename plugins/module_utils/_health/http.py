# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request over TCP, TLS or a unix socket, within a time and a size.

The time bounds the request as a whole. The standard library's timeouts bound each single read, so a server that
sends a byte now and then would hold a probe for ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
import typing as t
from urllib.parse import urljoin, urlsplit

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_MOVED = (301, 302, 303, 307, 308)
_PRIVATE = ("authorization", "cookie")
_AGENT = "lockstep-health"


class NoAnswer(LockstepError):
    """Nobody answered: no connection, no TLS, no HTTP, or not in time."""


class Response(t.NamedTuple):
    """What was answered. ``headers`` have lower case names; ``truncated`` when the body was longer than allowed."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    truncated: bool = False

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class _Deadline:
    """A moment; what is left until it, in seconds."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._seconds = seconds

    def left(self) -> float:
        left = self._at - time.monotonic()
        if left <= 0:
            raise NoAnswer(f"no answer within {self._seconds:g} s")
        return left


class _Reader(io.RawIOBase):
    """The receiving side of a socket that keeps to a deadline."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)


class _Stream:
    """As much of a socket as ``http.client`` asks for."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str, *_args: t.Any, **_options: t.Any) -> io.BufferedReader:
        """The stream an answer is read from."""
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def sendall(self, data: bytes) -> None:
        """Send everything before the deadline."""
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._deadline.left())
            view = view[self._sock.send(view) :]

    def close(self) -> None:
        """Nothing: ``http.client`` calls this before the body is read. Whoever connected closes."""


def resolve(host: str, port: int, seconds: float) -> list[t.Any]:
    """``getaddrinfo`` that gives up in time, which the resolver itself doesn't promise.

    Raises:
        NoAnswer: The name is not known, or not in time.
    """
    found: list[t.Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found or isinstance(found[0], Exception):
        raise NoAnswer(f"the name {host} can't be resolved" + (f": {found[0]}" if found else " in time"))
    return t.cast("list[t.Any]", found[0])


def _dial(family: int, address: t.Any, seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(where: str, deadline: _Deadline) -> socket.socket:
    try:
        if where.startswith("unix:"):
            return _dial(socket.AF_UNIX, where[5:], deadline.left())
        host, _colon, port = where.rpartition(":")
        candidates = resolve(host.strip("[]"), int(port), deadline.left())
        for number, (family, _type, _protocol, _name, address) in enumerate(candidates, 1):
            try:
                return _dial(family, address, deadline.left())
            except OSError:
                if number == len(candidates):
                    raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoAnswer(f"no connection to {where}: {reason}") from error
    raise NoAnswer(f"no address for {where}")


def open_connection(where: str, timeout: float) -> float:
    """Open and close a connection.

    Args:
        where: ``host:port``, ``[address]:port`` or ``unix:/path``.
        timeout: Seconds it may take.

    Returns:
        Seconds it took.

    Raises:
        NoAnswer: Nobody accepts connections there.
    """
    begin = time.monotonic()
    _connect(where, _Deadline(timeout)).close()
    return time.monotonic() - begin


def _encrypt(sock: socket.socket, name: str, verify: bool, ca_file: str | None, deadline: _Deadline) -> socket.socket:
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    sock.settimeout(deadline.left())
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except (OSError, ValueError) as error:
        sock.close()
        raise NoAnswer(f"no TLS connection for {name}: {getattr(error, 'verify_message', '') or error}") from error


def request(
    url: str,
    *,
    connect: str | None = None,
    method: str = "GET",
    headers: t.Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10.0,
    verify: bool = True,
    ca_file: str | None = None,
    max_bytes: int = 1 << 20,
    redirects: int = 0,
    preface: bytes = b"",
) -> Response:
    """Ask once.

    Args:
        url: ``http://`` or ``https://``; its host is the Host header and the name asked for in TLS (SNI).
        connect: Where to connect instead of the URL's host: ``host:port`` or ``unix:/path``.
        method: The method.
        headers: Further headers; ``Host`` replaces the URL's.
        body: What to send.
        timeout: Seconds for everything, redirects included.
        verify: Whether the certificate must be valid for the host.
        ca_file: Certificates to trust instead of the system's.
        max_bytes: How much of the body is read.
        redirects: How many redirects to follow.
        preface: Bytes to send before anything else, also before TLS.

    Raises:
        NoAnswer: Nobody answered in time.
        LockstepError: The URL or a header is not one.
    """
    deadline = _Deadline(timeout)
    begin = time.monotonic()
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    while True:
        scheme, host, where, target = _parts(url, connect)
        sock = _connect(where, deadline)
        try:
            sock.settimeout(deadline.left())
            sock.sendall(preface)
            if scheme == "https":
                sock = _encrypt(sock, host.rpartition(":")[0] or host, verify, ca_file, deadline)
            answer = _exchange(_Stream(sock, deadline), host, method, target, sent, body, max_bytes)
        except (OSError, http.client.HTTPException) as error:
            reason = "not in time" if isinstance(error, socket.timeout) else str(error) or type(error).__name__
            raise NoAnswer(f"no answer from {where} for {host}: {reason}") from error
        finally:
            sock.close()
        location = answer.headers.get("location")
        if not redirects or answer.status not in _MOVED or not location:
            return answer._replace(seconds=time.monotonic() - begin)
        redirects -= 1
        url, sent = _follow(url, location, sent)
        if answer.status in (301, 302, 303):
            method, body = "GET", None


def check_url(url: str) -> str:
    """Return a URL that can be asked.

    Raises:
        LockstepError: It is not one.
    """
    _parts(url, None)
    return url


def _parts(url: str, connect: str | None) -> tuple[str, str, str, str]:
    """Scheme, host as in the Host header, where to connect, path with query."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError as error:
        raise LockstepError(f"{url!r} is not a URL: {error}") from error
    if found.scheme not in ("http", "https") or not found.hostname or any(char <= " " for char in url):
        raise LockstepError(f"{url!r} is not an http:// or https:// URL")
    if found.username is not None:
        raise LockstepError("a URL with a user name in it would be logged; give an Authorization header")
    name = f"[{found.hostname}]" if ":" in found.hostname else found.hostname
    where = connect or f"{name}:{port or (443 if found.scheme == 'https' else 80)}"
    target = (found.path or "/") + (f"?{found.query}" if found.query else "")
    return found.scheme, f"{name}:{port}" if port else name, where, target


def _follow(url: str, location: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    following = urljoin(url, location)
    if urlsplit(following)[:2] == urlsplit(url)[:2]:
        return following, headers
    return following, {name: value for name, value in headers.items() if name not in (*_PRIVATE, "host")}


def _exchange(
    stream: _Stream,
    host: str,
    method: str,
    target: str,
    headers: t.Mapping[str, str],
    body: bytes | None,
    max_bytes: int,
) -> Response:
    connection = http.client.HTTPConnection(host)
    connection.sock = t.cast(socket.socket, stream)
    known = {"host": host, "user-agent": _AGENT, "accept": "*/*", "connection": "close", **headers}
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in known.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
    except (ValueError, UnicodeError) as error:
        raise LockstepError(f"a request to {host} can't be sent: {error}") from error
    answer = connection.getresponse()
    content = b"" if method == "HEAD" else answer.read(max_bytes + 1)
    if answer.length and len(content) <= max_bytes and method != "HEAD":
        raise http.client.IncompleteRead(content, answer.length)
    found: dict[str, str] = {}
    for name, value in answer.getheaders():
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return Response(answer.status, found, content[:max_bytes], 0.0, len(content) > max_bytes)
