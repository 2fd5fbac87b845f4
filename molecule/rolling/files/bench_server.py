# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run by root on a bench server: a bench of the stand-in with sites, under the system's own services.

``bench_server.py site …`` does nothing where the bench exists.
"""

from __future__ import annotations

import pathlib
import secrets
import subprocess
import sys
import typing as t

HOME = pathlib.Path("/opt/lockstep")
sys.path.insert(0, str(HOME))

from tests.support.bench import Bench, make_bench  # noqa: E402  (found by the line above)
from tests.support.flavour import standin  # noqa: E402

USER = "frappe"
FOLDER = pathlib.Path("/home/frappe")


class SystemMariaDB:
    """The system's server; root gets a password beside the socket, since ``bench new-site`` wants one."""

    port = 3306

    def __init__(self) -> None:
        self.root_password = secrets.token_hex(12)
        self.sql(
            "ALTER USER root@localhost IDENTIFIED VIA unix_socket "
            f"OR mysql_native_password USING PASSWORD('{self.root_password}')"
        )

    def sql(self, statement: str, database: str = "") -> list[list[str]]:
        """Run statements as root over the socket."""
        done = subprocess.run(
            ["mariadb", "-N", "-B", database], input=statement, capture_output=True, text=True, check=True
        )
        return [line.split("\t") for line in done.stdout.splitlines()]


class SystemNginx:
    """The system's nginx."""

    http_port = 80
    conf_d = pathlib.Path("/etc/nginx/conf.d")


class SystemSupervisor:
    """The system's supervisord."""

    conf_d = pathlib.Path("/etc/supervisor/conf.d")

    def ctl(self, *arguments: str, check: bool = True) -> str:
        """Run a supervisorctl command and return what it says."""
        return subprocess.run(["supervisorctl", *arguments], capture_output=True, text=True, check=check).stdout


class SystemServices:
    """What the tests' private services are elsewhere."""

    scratch = HOME

    def __init__(self) -> None:
        self.mariadb = SystemMariaDB()
        self.nginx = SystemNginx()
        self.supervisor = SystemSupervisor()


def publish(bench: Bench) -> None:
    """As ``bench setup production`` does: nginx includes the bench's own file."""
    bench.run("setup", "nginx", "--yes", "--logging", "none")
    (SystemNginx.conf_d / f"{bench.name}.conf").symlink_to(bench.path / "config" / "nginx.conf")
    pathlib.Path("/etc/nginx/sites-enabled/default").unlink(missing_ok=True)
    subprocess.run(["systemctl", "reload", "nginx"], check=True)


def main(sites: t.Sequence[str]) -> None:
    if (FOLDER / "frappe-bench").exists():
        print("is there")
        return
    FOLDER.chmod(0o755)
    bench = make_bench(FOLDER, t.cast(t.Any, SystemServices()), sites=sites, flavour=standin(HOME, USER), start=False)
    pathlib.Path("/usr/local/bin/bench").symlink_to(bench.command)
    bench.start()
    publish(bench)
    print("made")


if __name__ == "__main__":
    main(sys.argv[1:])
