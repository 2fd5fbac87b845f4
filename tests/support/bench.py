# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench with sites, running under the private services."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import typing as t

from tests.support.asking import Answer, ask
from tests.support.daemons import free_port, wait_until
from tests.support.flavour import Flavour, standin
from tests.support.services import Services

APPS: t.Mapping[str, str] = {"frappe": "v15.9.0", "erpnext": "v15.9.0", "custom_app": "v0.9.0"}
SITES = ("site1.local", "site2.local", "site3.local")
ADMIN_PASSWORD = "admin"


class Bench:
    """A bench and where everything of it is.

    Args:
        path: The bench's folder.
        services: What it runs under.
        flavour: What made it.
        sites: Names of its sites.
    """

    def __init__(
        self, path: pathlib.Path, services: Services, flavour: Flavour | None = None, sites: t.Sequence[str] = ()
    ) -> None:
        self.path = path
        self.services = services
        self.flavour = flavour or standin(services.scratch)
        self.sites = tuple(sites)
        self.made_with: dict[str, t.Any] = {}
        """The configuration ``bench init`` wrote, before ports of this machine's own replaced it."""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def command(self) -> pathlib.Path:
        """The ``bench`` executable."""
        return self.flavour.command

    @property
    def user(self) -> str:
        """Whose bench it is."""
        return self.flavour.user

    @property
    def repositories(self) -> t.Mapping[str, pathlib.Path]:
        """Where to clone from, by app."""
        return self.flavour.sources

    @property
    def python(self) -> pathlib.Path:
        """The interpreter of its environment."""
        return self.path / "env" / "bin" / "python"

    @property
    def config(self) -> dict[str, t.Any]:
        """``common_site_config.json``"""
        return dict(json.loads((self.path / "sites" / "common_site_config.json").read_text()))

    @property
    def http_port(self) -> int:
        """nginx in front of it."""
        return self.services.nginx.http_port

    @property
    def web_port(self) -> int:
        """Its web processes, behind nginx."""
        return int(self.config["webserver_port"])

    def run(
        self, *arguments: str, check: bool = True, cwd: pathlib.Path | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``bench …`` as the bench's user.

        Raises:
            AssertionError: It failed and ``check`` is set; the message has its output.
        """
        done = self.flavour.run([str(self.command), *arguments], cwd or self.path, stdin)
        if check and done.returncode:
            raise AssertionError(f"bench {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def site(
        self, site: str, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``bench --site <site> …``"""
        return self.run("--site", site, *arguments, check=check, stdin=stdin)

    def execute(self, site: str, method: str, **kwargs: t.Any) -> t.Any:
        """``bench --site <site> execute <method>``: what it returned."""
        done = self.site(site, "execute", method, *(["--kwargs", repr(kwargs)] if kwargs else []))
        lines = done.stdout.strip().splitlines()
        return json.loads(lines[-1]) if lines else None

    def git(self, app: str, *arguments: str) -> str:
        """git in an app's repository, as the bench's user."""
        done = self.flavour.run(["git", *arguments], self.path / "apps" / app)
        if done.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def checkout(self, app: str, tag: str) -> None:
        """Put an app at another release, in place, and nothing else."""
        self.git(app, "fetch", "--quiet", "--depth", "1", "upstream", f"refs/tags/{tag}:refs/tags/{tag}")
        self.git(app, "checkout", "--quiet", "--force", tag)

    def sql(self, site: str, statement: str) -> list[list[str]]:
        """Statements on the site's database, as root; returns the rows as text."""
        return self.services.mariadb.sql(statement, self.site_config(site)["db_name"])

    def site_file(self, site: str, *parts: str) -> pathlib.Path:
        return self.path.joinpath("sites", site, *parts)

    def site_config(self, site: str) -> dict[str, t.Any]:
        return dict(json.loads(self.site_file(site, "site_config.json").read_text()))

    def get(self, site: str, path: str, **options: t.Any) -> Answer:
        """A request through nginx; see :func:`tests.support.asking.ask`."""
        return ask(self.http_port, site, path, **options)

    def new_site(self, site: str, apps: t.Sequence[str] = (), admin_password: str = ADMIN_PASSWORD) -> None:
        """Make a site with apps; its database account may come from anywhere."""
        installs = [argument for app in apps if app != "frappe" for argument in ("--install-app", app)]
        secrets = ("--db-root-password", self.services.mariadb.root_password, "--admin-password", admin_password)
        self.run("new-site", site, "--no-mariadb-socket", *secrets, *installs)
        self.sites = (*self.sites, site)

    def start(self) -> None:
        """Start Redis, web, workers, scheduler and realtime under supervisor, and wait until sites answer."""
        self.run("setup", "supervisor", "--yes", "--user", self.user, "--skip-supervisord")
        text = (self.path / "config" / "supervisor.conf").read_text()
        path = f'environment=PATH="{self.flavour.environment()["PATH"]}"\n'
        (self.services.supervisor.conf_d / f"{self.name}.conf").write_text(text.replace("command=", f"{path}command="))
        self.services.supervisor.ctl("update")
        self.await_web()

    def await_web(self, timeout: float = 60) -> None:
        """Wait until every site answers on the bench's own port; supervisor says RUNNING earlier."""
        log = self.path / "logs" / "web.error.log"

        def all_answer() -> bool:
            return all(ask(self.web_port, site, "/api/method/ping").status in (200, 503) for site in self.sites)

        wait_until(all_answer, timeout, f"{', '.join(self.sites)} answer", log=log)

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


def make_bench(
    scratch: pathlib.Path | str,
    services: Services,
    apps: t.Mapping[str, str] | None = None,
    sites: t.Sequence[str] | t.Mapping[str, t.Sequence[str]] = SITES,
    name: str = "frappe-bench",
    flavour: Flavour | None = None,
    start: bool = True,
) -> Bench:
    """Make a bench with apps and sites, start it and put it behind nginx.

    Args:
        scratch: Folder the bench's folder is made in; a short path.
        services: Running services.
        apps: Tag by app, in the order to get them; ``APPS`` if None.
        sites: Names, or names with the apps each one has installed; all apps for plain names.
        name: The bench's folder.
        flavour: What makes it; the stand-in as the caller if None.
        start: Whether to start and publish it.
    """
    scratch = pathlib.Path(scratch).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    wanted = dict(apps or APPS)
    bench = Bench(scratch / name, services, flavour)
    if not any(scratch.iterdir()):
        bench.flavour.give(scratch)
    init_bench(bench, wanted.pop("frappe"))
    for app, tag in wanted.items():
        bench.run("get-app", "--skip-assets", "--branch", tag, str(bench.repositories[app]))
    bench.run("build", "--force")
    for site in sites:
        installed = sites[site] if isinstance(sites, t.Mapping) else ("frappe", *wanted)
        bench.new_site(site, installed)
    if start:
        bench.start()
        bench.publish()
    return bench


def init_bench(bench: Bench, frappe: str) -> None:
    """``bench init`` and its configuration, without sites and other apps.

    Args:
        frappe: The tag, unless the flavour knows which.
    """
    options = ["--skip-assets", "--no-backups", "--no-procfile", "--frappe-path", str(bench.repositories["frappe"])]
    options += ["--frappe-branch", bench.flavour.frappe or frappe]
    if bench.flavour.python:
        options += ["--python", bench.flavour.python]
    bench.run("init", *options, str(bench.path), cwd=bench.path.parent)
    bench.made_with = bench.config
    cache, queue = free_port(), free_port()
    # bench would take the same ports for every bench that has no sibling
    settings: dict[str, t.Any] = {
        "db_host": "127.0.0.1",
        "db_port": bench.services.mariadb.port,
        "redis_cache": f"redis://127.0.0.1:{cache}",
        "redis_queue": f"redis://127.0.0.1:{queue}",
        "redis_socketio": f"redis://127.0.0.1:{cache}",
        "webserver_port": free_port(),
        "socketio_port": free_port(),
        "gunicorn_workers": 2,
        "dns_multitenant": True,
    }
    path = bench.path / "sites" / "common_site_config.json"
    path.write_text(json.dumps({**bench.config, **settings}, indent=1, sort_keys=True))
    bench.run("setup", "redis")
