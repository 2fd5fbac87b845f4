# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which bench: the stand-in, or the real one that the environment names."""

from __future__ import annotations

import os
import pathlib
import pwd
import subprocess
import sys
import typing as t

from tests.support.standin.repositories import make_repositories

_REPOSITORY = pathlib.Path(__file__).parents[2]
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WRAPPER = """#!{python}
import sys

sys.path.insert(0, {repository!r})
from tests.support.standin.bench.cli import main

main(allow_root={allow_root!r})
"""


class Flavour(t.NamedTuple):
    """What makes benches.

    Attributes:
        real: Whether it is Frappe's own.
        command: The ``bench`` executable.
        user: Who makes and runs benches.
        sources: Repository of each app.
        frappe: Tag of frappe, None where the caller chooses.
        python: Interpreter for the environments; bench's default if None.
    """

    real: bool
    command: pathlib.Path
    user: str
    sources: t.Mapping[str, pathlib.Path]
    frappe: str | None = None
    python: str | None = None

    def environment(self) -> dict[str, str]:
        """The environment of its commands: nothing it would fetch, restart or ask on its own."""
        account = pwd.getpwnam(self.user)
        own = account.pw_uid == os.geteuid()
        base = dict(os.environ) if own else {"LANG": "C.UTF-8"}
        path = f"{self.command.parent}:{base.get('PATH', '')}:{_SYSTEM_PATH}"
        who = {"HOME": account.pw_dir, "USER": self.user, "LOGNAME": self.user}
        return {**base, **who, "PATH": path, "BENCH_DISABLE_UV": "1", "FRAPPE_DOCKER_BUILD": "1"}

    def run(
        self, command: t.Sequence[str], cwd: pathlib.Path, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the user, to its end."""
        return subprocess.run(
            command,
            cwd=cwd,
            env=self.environment(),
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            check=False,
            **self.identity(),
        )

    def identity(self) -> dict[str, t.Any]:
        """Keyword arguments for ``Popen`` that make a child run as the user; none when we are that user."""
        account = pwd.getpwnam(self.user)
        if account.pw_uid == os.geteuid():
            return {}
        groups = os.getgrouplist(self.user, account.pw_gid)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}

    def give(self, folder: pathlib.Path) -> None:
        """Make a folder and all in it the user's: git refuses repositories of someone else."""
        account = pwd.getpwnam(self.user)
        if account.pw_uid == os.geteuid():
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def standin(scratch: pathlib.Path, user: str | None = None) -> Flavour:
    """The stand-in, with its command in ``<scratch>/bin`` and its repositories in ``<scratch>/git``.

    Args:
        user: Whose benches it makes, for root only; the caller if None.
    """
    owner = user or pwd.getpwuid(os.geteuid()).pw_name
    command = scratch / "bin" / "bench"
    command.parent.mkdir(parents=True, exist_ok=True)
    allow_root = owner == "root"  # a real bench never runs as root; where tests do, there is nobody else to be
    command.write_text(_WRAPPER.format(python=sys.executable, repository=str(_REPOSITORY), allow_root=allow_root))
    command.chmod(0o755)
    flavour = Flavour(False, command, owner, make_repositories(scratch / "git"))
    flavour.give(scratch / "git")
    return flavour


def chosen(scratch: pathlib.Path) -> Flavour:
    """The real bench if ``LOCKSTEP_BENCH`` names a bench folder to take frappe from, else the stand-in.

    ``LOCKSTEP_BENCH_COMMAND`` is its executable (``bench``), ``LOCKSTEP_BENCH_FRAPPE`` and
    ``LOCKSTEP_BENCH_FRAPPE_REF`` the repository and tag to make benches from (that of the folder),
    ``LOCKSTEP_BENCH_PYTHON`` the interpreter. Benches are made new, beside it, as its owner: it is not touched.
    """
    folder = os.environ.get("LOCKSTEP_BENCH")
    if not folder:
        return standin(scratch)
    bench = pathlib.Path(folder)
    source = pathlib.Path(os.environ.get("LOCKSTEP_BENCH_FRAPPE") or bench / "apps" / "frappe")
    ref = os.environ.get("LOCKSTEP_BENCH_FRAPPE_REF") or _tag(bench / "apps" / "frappe")
    command = pathlib.Path(os.environ.get("LOCKSTEP_BENCH_COMMAND") or "/usr/local/bin/bench")
    flavour = Flavour(
        real=True,
        command=command,
        user=bench.owner(),
        sources={**make_repositories(scratch / "git"), "frappe": source},
        frappe=ref,
        python=os.environ.get("LOCKSTEP_BENCH_PYTHON"),
    )
    flavour.give(scratch / "git")
    return flavour


def _tag(source: pathlib.Path) -> str:
    command = ["git", "-c", "safe.directory=*", "-C", str(source), "describe", "--tags", "--exact-match"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
