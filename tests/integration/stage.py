# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bench with its services, as the driver and the playbooks are told of it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from tests.support.bench import Bench, make_bench
from tests.support.daemons import end_recorded
from tests.support.deployment import place
from tests.support.services import Services

CLONE = pathlib.Path(__file__).parents[2]
ID = "20261120T184500Z-1a2b3c"
BENCH = "frappe-bench@localhost"
NEW = {"frappe": "v16.0.0", "erpnext": "v16.0.0", "custom_app": "v1.0.0"}


class Stage:
    """One bench, its services, and what is said of it in a deployment file.

    Args:
        bench: The bench.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.services = bench.services
        self.folder = bench.services.scratch

    def options(self, **more: t.Any) -> dict[str, t.Any]:
        """The bench as a deployment file has it; ``more`` replaces some of it."""
        return {**place(self.bench), **more}

    def context(self, **more: t.Any) -> BenchContext:
        """The bench as modules of the driver see it."""
        given = {"bench": {"name": self.bench.name, **self.options(**more)}}
        checked = ArgumentSpecValidator({"bench": {"type": "dict", "options": BENCH_OPTIONS}}).validate(given)
        assert not checked.error_messages, checked.error_messages
        return BenchContext(checked.validated_parameters["bench"])

    def apps(self, tags: t.Mapping[str, str] = NEW) -> list[App]:
        """Apps at the commits of their tags."""
        return [App(app, self.commit(app, tag), tag.lstrip("v")) for app, tag in tags.items()]

    def commit(self, app: str, tag: str) -> str:
        """The commit a tag names."""
        command = ["git", "-c", "safe.directory=*", "-C", str(self.bench.repositories[app]), "rev-parse", f"{tag}^{{}}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def deployment(self, tags: t.Mapping[str, str] = NEW, **more: t.Any) -> pathlib.Path:
        """Write a deployment file; ``more`` replaces some of its keys."""
        content = {
            "project": "shop",
            "environment": "staging",
            "benches": {self.bench.name: self.options()},
            "apps": [
                {"name": app, "version": tag, "source": f"file://{self.bench.repositories[app]}"}
                for app, tag in tags.items()
            ],
            "sites": list(self.bench.sites),
            "options": {"wait_time": 0},
            **more,
        }
        path = self.folder / "deployment.json"
        path.write_text(json.dumps(content, indent=1))
        return path

    def play(
        self, playbook: pathlib.Path | str, *arguments: str, inventory: pathlib.Path | None = None, **variables: t.Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook as a user would who stands in the clone.

        Args:
            playbook: Its path, from the clone's folder on.
            arguments: Further arguments of ansible-playbook.
            inventory: The deployment file; a plain one if None.
            variables: Extra variables.
        """
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), str(playbook), *arguments]
        command += ["-i", str(inventory or self.deployment()), "-e", json.dumps(variables)]
        return subprocess.run(
            command, cwd=CLONE, env=self.environment(), capture_output=True, text=True, timeout=600, check=False
        )

    @contextlib.contextmanager
    def playing(self, playbook: str, inventory: pathlib.Path, **variables: t.Any) -> t.Iterator[Playing]:
        """The same in the background; it is killed at the end."""
        with Playing(self, playbook, inventory, variables) as found:
            yield found

    def environment(self) -> dict[str, str]:
        """The environment of such a run: records of its own, nothing of the user's."""
        own = {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data"), "LANG": "C.UTF-8"}
        return {**own, "PATH": os.environ["PATH"], "ANSIBLE_NOCOLOR": "1", "COLUMNS": "200"}


class Playing:
    """A run of a playbook in the background.

    Args:
        on: Where.
        playbook: Its path, from the clone's folder on.
        inventory: The deployment file.
        variables: Extra variables.
    """

    def __init__(self, on: Stage, playbook: str, inventory: pathlib.Path, variables: t.Mapping[str, t.Any]) -> None:
        self._stage = on
        self._log = on.folder / "playing.log"
        self._command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), playbook]
        self._command += ["-i", str(inventory), "-e", json.dumps(variables)]

    def __enter__(self) -> Playing:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command, cwd=CLONE, env=self._stage.environment(), stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def end(self, within: float = 180) -> int:
        """Its exit status."""
        return self._process.wait(within)

    def kill(self) -> None:
        """End the controller, as by ``kill -9``."""
        self._process.kill()
        self._process.wait()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def output(self) -> str:
        return self._log.read_text()


@contextlib.contextmanager
def stage(prefix: str, **bench: t.Any) -> t.Iterator[Stage]:
    """A running bench on private services in a folder of its own, which is gone afterwards.

    Args:
        prefix: Begins the folder's name; short, because paths of sockets end at 107 bytes.
        bench: As for :func:`tests.support.bench.make_bench`.
    """
    scratch = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    scratch.chmod(0o755)
    try:
        with Services(scratch) as services:
            yield Stage(make_bench(scratch, services, **bench))
    finally:
        end_recorded(scratch)
        shutil.rmtree(scratch)
