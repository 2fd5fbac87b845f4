# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private MariaDB, Redis, nginx and supervisord: real ones, on free loopback ports, under one scratch folder."""

from __future__ import annotations

import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import sys
import typing as t

from tests.support.daemons import Daemon, NotReady, free_port, listens, unix_path, wait_until

_ADMIN_PATHS = "/usr/local/sbin:/usr/sbin:/sbin"


def program(*names: str) -> str:
    """The first of these programs that is installed, also where only root's PATH leads.

    Raises:
        NotReady: None is.
    """
    for name in names:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_ADMIN_PATHS}")
        if found:
            return found
    raise NotReady(f"{names[0]} is installed: it is not")


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


class MariaDB(Daemon):
    """A database server with small buffers; ``root`` has a password, and no other account exists.

    Attributes:
        port: Its loopback TCP port.
        socket: Its unix socket.
        root_password: Of ``root@localhost``, over socket and TCP.
    """

    def __init__(self, scratch: pathlib.Path, name: str = "mariadb") -> None:
        super().__init__(name, scratch)
        self.socket = unix_path(self.folder / "db.sock")
        self.config = self.folder / "my.cnf"
        self.data = self.folder / "data"
        self._secret = self.folder / "root-password"
        self.port = _kept_port(self.folder / "port")

    @property
    def root_password(self) -> str:
        return self._secret.read_text()

    def prepare(self) -> None:
        if not self._secret.exists():
            self._secret.touch(0o600)
            self._secret.write_text(secrets.token_hex(12))
        self.config.write_text(self._settings())
        (self.folder / "tmp").mkdir(exist_ok=True)
        if not (self.data / "mysql").is_dir():
            self._install()

    def _settings(self) -> str:
        # One that starts removes every table in the folder for temporary ones, whoever's it is.
        return f"""[mysqld]
datadir = {self.data}
tmpdir = {self.folder}/tmp
socket = {self.socket}
port = {self.port}
bind-address = 127.0.0.1
pid-file = {self.folder}/server.pid
user = {_me()}
character-set-server = utf8mb4
collation-server = utf8mb4_unicode_ci
innodb-buffer-pool-size = 64M
innodb-log-file-size = 16M
innodb-flush-log-at-trx-commit = 0
innodb-doublewrite = OFF
innodb-use-native-aio = OFF
innodb-fast-shutdown = 1
aria-log-file-size = 8M
aria-pagecache-buffer-size = 8M
key-buffer-size = 1M
performance-schema = OFF
max-connections = 300
skip-log-bin
[client]
socket = {self.socket}
default-character-set = utf8mb4
"""

    def _install(self) -> None:
        installer = program("mariadb-install-db", "mysql_install_db")
        subprocess.run(
            [
                installer,
                f"--defaults-file={self.config}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            check=True,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
        )
        (self.folder / "init.sql").write_text(
            f"ALTER USER root@localhost IDENTIFIED BY '{self.root_password}';\n"
            "DELETE FROM mysql.global_priv WHERE User <> 'root' AND User <> 'mariadb.sys';\n"
            "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';\n"
            "FLUSH PRIVILEGES;\n"
        )

    def command(self) -> list[str]:
        found = [program("mariadbd", "mysqld"), f"--defaults-file={self.config}"]
        script = self.folder / "init.sql"
        return [*found, f"--init-file={script}"] if script.exists() else found

    def ready(self) -> bool:
        ping = [program("mariadb-admin", "mysqladmin"), f"--defaults-file={self.config}", "--user=root"]
        done = subprocess.run(
            [*ping, "ping"], env={**os.environ, "MYSQL_PWD": self.root_password}, capture_output=True, check=False
        )
        if done.returncode == 0:
            (self.folder / "init.sql").unlink(missing_ok=True)
        return done.returncode == 0

    def sql(self, statement: str, database: str = "") -> list[list[str]]:
        """Run statements as root and return the rows of their results as text.

        Raises:
            subprocess.CalledProcessError: A statement failed.
        """
        done = subprocess.run(
            [program("mariadb", "mysql"), f"--defaults-file={self.config}", "--user=root", "-N", "-B", database],
            env={**os.environ, "MYSQL_PWD": self.root_password},
            input=statement,
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.split("\t") for line in done.stdout.splitlines()]


class Redis(Daemon):
    """A Redis that writes nothing to disk.

    Attributes:
        port: Its loopback TCP port.
        url: The same as a URL.
    """

    def __init__(self, scratch: pathlib.Path, name: str = "redis") -> None:
        super().__init__(name, scratch)
        self.port = _kept_port(self.folder / "port")
        self.url = f"redis://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        settings = self.folder / "redis.conf"
        settings.write_text(f'bind 127.0.0.1\nport {self.port}\ndir {self.folder}\nsave ""\nappendonly no\n')
        return [program("redis-server"), str(settings)]

    def ready(self) -> bool:
        return listens(self.port)


class Nginx(Daemon):
    """An nginx that listens to nothing by itself and includes ``conf.d/*.conf``.

    Attributes:
        prefix: Its own prefix, ``nginx -p``.
        config: Its ``nginx.conf``.
        conf_d: Where server blocks go.
        http_port: A free port for whoever writes a server block.
        https_port: Another one.
    """

    def __init__(self, scratch: pathlib.Path, name: str = "nginx") -> None:
        super().__init__(name, scratch)
        self.prefix = self.folder
        self.config = self.folder / "nginx.conf"
        self.conf_d = self.folder / "conf.d"
        self.http_port = _kept_port(self.folder / "http-port")
        self.https_port = _kept_port(self.folder / "https-port")

    def prepare(self) -> None:
        for folder in (self.conf_d, self.folder / "tmp", self.folder / "logs"):
            folder.mkdir(exist_ok=True)
        user = f"user {_me()};\n" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"    {kind}_temp_path {self.folder}/tmp/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.config.write_text(
            f"""{user}worker_processes 1;
daemon off;
pid {self.pid_file};
error_log {self.folder}/logs/error.log notice;
events {{ worker_connections 1024; }}
http {{
    default_type application/octet-stream;
    types {{ text/html html; text/css css; application/javascript js; application/json json; image/svg+xml svg; }}
    access_log {self.folder}/logs/access.log;
    server_names_hash_bucket_size 128;
{temporary}    include {self.conf_d}/*.conf;
}}
"""
        )

    def arguments(self) -> list[str]:
        """nginx with this prefix and configuration: append ``-t`` or ``-s reload``."""
        return [program("nginx"), "-p", str(self.prefix), "-c", str(self.config), "-e", f"{self.folder}/logs/error.log"]

    def command(self) -> list[str]:
        return self.arguments()

    def ready(self) -> bool:
        # Workers are made once the configuration is in force and all sockets are bound.
        return bool(_children(self.pid() or 0))

    def reload(self) -> None:
        """Test the configuration, put it in force, and wait until workers made for it serve.

        Raises:
            subprocess.CalledProcessError: The configuration is not valid.
        """
        before = set(_children(self.pid() or 0))
        subprocess.run([*self.arguments(), "-t"], check=True, capture_output=True, text=True)
        subprocess.run([*self.arguments(), "-s", "reload"], check=True, capture_output=True, text=True)
        wait_until(lambda: set(_children(self.pid() or 0)) - before, 10, "nginx has new workers")


class Supervisor(Daemon):
    """A supervisord that includes ``conf.d/*.conf``, reached by its unix socket.

    Attributes:
        config: Its ``supervisord.conf``, for ``supervisorctl -c``.
        conf_d: Where program sections go.
        socket: Its unix socket.
    """

    def __init__(self, scratch: pathlib.Path, name: str = "supervisor") -> None:
        super().__init__(name, scratch)
        self.socket = unix_path(self.folder / "ctl.sock")
        self.config = self.folder / "supervisord.conf"
        self.conf_d = self.folder / "conf.d"

    def prepare(self) -> None:
        self.conf_d.mkdir(exist_ok=True)
        user = f"user = {_me()}\n" if os.geteuid() == 0 else ""
        self.config.write_text(
            f"""[unix_http_server]
file = {self.socket}
chmod = 0700
[supervisord]
{user}logfile = {self.folder}/supervisord.log
pidfile = {self.folder}/supervisord.pid
childlogdir = {self.folder}
nodaemon = true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{self.socket}
[include]
files = {self.conf_d}/*.conf
"""
        )

    def command(self) -> list[str]:
        return [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)]

    def control(self) -> list[str]:
        """supervisorctl for this supervisord: append ``status``, ``update``, …"""
        return [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.config)]

    def ctl(self, *arguments: str, check: bool = True) -> str:
        """Run a supervisorctl command and return what it says.

        Raises:
            NotReady: It failed and ``check`` is set.
        """
        done = subprocess.run([*self.control(), *arguments], capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise NotReady(f"supervisorctl {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def ready(self) -> bool:
        done = subprocess.run([*self.control(), "pid"], capture_output=True, text=True, check=False)
        return done.returncode == 0 and done.stdout.strip().isdigit()

    def stop(self) -> None:
        if self.pid() is not None:
            # Its own shutdown ends the programs in order; a bare TERM does too, but says nothing when one hangs.
            self.ctl("shutdown", check=False)
        super().stop()


class Services:
    """The four services of one test run or demo.

    Args:
        scratch: A folder with a short path; made if missing.
    """

    def __init__(self, scratch: pathlib.Path | str) -> None:
        self.scratch = pathlib.Path(scratch).resolve()
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.mariadb = MariaDB(self.scratch)
        self.redis = Redis(self.scratch)
        self.nginx = Nginx(self.scratch)
        self.supervisor = Supervisor(self.scratch)

    @property
    def all(self) -> tuple[Daemon, ...]:
        return (self.mariadb, self.redis, self.nginx, self.supervisor)

    def start(self) -> t.Self:
        """Start those that don't run; returns when all do their work."""
        for service in self.all:
            service.start()
        return self

    def stop(self) -> None:
        """End them, programs before what they use."""
        for service in reversed(self.all):
            service.stop()

    def __enter__(self) -> t.Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _number(path: pathlib.Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _children(pid: int) -> list[int]:
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(number) for number in text.split()]


def _kept_port(path: pathlib.Path) -> int:
    """The port written in a file, else a free one that is written there: a restart finds it again."""
    known = _number(path)
    if known is not None:
        return known
    path.parent.mkdir(parents=True, exist_ok=True)
    port = free_port()
    path.write_text(f"{port}\n")
    return port
