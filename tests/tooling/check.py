# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the linters or all the tests to their end, also when one fails, and says last what failed and what was not run.

``check.py lint`` and ``check.py test [--complete]``; with ``--complete`` something that could not run is a failure.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import threading
import time
import typing as t

CLONE = pathlib.Path(__file__).resolve().parents[2]
BIN = CLONE / ".build/venv/bin"


class Step(t.NamedTuple):
    """One command, and a reason why it can't run here, if there is one."""

    name: str
    argv: tuple[str, ...]
    obstacle: t.Callable[[], str | None] = lambda: None


class Outcome(t.NamedTuple):
    """What became of a step: ``passed``, ``failed`` or ``not run``."""

    name: str
    status: str
    seconds: float
    detail: str = ""


def tool(name: str, program: str, *arguments: str) -> Step:
    """A step that runs a program of the virtual environment."""
    return Step(name, (str(BIN / program), *arguments))


def target(name: str, obstacle: t.Callable[[], str | None] = lambda: None) -> Step:
    """A step that is a target of the Makefile, without the arguments that `make test` itself was given."""
    return Step(name, ("make", "--no-print-directory", name, "ARGS="), obstacle)


def no_engine() -> str | None:
    """Why the tests with containers can't run here; None when they can."""
    try:
        done = subprocess.run(["docker", "version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "no Docker engine"
    return None if done.returncode == 0 else "no Docker engine answers"


def no_tests_in(folder: str) -> t.Callable[[], str | None]:
    """An obstacle for a folder without tests."""
    return lambda: None if any((CLONE / folder).rglob("test_*.py")) else f"{folder} holds no tests"


LINT = (
    tool("ruff check", "ruff", "check"),
    tool("ruff format", "ruff", "format", "--check"),
    tool("mypy", "mypy", "--package", "ansible_collections.lockstep.deploy.plugins"),
    tool("yamllint", "yamllint", "--strict", "."),
    tool("ansible-lint", "ansible-lint", "--nocolor", "--config-file", ".config/ansible-lint.yml"),
    Step("ansible-test sanity", ("tests/tooling/sanity.sh",)),
    tool("antsibull-docs", "antsibull-docs", "lint-collection-docs", "--plugin-docs", "."),
    tool("antsibull-changelog", "antsibull-changelog", "lint"),
)

#: Groups one after the other; the lanes of one run side by side, the steps of a lane one after the other. Tests with
#: services wait more than they work; each bench has ports of its own.
TEST = (
    ((target("lint"),), (target("contract", no_tests_in("tests/contract")),)),
    ((target("unit", no_tests_in("tests/unit")),),),
    (
        (target("integration-frappe", no_tests_in("tests/integration/frappe")),),
        (target("integration-others", no_tests_in("tests/integration")), target("molecule", no_engine)),
        # Molecule asks for it at the end, when it is long there.
        (Step("image", ("tests/tooling/image.sh",), no_engine),),
    ),
)


def environment() -> dict[str, str]:
    """The caller's, with our programs first and our configuration where a tool looks for it by variable only."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "YAMLLINT_CONFIG_FILE": str(CLONE / ".config/yamllint.yml"),
        "RUFF_CACHE_DIR": str(CLONE / ".build/cache/ruff"),
    }


def run(step: Step, capture: bool) -> Outcome:
    """Run one step to its end."""
    reason = step.obstacle()
    if reason:
        return Outcome(step.name, "not run", 0.0, reason)
    started = time.monotonic()
    done = subprocess.run(
        step.argv,
        cwd=CLONE,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.STDOUT if capture else None,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return Outcome(
        step.name, "failed" if done.returncode else "passed", time.monotonic() - started, (done.stdout or "").rstrip()
    )


def lint() -> list[Outcome]:
    """All linters, as many at once as there are processors; only what has something to say is shown."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = list(pool.map(lambda step: run(step, capture=True), LINT))
    for outcome in outcomes:
        if outcome.status == "failed":
            print(f"\n--- {outcome.name}\n{outcome.detail}")
    return [outcome._replace(detail="") for outcome in outcomes]


def test() -> list[Outcome]:
    """All suites; of steps side by side, what each has said is shown when it ended."""
    outcomes: list[Outcome] = []
    shown = threading.Lock()

    def go_through(lane: t.Sequence[Step], capture: bool) -> None:
        for step in lane:
            outcome = run(step, capture)
            with shown:
                if capture:
                    print(f"\n--- {outcome.name}\n{outcome.detail}", flush=True)
                outcomes.append(outcome if outcome.status == "not run" else outcome._replace(detail=""))

    for group in TEST:
        print(f"\n=== {', '.join(step.name for lane in group for step in lane)}", flush=True)
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(group)) as pool:
            for done in [pool.submit(go_through, lane, len(group) > 1) for lane in group]:
                done.result()
    return outcomes


def report(outcomes: t.Sequence[Outcome], complete: bool) -> int:
    """Print one line per step and return the exit status."""
    print()
    for outcome in outcomes:
        detail = f": {outcome.detail}" if outcome.detail else ""
        print(f"{outcome.status:8} {outcome.name}{detail}" + (f" ({outcome.seconds:.0f} s)" if outcome.seconds else ""))
    missing = [outcome for outcome in outcomes if outcome.status == "not run"]
    if missing and complete:
        print("What was not run should have run here.")
    failed = any(outcome.status == "failed" for outcome in outcomes)
    return 1 if failed or (missing and complete) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("lint", "test"))
    parser.add_argument("--complete", action="store_true", help="fail when something could not run")
    arguments = parser.parse_args()
    outcomes = lint() if arguments.what == "lint" else test()
    return report(outcomes, arguments.complete)


if __name__ == "__main__":
    sys.exit(main())
