# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real nginx in a scratch folder, releases behind it, and visitors in front of it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config, live
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import SiteTraffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Bridge, Front, Listen, Site, Traffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.runtime import Runtime, prepare_nginx_folder
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.server import Applied, Nginx

ME = pwd.getpwuid(os.geteuid()).pw_name
BINARY = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
_PATIENCE = 20.0


def wait_until(condition: t.Callable[[], object], what: str, timeout: float = _PATIENCE) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: It doesn't come true in time.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Release:
    """A release whose web processes are gunicorn on a unix socket, and whose assets are files."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.name = name
        self.assets = scene.folder / "releases" / name / "assets"
        (self.assets / "dist").mkdir(parents=True)
        (self.assets / "dist" / f"{name}.js").write_text(f"// {name}\n")
        (self.assets / "dist" / "both.js").write_text(f"// both, of {name}\n")
        self.runtime = Runtime(name, ME, str(self.assets), root=str(scene.run))
        self.runtime.prepare(str(scene.folder / "no-tmpfiles"))
        self._process: subprocess.Popen[bytes] | None = None
        self._log = scene.folder / f"{name}.log"

    @property
    def folder(self) -> str:
        return self.runtime.folder

    def start(self, threads: int = 8) -> Release:
        """Serve, and return when requests are answered."""
        argv = [sys.executable, "-m", "gunicorn", "--threads", str(threads), "--graceful-timeout", "20"]
        argv += ["--bind", f"unix:{self.runtime.socket(live.WEB)}", "--chdir", str(pathlib.Path(__file__).parent)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, "application:application"],
                env={**os.environ, "RELEASE": self.name},
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: live.listening(self.runtime.socket("web.sock")), f"{self.name} listens")
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)
            self._process = None


class Scene:
    """One server: nginx, the folders lockstep keeps on it, its releases."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.conf_dir = folder / "conf.d"
        self.error_log = folder / "error.log"
        self.access_log = folder / "lockstep-access.log"
        self.port = free_port()
        self.tls_port = free_port()
        for name in ("conf.d", "tmp", "data"):
            (folder / name).mkdir()
        prepare_nginx_folder(str(self.run), str(folder / "no-tmpfiles"))
        self.conf = folder / "nginx.conf"
        user = f"user {ME};" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"{kind}_temp_path {folder}/tmp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.conf.write_text(
            f"{user} worker_processes 2; pid {folder}/nginx.pid; error_log {self.error_log};\n"
            "events { worker_connections 1024; }\n"
            # A cache of open files would hide switches, so it is on here, and must be off where it matters.
            "http { open_file_cache max=1000 inactive=1h; open_file_cache_valid 1h; open_file_cache_errors on;\n"
            f"    default_type text/plain; access_log {folder}/access.log; {temporary}\n"
            f"    include {self.conf_dir}/*.conf;\n}}\n"
        )
        assert BINARY is not None
        self.argv = [BINARY, "-c", str(self.conf), "-e", str(self.error_log)]
        self._process: subprocess.Popen[bytes] | None = None
        self._releases: list[Release] = []
        self._also: list[subprocess.Popen[bytes]] = []
        self.nginx = Nginx(
            binary=BINARY,
            conf=str(self.conf),
            conf_dir=str(self.conf_dir),
            state=str(folder / "state"),
            generation_socket=str(self.run / "nginx" / "generation.sock"),
        )

    def start(self) -> Scene:
        self._process = subprocess.Popen([*self.argv, "-g", "daemon off;"])
        wait_until(lambda: self.nginx.master().workers(), "nginx has workers")
        return self

    def kill(self) -> None:
        """End nginx as the kernel does when memory runs out: no process of it cleans up."""
        assert self._process is not None
        workers = self.nginx.master().workers()
        self._process.kill()
        self._process.wait()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)

    def stop(self) -> None:
        for release in self._releases:
            release.stop()
        for process in self._also:
            process.terminate()
            process.wait(_PATIENCE)
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)

    def also(self, process: subprocess.Popen[bytes]) -> None:
        """End a program of the test's own with the scene."""
        self._also.append(process)

    def release(self, name: str) -> Release:
        self._releases.append(Release(self, name))
        return self._releases[-1]

    def traffic(self, site: str) -> SiteTraffic:
        found = SiteTraffic(site, str(self.folder / "traffic"))
        found.prepare()
        return found

    def site(self, name: str, *fronts: Front, **options: t.Any) -> Site:
        data = self.folder / "data" / name
        for kind in ("public/files", "private/files"):
            (data / kind).mkdir(parents=True, exist_ok=True)
        listens = (Listen(f"127.0.0.1:{self.port}"),)
        return Site(name, self.traffic(name).folder, str(data), fronts or (Front((name,), listens),), **options)

    def rendered(self, *sites: Site, bridges: t.Iterable[Bridge] = ()) -> config.Rendered:
        socket_path = str(self.run / "nginx" / "generation.sock")
        return config.render(Traffic(sites, tuple(bridges), socket_path, str(self.access_log)))

    def apply(self, *sites: Site, bridges: t.Iterable[Bridge] = (), **options: t.Any) -> Applied:
        rendered = self.rendered(*sites, bridges=bridges)
        return self.nginx.apply({config.FILE: rendered.text}, rendered.generation, **options)

    def get(self, path: str, host: str = "site1.local", port: int | None = None, **options: t.Any) -> http.Response:
        scheme = options.pop("scheme", "http")
        where = f"127.0.0.1:{port or self.port}"
        return http.request(f"{scheme}://{host}{path}", connect=where, verify=False, **options)

    def status(self, path: str, **options: t.Any) -> int | None:
        """The status of an answer; None where there is none."""
        try:
            return self.get(path, **options).status
        except http.NoAnswer:
            return None


class Visitors:
    """Clients that ask again and again; what each was answered, in order."""

    def __init__(self, ask: t.Callable[[], http.Response], clients: int = 4) -> None:
        self.answers: list[list[tuple[float, http.Response | Exception]]] = [[] for _ignored in range(clients)]
        self._ask = ask
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(own,)) for own in self.answers]

    def _visit(self, own: list[tuple[float, http.Response | Exception]]) -> None:
        while not self._over.is_set():
            begin = time.monotonic()
            try:
                own.append((begin, self._ask()))
            except Exception as error:  # what visitors see is judged by the test
                own.append((begin, error))

    @property
    def count(self) -> int:
        return sum(len(own) for own in self.answers)

    def wait_for(self, count: int) -> None:
        """Wait until so many were answered, all together."""
        wait_until(lambda: self.count >= count, f"{count} visitors were answered")

    def failures(self) -> list[object]:
        return [a for own in self.answers for _at, a in own if isinstance(a, Exception) or a.status != 200]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_PATIENCE)


@contextlib.contextmanager
def tcp_server(handle: t.Callable[[socket.socket], None]) -> t.Iterator[int]:
    """A program on a loopback port that handles each connection in a thread; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = server.accept()
            except OSError:
                return
            threading.Thread(target=_handled, args=(handle, connection), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        # Closing alone doesn't wake up who waits in accept.
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(_PATIENCE)


def _handled(handle: t.Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        handle(connection)
