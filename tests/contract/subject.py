# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the contract is tested on: a bench with an app of ours on two sites, whoever made it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import typing as t

import redis

from tests.support.asking import Answer, ask
from tests.support.bench import Bench, init_bench, make_bench
from tests.support.daemons import wait_until
from tests.support.flavour import Flavour, chosen
from tests.support.services import Services, program
from tests.support.standin.repositories import Release, make_repository

APPS = pathlib.Path(__file__).parent / "apps"
FIRST = "v1.0.0"
RELEASES: dict[str, tuple[Release, ...]] = {
    "contract_app": (
        Release(FIRST, "1.0.0", ("base",), branches=("main",)),
        Release("v2.0.0", "2.0.0", ("base", "v2"), FIRST),
        Release("v2.0.0-bad", "2.0.1", ("base", "bad"), FIRST),
        Release("v2.0.0-slow", "2.0.2", ("base", "slow"), FIRST),
    ),
    "contract_child": (
        Release(FIRST, "1.0.0", ("base",), branches=("main",)),
        Release("v1.0.0-bare", "1.0.1", ("base", "bare"), FIRST),
    ),
}
SITE, OTHER = "one.test", "two.test"
"""SITE has contract_app; OTHER was just made and has only frappe."""


def make_subject(scratch: pathlib.Path, services: Services) -> Subject:
    """A bench called ``first`` with the two sites, started."""
    flavour = chosen(scratch)
    for app, releases in RELEASES.items():
        make_repository(scratch / "git" / app, releases, APPS / app)
    flavour.give(scratch / "git")
    flavour = flavour._replace(sources={**flavour.sources, **{app: scratch / "git" / app for app in RELEASES}})
    (scratch / "b").mkdir()
    flavour.give(scratch / "b")
    apps = {"frappe": "v15.9.0", "contract_app": FIRST, "contract_child": FIRST}
    sites: dict[str, tuple[str, ...]] = {SITE: ("contract_app",), OTHER: ()}
    return Subject(make_bench(scratch / "b", services, apps, sites, name="first", flavour=flavour))


class Subject:
    """The bench under test and what tests ask of it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._dumps: dict[str, bytes] = {}

    @property
    def services(self) -> Services:
        return self.bench.services

    @property
    def flavour(self) -> Flavour:
        return self.bench.flavour

    def ask(self, path: str, site: str = SITE, **options: t.Any) -> Answer:
        """A request to the bench's own web processes."""
        return ask(self.bench.web_port, site, path, **options)

    def remember(self, *sites: str) -> None:
        """Keep the sites' databases and configurations as they are now."""
        for site in sites:
            config = self.bench.site_file(site, "site_config.json")
            self._dumps[site] = self._client("mariadb-dump", "mysqldump", self.database(site))
            self._dumps[f"{site} config"] = config.read_bytes()

    def reset(self, site: str = SITE) -> None:
        """Put a site back to what was remembered, and its app to its first release."""
        database = self.database(site)
        self.services.mariadb.sql(f"DROP DATABASE IF EXISTS `{database}`; CREATE DATABASE `{database}`")
        self._client("mariadb", "mysql", database, stdin=self._dumps[site])
        self.reset_config(site)
        self.bench.checkout("contract_app", FIRST)
        self.bench.site(site, "clear-cache")

    def reset_config(self, site: str = SITE) -> None:
        """Put only its configuration back."""
        self.bench.site_file(site, "site_config.json").write_bytes(self._dumps[f"{site} config"])

    def database(self, site: str) -> str:
        name = json.loads(self._dumps[f"{site} config"]) if f"{site} config" in self._dumps else None
        return str((name or self.bench.site_config(site))["db_name"])

    def _client(self, name: str, old_name: str, *arguments: str, stdin: bytes = b"") -> bytes:
        server = self.services.mariadb
        command = [program(name, old_name), f"--defaults-file={server.config}", "--user=root", *arguments]
        environment = {**os.environ, "MYSQL_PWD": server.root_password}
        return subprocess.run(command, input=stdin, env=environment, check=True, capture_output=True).stdout

    def queue(self) -> redis.Redis:
        """The Redis of the queues."""
        return redis.Redis.from_url(self.bench.config["redis_queue"], decode_responses=True)

    def set_config(self, site: str = SITE, **values: t.Any) -> None:
        """Write values into site_config.json in one step; None removes one."""
        path = self.bench.site_file(site, "site_config.json")
        config = {**json.loads(path.read_text()), **values}
        text = json.dumps({name: value for name, value in config.items() if value is not None}, indent=1)
        new = path.with_name(".new.json")
        new.write_text(text)
        self.flavour.give(new)
        new.rename(path)

    @contextlib.contextmanager
    def without(self, *programs: str) -> t.Iterator[None]:
        """While the block runs some of the bench's programs don't: ``redis:redis-cache``, ``workers:*``."""
        names = list(map(_program, programs))
        self.services.supervisor.ctl("stop", *names)  # in this order: a worker without its Redis takes minutes to end
        try:
            yield
        finally:
            self.services.supervisor.ctl("start", *reversed(names))

    def restart(self, *programs: str) -> None:
        """Restart some of the bench's programs, and wait until its sites answer."""
        self.services.supervisor.ctl("restart", *map(_program, programs))
        self.bench.await_web()

    def await_job(self, number: int, site: str = SITE) -> None:
        """Wait until a job of ours has written its row."""
        statement = f"SELECT name FROM `tabContract Write` WHERE number = {number}"
        wait_until(lambda: self.bench.sql(site, statement), 30, f"the job that writes {number} ends")

    def await_running(self, number: int, seconds: float) -> str:
        """Queue a job, wait until a worker has it, and return its id."""
        job = self.ask(f"/api/method/contract_app.api.start_job?seconds={seconds}&number={number}").message
        wait_until(lambda: job in self.running(), 30, f"job {job} runs")
        return str(job)

    def running(self) -> list[str]:
        """Ids of jobs that workers have."""
        connection = self.queue()
        found = [connection.hget(worker, "current_job") for worker in connection.smembers("rq:workers")]
        return [str(one) for one in found if one]

    def second_bench(self) -> Bench:
        """Another bench in the same folder, with the same app and no sites."""
        bench = Bench(self.bench.path.with_name("second"), self.services, self.flavour)
        init_bench(bench, "v15.9.0")
        bench.run("get-app", "--skip-assets", "--branch", FIRST, str(bench.repositories["contract_app"]))
        bench.run("build", "--force")
        return bench


def _program(short: str) -> str:
    """``group:program`` as supervisor knows it: both are named after the bench."""
    group, _ignored, name = short.partition(":")
    return f"first-{group}:{name if name == '*' else f'first-{name}'}"


@contextlib.contextmanager
def gunicorn(bench: Bench, socket: pathlib.Path) -> t.Iterator[subprocess.Popen[bytes]]:
    """Web processes of a bench on a unix socket, as deployments start them."""
    command = [str(bench.path / "env" / "bin" / "gunicorn"), "-b", f"unix:{socket}", "--umask", "007", "-w", "1"]
    command += ["-t", "120", "--graceful-timeout", "30", "frappe.app:application", "--preload"]
    log = (bench.path / "logs" / "socket.log").open("ab")
    process = subprocess.Popen(
        command,
        cwd=bench.path / "sites",
        env=bench.flavour.environment(),
        stdout=log,
        stderr=subprocess.STDOUT,
        **bench.flavour.identity(),
    )
    try:
        wait_until(lambda: ask(str(socket), "nobody", "/").status == 404, 60, "gunicorn answers")
        yield process
    finally:
        process.terminate()
        process.wait(40)
        log.close()
