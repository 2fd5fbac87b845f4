# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench of the stand-in with sites, running under the private services."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import typing as t
import urllib.parse

from support.daemons import free_port, wait_until
from support.services import Services
from support.standin.repositories import make_repositories

APPS: t.Mapping[str, str] = {"frappe": "v15.9.0", "erpnext": "v15.9.0", "custom_app": "v0.9.0"}
SITES = ("site1.local", "site2.local", "site3.local")
ADMIN_PASSWORD = "admin"

_WRAPPER = """#!{python}
import sys

sys.path.insert(0, {support!r})
from standin.bench.cli import main

main(allow_root={allow_root!r})
"""


class Answer(t.NamedTuple):
    """What came back over HTTP."""

    status: int
    body: str

    @property
    def message(self) -> t.Any:
        """What a whitelisted method returned."""
        return json.loads(self.body).get("message")


def ask(
    address: int | str,
    host: str,
    path: str,
    method: str = "GET",
    data: t.Mapping[str, t.Any] | None = None,
    headers: t.Mapping[str, str] | None = None,
    timeout: float = 30,
) -> Answer:
    """One request to a loopback port or a unix socket, with a Host header of its own.

    Raises:
        OSError: Nobody answered.
    """
    connection = http.client.HTTPConnection("127.0.0.1", address if isinstance(address, int) else 80, timeout=timeout)
    if not isinstance(address, int):
        import socket

        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        connection.sock.connect(address)
    body = urllib.parse.urlencode(data) if data is not None else None
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    try:
        connection.request(method, path, body=body, headers={"Host": host, **form, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"))
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


class Bench:
    """A bench and where everything of it is.

    Attributes:
        path: The bench's folder.
        command: The ``bench`` executable.
        sites: Names of its sites.
        repositories: Clone from here, by app.
        user: Whose bench it is.
        http_port: nginx in front of it.
        web_port: Its web processes, behind nginx.
        services: What it runs under.
    """

    def __init__(self, path: pathlib.Path, command: pathlib.Path, services: Services, user: str) -> None:
        self.path = path
        self.command = command
        self.services = services
        self.user = user
        self.sites: tuple[str, ...] = ()
        self.repositories = make_repositories(services.scratch / "git")

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config(self) -> dict[str, t.Any]:
        return dict(json.loads((self.path / "sites" / "common_site_config.json").read_text()))

    @property
    def http_port(self) -> int:
        return self.services.nginx.http_port

    @property
    def web_port(self) -> int:
        return int(self.config["webserver_port"])

    def run(
        self, *arguments: str, check: bool = True, cwd: pathlib.Path | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``bench …`` as the bench's user.

        Raises:
            AssertionError: It failed and ``check`` is set; the message has its output.
        """
        done = subprocess.run(
            [str(self.command), *arguments],
            cwd=cwd or self.path,
            env={**os.environ, "PATH": f"{self.command.parent}:{os.environ['PATH']}", **_home(self.user)},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            **_identity(self.user),
        )
        if check and done.returncode:
            raise AssertionError(f"bench {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def site(self, site: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """``bench --site <site> …``"""
        return self.run("--site", site, *arguments, check=check)

    def execute(self, site: str, method: str, **kwargs: t.Any) -> t.Any:
        """``bench --site <site> execute <method>``: what it returned."""
        done = self.site(site, "execute", method, *(["--kwargs", json.dumps(kwargs)] if kwargs else []))
        lines = done.stdout.strip().splitlines()
        return json.loads(lines[-1]) if lines else None

    def sql(self, site: str, statement: str) -> list[list[str]]:
        """Statements on the site's database, as root."""
        return self.services.mariadb.sql(statement, self.site_config(site)["db_name"])

    def site_config(self, site: str) -> dict[str, t.Any]:
        return dict(json.loads((self.path / "sites" / site / "site_config.json").read_text()))

    def get(self, site: str, path: str, **options: t.Any) -> Answer:
        """A request through nginx."""
        return ask(self.http_port, site, path, **options)

    def new_site(self, site: str, apps: t.Sequence[str], admin_password: str = ADMIN_PASSWORD) -> None:
        """Make a site with apps."""
        installs = [argument for app in apps if app != "frappe" for argument in ("--install-app", app)]
        root = self.services.mariadb.root_password
        scope = "--mariadb-user-host-login-scope=%"
        secrets = ("--db-root-password", root, "--admin-password", admin_password)
        self.run("new-site", site, scope, *secrets, *installs)
        self.sites = (*self.sites, site)

    def start(self) -> None:
        """Start Redis, web, workers, scheduler and realtime under supervisor, and wait until sites answer."""
        self.run("setup", "supervisor", "--yes", "--user", self.user)
        target = self.services.supervisor.conf_d / f"{self.name}.conf"
        shutil.copy(self.path / "config" / "supervisor.conf", target)
        self.services.supervisor.ctl("update")
        self.await_web()

    def await_web(self, timeout: float = 60) -> None:
        """Wait until every site answers on the bench's own port; supervisor says RUNNING earlier."""
        log = self.path / "logs" / "web.error.log"
        for site in self.sites:
            wait_until(
                lambda site=site: ask(self.web_port, site, "/api/method/ping").status in (200, 503),
                timeout,
                f"{site} answers",
                log=log,
            )

    def stop(self) -> None:
        """End the bench's processes."""
        (self.services.supervisor.conf_d / f"{self.name}.conf").unlink(missing_ok=True)
        self.services.supervisor.ctl("update", check=False)

    def publish(self) -> None:
        """Put the bench's nginx configuration in force on the services' port."""
        self.run("setup", "nginx", "--yes", "--logging", "none")
        text = (self.path / "config" / "nginx.conf").read_text()
        text = re.sub(r"^\s*listen \[::\]:\d+;\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"listen \d+;", f"listen 127.0.0.1:{self.http_port};", text)
        (self.services.nginx.conf_d / f"{self.name}.conf").write_text(text)
        self.services.nginx.reload()


def make_command(scratch: pathlib.Path, user: str | None = None) -> pathlib.Path:
    """The stand-in's ``bench`` as an executable in ``<scratch>/bin``.

    Args:
        user: Who will run it; only where that is root may root make benches.
    """
    command = scratch / "bin" / "bench"
    command.parent.mkdir(parents=True, exist_ok=True)
    support = str(pathlib.Path(__file__).parent)
    allow_root = (user or _me()) == "root"
    command.write_text(_WRAPPER.format(python=sys.executable, support=support, allow_root=allow_root))
    command.chmod(0o755)
    return command


def make_bench(
    scratch: pathlib.Path | str,
    services: Services,
    apps: t.Mapping[str, str] | None = None,
    sites: t.Sequence[str] | t.Mapping[str, t.Sequence[str]] = SITES,
    name: str = "frappe-bench",
    user: str | None = None,
    start: bool = True,
) -> Bench:
    """Make a bench with apps and sites, start it and put it behind nginx.

    Args:
        scratch: Folder the bench's folder is made in; a short path.
        services: Running services.
        apps: Tag by app, in the order to get them; ``APPS`` if None.
        sites: Names, or names with the apps each one has installed; all apps for plain names.
        name: The bench's folder.
        user: Whose bench it is, for root only; the caller if None.
        start: Whether to start and publish it.
    """
    scratch = pathlib.Path(scratch).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    wanted = dict(apps or APPS)
    bench = Bench(scratch / name, make_command(services.scratch, user), services, user or _me())
    if user:
        _give(scratch, user)
    frappe = wanted.pop("frappe")
    source = str(bench.repositories["frappe"])
    options = ("--skip-assets", "--no-backups", "--no-procfile", "--frappe-path", source, "--frappe-branch", frappe)
    bench.run("init", *options, str(bench.path), cwd=scratch)
    _configure(bench)
    for app, tag in wanted.items():
        bench.run("get-app", "--skip-assets", "--branch", tag, str(bench.repositories[app]))
    bench.run("build")
    for site in sites:
        installed = sites[site] if isinstance(sites, t.Mapping) else ("frappe", *wanted)
        bench.new_site(site, installed)
    if start:
        bench.start()
        bench.publish()
    return bench


def _configure(bench: Bench) -> None:
    """Ports of this machine's own, where bench would take the same ones for every bench that has no sibling."""
    cache, queue = free_port(), free_port()
    settings = {
        "db_host": "127.0.0.1",
        "db_port": bench.services.mariadb.port,
        "redis_cache": f"redis://127.0.0.1:{cache}",
        "redis_queue": f"redis://127.0.0.1:{queue}",
        "redis_socketio": f"redis://127.0.0.1:{cache}",
        "webserver_port": free_port(),
        "socketio_port": free_port(),
        "gunicorn_workers": 2,
        "dns_multitenant": "true",
    }
    pairs = [text for key, value in settings.items() for text in ("-c", key, str(value))]
    bench.run("set-common-config", *pairs)
    bench.run("setup", "redis")


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _identity(user: str) -> dict[str, t.Any]:
    account = pwd.getpwnam(user)
    if account.pw_uid == os.geteuid():
        return {}
    groups = os.getgrouplist(user, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}


def _home(user: str) -> dict[str, str]:
    account = pwd.getpwnam(user)
    return {"HOME": account.pw_dir, "USER": user, "LOGNAME": user}


def _give(folder: pathlib.Path, user: str) -> None:
    account = pwd.getpwnam(user)
    os.chown(folder, account.pw_uid, account.pw_gid)
