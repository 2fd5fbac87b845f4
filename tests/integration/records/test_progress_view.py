# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people see of real runs."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

import ansible_runner  # type: ignore[import-untyped]
import pytest

from .conftest import CLONE, Project, Ran
from .terminal import Terminal

PERCENTAGE = re.compile(r"^\d\d:\d\d:\d\d +(\d+)%", re.MULTILINE)


@pytest.fixture
def shown(project: Project) -> Project:
    """The project with the progress view as its output."""
    project.environ["ANSIBLE_STDOUT_CALLBACK"] = "lockstep.deploy.progress"
    return project


def without_times(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d +\d+%  ", "", re.sub(r"(\d+ min )?\d+ s\b", "N s", text))


def test_piped_it_is_plain_lines_with_a_percentage_that_never_falls(completed: Ran) -> None:
    done = completed.done
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert "TASK [" not in done.stdout
    seen = [int(found) for found in PERCENTAGE.findall(done.stdout)]
    assert seen == sorted(seen)
    assert (seen[-2] < 100, seen[-1]) == (True, 100)
    plain = without_times(done.stdout).splitlines()
    for line in (
        "Deploy the units: 4 units, 2 at a time, about N s left",
        "bench@server: started",
        "bench@server: freeze to thaw",
        "bench@server: confirm to retire",
    ):
        assert line in plain
    assert any(re.match(r"site3.local: done in N s \(4 done\)", line) for line in plain)
    assert "Roll back what has to be" not in done.stdout


def test_the_recap_has_one_line_per_unit_with_versions_and_freeze(failed: Ran) -> None:
    done = failed.done
    rows = [re.split(r"  +", line) for line in done.stdout.splitlines() if re.match(r"(unit|bench@|site\d)\S*  ", line)]
    assert [row[:4] for row in rows] == [
        ["unit", "state", "versions", "freeze"],
        ["bench@server", "restored", "erpnext 14.9.0", "8.0 s"],
        ["site1.local", "kept", "erpnext 14.9.0 -> 15.2.0", "8.0 s"],
        ["site2.local", "restored", "erpnext 14.9.0", "10.0 s"],
        ["site3.local", "withheld", "-", "-"],
    ]
    assert done.stdout.count("-e only=site1.local -e rollback_data=true") == 1
    assert re.search(r"100%  partially_rolled_back after [\d minh]+ s$", done.stdout.strip())


def test_an_error_is_shown_whole_and_once(failed: Ran) -> None:
    done = failed.done
    start = done.stdout.index("site2.local failed in migrate")
    assert [line.strip() for line in done.stdout[start:].splitlines()[:5]] == [
        "site2.local failed in migrate: patch erpnext.v15.add_tax failed",
        "left: it is back on release 1, users can write",
        "next: mend the patch and deploy again",
        "| Traceback (most recent call last):",
        "|   KeyError: 'tax'",
    ]
    assert done.stdout.count("patch erpnext.v15.add_tax failed") == 1


def test_an_unreachable_unit_is_shown(unreachable: Ran) -> None:
    told = "site1.local could not be reached in preflight: Failed to connect to the host via ssh"
    assert told in unreachable.done.stdout


def test_a_second_run_says_that_nothing_changed(shown: Project) -> None:
    assert shown.run("deploy.yml", idle=True).stdout.count("live, unchanged") == 4


def test_check_mode_says_what_would_change_and_that_nothing_was(shown: Project) -> None:
    done = shown.run("deploy.yml", "--check")
    assert "site1.local: would change: Move site1.local" in done.stdout
    assert done.stdout.count("  would change  ") == 4
    assert "check mode, nothing was changed: completed after" in done.stdout


def test_messages_and_warnings_are_shown_and_secrets_are_not(shown: Project) -> None:
    done = shown.run("noise.yml")
    assert "line one\nline two\n" in done.stdout
    assert "this is odd" in done.stderr
    assert "item 2 is bad" not in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert "no_log: true" in done.stdout


def test_debug_shows_every_task_with_secrets_masked(shown: Project) -> None:
    shown.environ["LOG_LEVEL"] = "DEBUG"
    done = shown.run("noise.yml")
    assert "lockstep_controller | Warn | ok:" in done.stdout
    assert "lockstep_controller | Secret | changed:" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_error_shows_errors_and_the_recap_only(shown: Project) -> None:
    shown.environ["LOG_LEVEL"] = "error"
    done = shown.run("deploy.yml", fails=["site2.local"])
    assert done.stdout.splitlines()[0].endswith("site2.local failed in migrate: patch erpnext.v15.add_tax failed")
    assert "site2.local   restored" in done.stdout
    assert "bench@server: started" not in done.stdout


def test_a_level_nobody_knows_counts_as_info(shown: Project) -> None:
    shown.environ["LOG_LEVEL"] = "loud"
    assert "bench@server: started" in shown.run("deploy.yml").stdout


def test_in_a_terminal_it_stays_at_the_bottom_and_goes_at_the_end(shown: Project, tmp_path: pathlib.Path) -> None:
    gate = tmp_path / "gate"
    terminal = Terminal(shown.command("deploy.yml", gate=str(gate)), shown.folder, shown.environ)
    below = re.compile(r" +bench@server  freeze to thaw +[1-9][\d min]* s$")
    seen = terminal.wait_for(below.search)
    first, second, third = seen.splitlines()[-3:]
    assert re.match(r" +3\d% .* stage 1 of 2 \(frappe\)$", first)
    assert re.match(r" +1 running, 3 waiting, [\d min]+ s so far, about .* left$", second)
    assert below.match(third)
    gate.touch()
    assert terminal.finish() == 0
    end = terminal.screen.text()
    assert "so far" not in end
    assert "bench@server: freeze to thaw" not in end  # phases are told below only
    assert re.search(r"site1.local: done in [\d minh]+ s", end)
    assert re.search(r"100%  completed after [\d minh]+ s$", end)


def test_warnings_appear_above_it(shown: Project) -> None:
    terminal = Terminal(shown.command("noise.yml"), shown.folder, shown.environ)
    assert terminal.finish() == 2
    lines = terminal.screen.text().splitlines()
    assert [line for line in lines if "this is odd" in line] == ["[WARNING]: this is odd"]
    assert lines.index("[WARNING]: this is odd") < lines.index("line one")
    assert "so far" not in terminal.screen.text()


def test_ctrl_c_leaves_a_clean_terminal(shown: Project, tmp_path: pathlib.Path) -> None:
    terminal = Terminal(shown.command("deploy.yml", gate=str(tmp_path / "never")), shown.folder, shown.environ)
    terminal.wait_for(lambda text: "freeze to thaw" in text)
    terminal.interrupt()
    assert terminal.finish() != 0
    assert "so far" not in terminal.screen.text()


@pytest.mark.parametrize("variables", [{"LOCKSTEP_PROGRESS": "never"}, {"hide": "rich"}])
def test_without_a_live_view_there_are_plain_lines_in_a_terminal_too(shown: Project, variables: dict[str, str]) -> None:
    if "hide" in variables:
        hidden = shown.folder / "hidden"
        (hidden / "rich").mkdir(parents=True)
        (hidden / "rich" / "__init__.py").write_text("raise ImportError('not installed')\n")
        variables = {"PYTHONPATH": str(hidden)}
    terminal = Terminal(shown.command("deploy.yml"), shown.folder, shown.environ | variables)
    assert terminal.finish() == 0
    assert "bench@server: freeze to thaw" in terminal.screen.text()
    assert "so far" not in terminal.screen.text()


def test_ansible_runner_gets_plain_lines_its_events_and_the_exit_status(shown: Project, tmp_path: pathlib.Path) -> None:
    (tmp_path / "runner").mkdir()
    run = ansible_runner.run(
        private_data_dir=str(tmp_path / "runner"),
        project_dir=str(shown.folder),
        playbook="deploy.yml",
        inventory=str(shown.folder / "inventory.yml"),
        envvars=shown.environ | {"TERM": "xterm"},
        extravars={"fails": ["site2.local"]},
        quiet=True,
    )
    assert (run.rc, run.status) == (2, "failed")
    kinds = {event["event"] for event in run.events}
    assert {"playbook_on_play_start", "runner_on_ok", "runner_on_failed", "playbook_on_stats"} <= kinds
    told = run.stdout.read()
    assert "site2.local failed in migrate: patch erpnext.v15.add_tax failed" in told
    assert "so far" not in told


def test_a_rollback_by_hand_is_shown(shown: Project) -> None:
    done = shown.run("rollback.yml")
    assert done.returncode == 0
    assert "site1.local: is back on the release before" in done.stdout
    assert re.search(r"100%  ended well in", done.stdout)


def test_its_documentation_can_be_read() -> None:
    found = json.loads(_doc("lockstep.deploy.progress", "callback"))
    assert set(found["lockstep.deploy.progress"]["doc"]["options"]) == {"live", "log_level"}


def _doc(name: str, kind: str) -> str:
    binary = pathlib.Path(sys.executable).with_name("ansible-doc")
    environ = {"PATH": "/usr/bin:/bin", "ANSIBLE_COLLECTIONS_PATH": str(CLONE / ".collections"), "HOME": "/nonexistent"}
    return subprocess.run(
        [str(binary), "-t", kind, "-j", name], env=environ, capture_output=True, text=True, check=True
    ).stdout
