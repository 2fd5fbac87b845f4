# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job with everything around it: `make demo` and `make demo-failure`.

A stand-in bench with the three sites of S0's sample is taken from one version to the next behind a real nginx, with a
MariaDB, Redis and supervisor of its own, while a client reads and writes. What users saw is printed at the end.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import typing as t

CLONE = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(CLONE))

# The clone has to be on the path before anything of it is imported.
from tests.support.bench import Bench, make_bench  # noqa: E402
from tests.support.client import TOUCHED, UNTOUCHED, Client, Kind  # noqa: E402
from tests.support.daemons import UNIX_PATH_LIMIT, end_recorded  # noqa: E402
from tests.support.deployment import describe, playbook, write  # noqa: E402
from tests.support.services import Services  # noqa: E402

SCRATCH = CLONE / ".build" / "demo"
FIGURES = CLONE / "build" / "demo.json"

#: The longest path below the scratch folder that is a socket.
_SOCKET = "run/nginx/01234567.realtime.sock"

#: A customer's own row that the new version's patch can't deal with: amounts were text, and become numbers.
_BREAKS_PATCH = (
    "INSERT INTO `tabCustom Note` (name, creation, modified, title, amount)"
    " VALUES ('own', NOW(), NOW(), 'by hand', 'a dozen')"
)

_VERSION = "/api/method/custom_app.api.version"


class Case(t.NamedTuple):
    """One deployment of the demo.

    Attributes:
        title: What it shows.
        name: Of its scratch folder.
        kind: How the client writes.
        breaks: Whether the second site has data that the migration can't deal with.
    """

    title: str
    name: str
    kind: Kind = UNTOUCHED
    breaks: bool = False


RUN = (Case("Three sites go from one version to the next while their users read and write", "run"),)
FAILURE = (
    Case("Users of the first site wrote nothing the migration touched: it goes back", "back", UNTOUCHED, breaks=True),
    Case("Users of the first site wrote into what the migration changed: it is kept", "kept", TOUCHED, breaks=True),
)


def main(arguments: t.Sequence[str]) -> int:
    """Run the demo.

    Returns:
        The exit status of the deployment, or 1 when a read failed, a write got lost or a failure went unnoticed.
    """
    cases = {("run",): RUN, ("failure",): FAILURE}.get(tuple(arguments))
    if cases is None:
        print(f"usage: {sys.argv[0]} run|failure", file=sys.stderr)
        return 2
    results = [_run(case) for case in cases]
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(results, indent=1) + "\n")
    if any(result["failed_reads"] or result["lost_writes"] for result in results):
        return 1
    rc = int(max(result["rc"] for result in results))
    if rc:
        print(f"A deployment with a failure ends with exit status {rc}, and so does this command.")
    print(f"The deployment's file, records and logs are in {_short(str(SCRATCH))}; its services were stopped.")
    return rc


def _run(case: Case) -> dict[str, t.Any]:
    scratch = _scratch(case.name)
    print(f"\n== {case.title}", flush=True)
    with Services(scratch) as services:
        bench = make_bench(scratch, services)
        for site in bench.sites:
            bench.site(site, "enable-scheduler")
        if case.breaks:
            bench.sql(bench.sites[1], _BREAKS_PATCH)
        inventory = write(scratch / "deployment.yml", describe(bench))
        before = {site: bench.get(site, _VERSION).message for site in bench.sites}
        command = playbook("deploy", inventory, strategy="rolling")
        print(f"$ {' '.join(_short(word) for word in command)}\n", flush=True)
        began = time.monotonic()
        with Client(bench.http_port, bench.sites, case.kind) as client:
            rc = subprocess.run(command, cwd=CLONE, env=_environment(scratch), check=False).returncode
        seconds = time.monotonic() - began
        result = _result(case, bench, client, before, rc, seconds)
    _show(result)
    return result


def _result(
    case: Case, bench: Bench, client: Client, before: dict[str, t.Any], rc: int, seconds: float
) -> dict[str, t.Any]:
    """What users saw, and what the server's own journals say of the freeze."""
    sites = {}
    for site, seen in client.sites.items():
        journal = bench.services.scratch / "state" / "units" / site / "journal.json"
        known = json.loads(journal.read_text()) if journal.exists() else {"status": "untouched", "data": {}}
        sites[site] = {
            "before": before[site],
            "after": bench.get(site, _VERSION).message,
            "ended": known["status"],
            "freeze": known["data"].get("freeze_seconds"),
            "freeze_excess": _excess(bench, site, known),
            "longest_without_write": round(seen.blocked, 2),
            "reads": seen.reads,
            "failed_reads": len(seen.failed_reads),
            "writes": len(seen.acknowledged),
            "failed_writes": len(seen.failed_writes),
            "lost_writes": len(client.lost(site)),
            "examples": [*seen.failed_reads[:3], *seen.failed_writes[:3]],
        }
    return {
        "case": case.name,
        "rc": rc,
        "seconds": round(seconds, 1),
        "failed_reads": sum(site["failed_reads"] for site in sites.values()),
        "lost_writes": sum(site["lost_writes"] for site in sites.values()),
        "sites": sites,
    }


def _excess(bench: Bench, site: str, journal: dict[str, t.Any]) -> float | None:
    """What the freeze took beyond the migration itself and 1.2 times the dump itself, in seconds."""
    results = {step["phase"]: step["result"] for step in journal.get("steps", []) if step["status"] == "completed"}
    freeze, ran = journal["data"].get("freeze_seconds"), results.get("migrate", {}).get("command_seconds")
    if freeze is None or ran is None:
        return None
    place = bench.services.scratch / "lockstep" / bench.name / "backups" / site / journal["deployment_id"]
    dump = json.loads((place / "backup.json").read_text())["database"]["seconds"]
    return round(freeze - ran - 1.2 * dump, 2)


def _show(result: dict[str, t.Any]) -> None:
    columns = ("site", "before", "after", "ended", "freeze s", "reads", "failed reads", "writes", "lost writes")
    rows = [
        (
            name,
            site["before"],
            site["after"],
            site["ended"],
            "-" if site["freeze"] is None else f"{site['freeze']:.1f}",
            str(site["reads"]),
            str(site["failed_reads"]),
            str(site["writes"]),
            str(site["lost_writes"]),
        )
        for name, site in result["sites"].items()
    ]
    widths = [max(len(str(cell)) for cell in column) for column in zip(columns, *rows, strict=True)]
    print()
    for row in (columns, *rows):
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for site in result["sites"].values():
        for example in site["examples"]:
            print(f"  {example}")
    print(f"\ndeployment: {result['seconds']:.0f} s, exit status {result['rc']}", flush=True)


def _scratch(name: str) -> pathlib.Path:
    """An empty folder below the clone whose sockets' paths are short enough."""
    folder = SCRATCH / name
    if len(str(folder / _SOCKET)) > UNIX_PATH_LIMIT:
        print(f"{folder} is too long a path for sockets; clone into a folder with a shorter one", file=sys.stderr)
        raise SystemExit(2)
    if folder.exists():
        end_recorded(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _environment(scratch: pathlib.Path) -> dict[str, str]:
    """The user's own ledger and caches stay out of it."""
    own = {"XDG_DATA_HOME": str(scratch / "share"), "XDG_CACHE_HOME": str(scratch / "cache")}
    return {**os.environ, **own, "ANSIBLE_STDOUT_CALLBACK": "lockstep.deploy.progress"}


def _short(word: str) -> str:
    """A path as somebody in the clone would type it."""
    return os.path.relpath(word, CLONE) if word.startswith(f"{CLONE}/") else word


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
