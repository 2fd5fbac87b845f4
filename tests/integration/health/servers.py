# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small servers that answer as a test says: over TCP, TLS, a unix socket."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import pathlib
import socket
import socketserver
import ssl
import subprocess
import threading
import typing as t

_PATIENCE = 20.0


@dataclasses.dataclass
class Answer:
    """What to answer a path with."""

    body: str = ""
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


class Site:
    """Paths and what they are answered with; every request is kept.

    Attributes:
        answers: Path, or method and path (``POST /x``) → answer. Everything else is 404.
        seen: Method, path, headers and body of each request.
    """

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.seen: list[tuple[str, str, dict[str, str], str]] = []

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                site.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                missing = Answer("not found", 404)
                answer = site.answers.get(f"{self.command} {self.path}") or site.answers.get(self.path, missing)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                content = answer.body.encode()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else content)

            do_GET = do_POST = do_HEAD = do_PUT = _answer

            def log_message(self, *_: object) -> None:
                return

            def address_string(self) -> str:
                return "visitor"

        return Handler

    @contextlib.contextmanager
    def on_port(self, context: ssl.SSLContext | None = None) -> t.Iterator[int]:
        """Serve on a loopback port, with TLS if a context is given."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        with _serving(server):
            yield int(server.server_address[1])

    @contextlib.contextmanager
    def on_socket(self, path: pathlib.Path) -> t.Iterator[str]:
        """Serve on a unix socket; what to connect to."""

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        with _serving(Server(str(path), self._handler())):
            yield f"unix:{path}"


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> t.Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_PATIENCE)


def certificate(folder: pathlib.Path, name: str, days: int = 1) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context under a certificate for a name, and the file to trust."""
    key, chain = folder / f"{name}.key", folder / f"{name}.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", str(days), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(chain)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, str(chain)


@contextlib.contextmanager
def raw(talk: t.Callable[[socket.socket, threading.Event], None]) -> t.Iterator[int]:
    """A server that handles one connection after the other as a test says; the event is set when the test is over."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _address = server.accept()
                with connection:
                    talk(connection, over)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        over.set()
        # Closing alone doesn't wake up who waits in accept.
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(_PATIENCE)
