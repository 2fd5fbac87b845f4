# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apps as real git repositories, and git served over HTTP to those who know the password."""

from __future__ import annotations

import base64
import contextlib
import http.server
import os
import pathlib
import subprocess
import threading
import typing as t

_IDENTITY = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")


def git(folder: pathlib.Path, *arguments: str) -> str:
    """Run git in a folder, without anyone's configuration."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *_IDENTITY, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


class AppRepository:
    """An app in a repository of its own.

    Args:
        folder: The working tree, made if missing.
        name: The app's name; the folder's by default.
        branch: Its first branch.
    """

    def __init__(self, folder: pathlib.Path, name: str | None = None, branch: str = "develop") -> None:
        self.path = folder
        self.name = name or folder.name
        if not folder.exists():
            folder.mkdir(parents=True)
            git(folder, "init", "--quiet", f"--initial-branch={branch}")

    def commit(
        self,
        version: str = "1.0.0",
        *,
        hooks: str = "",
        needs: t.Mapping[str, str] | None = None,
        tag: str | None = None,
        annotated: bool = True,
        files: t.Mapping[str, str] | None = None,
    ) -> str:
        """Commit a version of the app.

        Args:
            version: Its ``__version__``.
            hooks: What hooks.py says beside the app's name.
            needs: ``[tool.bench.frappe-dependencies]``.
            tag: A tag for the commit.
            annotated: Whether the tag is an object of its own.
            files: Further files by path; an empty text removes one.

        Returns:
            The commit.
        """
        ranges = "".join(f'{name} = "{limits}"\n' for name, limits in (needs or {}).items())
        written = {
            f"{self.name}/__init__.py": f'__version__ = "{version}"\n',
            f"{self.name}/hooks.py": f'app_name = "{self.name}"\n{hooks}\n',
            "pyproject.toml": f'[project]\nname = "{self.name}"\ndynamic = ["version"]\n'
            f"\n[tool.bench.frappe-dependencies]\n{ranges}",
            **(files or {}),
        }
        for name, text in written.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if not text:
                path.unlink()
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--allow-empty", "--message", version)
        if tag:
            git(self.path, "tag", *(["--annotate", "--message", tag] if annotated else []), tag)
        return git(self.path, "rev-parse", "HEAD")

    def bare(self, folder: pathlib.Path) -> pathlib.Path:
        """A bare clone of it."""
        git(self.path, "clone", "--quiet", "--bare", ".", str(folder))
        return folder


@contextlib.contextmanager
def served(root: pathlib.Path, user: str = "", password: str = "") -> t.Iterator[Served]:
    """Serve the repositories below a folder on a free loopback port by git's own HTTP program."""
    server = Served(("127.0.0.1", 0), _Handler)
    server.root, server.wanted = root, f"{user}:{password}" if user or password else ""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Served(http.server.ThreadingHTTPServer):
    """What the handler needs to know, and what it saw."""

    daemon_threads = True
    root: pathlib.Path
    wanted: str
    seen_commands: t.ClassVar[list[str]] = []

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: Served

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002, the base class calls it so
        return

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.seen_commands.extend(_commands())
        given = self.headers.get("Authorization", "")
        if self.server.wanted and given != "Basic " + base64.b64encode(self.server.wanted.encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _mark, query = self.path.partition("?")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _gap, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _commands() -> list[str]:
    """The argument lists of all processes, as everybody on a machine can read them."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
