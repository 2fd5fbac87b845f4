# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/plan.yml as users run it, on real repositories."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest

from tests.integration.plan.repositories import AppRepository, git, served

CLONE = pathlib.Path(__file__).parents[3]
SAMPLE: dict[str, t.Any] = {
    "apps": [
        {"name": "frappe", "version": "v16.0.0", "source": "./frappe"},
        {"name": "erpnext", "version": "v16.0.0", "source": "./erpnext"},
        {
            "name": "custom_app",
            "version": "v1.0.0",
            "source": "./custom_app",
            "config": {"enable_feature_x": True, "api_key": "a-secret-value"},
        },
    ],
    "sites": ["site1.local", "site2.local", "site3.local"],
    "strategy": "rolling",
    "options": {"batch_size": 1, "wait_time": 60, "run_tests": True, "notify_users": True},
    "dependencies": {"custom_app": ["erpnext"], "erpnext": ["frappe"]},
}


@dataclasses.dataclass(frozen=True)
class Run:
    """What a playbook run said."""

    rc: int
    output: str

    @property
    def errors(self) -> list[str]:
        """The errors the plan listed, without the indent."""
        lines = self.output.splitlines()
        begin = next((at for at, line in enumerate(lines) if line.endswith("nothing was changed:")), len(lines))
        listed = itertools.takewhile(lambda line: line.startswith("  "), lines[begin + 1 :])
        return [line.strip() for line in listed]


@dataclasses.dataclass(frozen=True)
class Desk:
    """A folder with repositories and a deployment file, and the command."""

    folder: pathlib.Path

    def write(self, data: t.Any, name: str = "deployment.yml") -> str:
        text = data if isinstance(data, str) else json.dumps(data, indent=1)
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def run(self, *arguments: str, inventory: t.Sequence[str] = ("deployment.yml",), playbook: str = "") -> Run:
        command = pathlib.Path(sys.executable).with_name("ansible-playbook")
        argv = [str(command), playbook or str(CLONE / "playbooks" / "plan.yml")]
        for source in inventory:
            argv += ["-i", source]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "LOCKSTEP_"))},
            "ANSIBLE_CONFIG": str(CLONE / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(CLONE / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "HOME": str(self.folder),
        }
        done = subprocess.run(
            [*argv, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        return Run(done.returncode, done.stdout + done.stderr)

    def plan(self, *arguments: str, **more: t.Any) -> dict[str, t.Any]:
        """Plan, and read the plan that was written."""
        done = self.run("-e", "plan_file=plan.json", *arguments, **more)
        assert done.rc == 0, done.output
        found: dict[str, t.Any] = json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """frappe, erpnext and custom_app in several versions, and apps that declare too much or nothing."""
    folder = tmp_path_factory.mktemp("repositories")
    frappe = AppRepository(folder / "frappe")
    frappe.commit("15.44.2", tag="v15.44.2")
    frappe.commit("16.0.0", tag="v16.0.0")
    erpnext = AppRepository(folder / "erpnext")
    erpnext.commit("16.0.0", needs={"frappe": ">=16.0.0,<17.0.0"}, tag="v16.0.0")
    custom = AppRepository(folder / "custom_app")
    custom.commit("1.0.0", tag="v1.0.0")
    custom.commit("1.1.0", hooks='required_apps = [\n    "frappe/erpnext",\n    "payments",\n]', tag="v1.1.0")
    AppRepository(folder / "payments").commit("0.0.1", hooks="# required_apps = ['erpnext']", tag="v0.0.1")
    AppRepository(folder / "circle").commit("1.0.0", hooks="required_apps = ['org/loop']")
    AppRepository(folder / "loop").commit("1.0.0", hooks="required_apps = ('circle',)")
    AppRepository(folder / "hookless").commit(files={"hookless/hooks.py": ""})
    AppRepository(folder / "broken").commit(hooks="required_apps = [")
    AppRepository(folder / "repo-name", name="module_name").commit("3.0.0", tag="v3.0.0")
    return folder


@pytest.fixture
def desk(repositories: pathlib.Path, tmp_path: pathlib.Path) -> Desk:
    for repository in repositories.iterdir():
        (tmp_path / repository.name).symlink_to(repository)
    found = Desk(tmp_path)
    found.write(SAMPLE)
    return found


def test_the_plan_is_a_table_a_file_and_a_graph(desk: Desk, repositories: pathlib.Path) -> None:
    done = desk.run("-e", "plan_file=out.json", "-e", "plan_graph=out.mmd")
    assert done.rc == 0, done.output
    assert re.search(r"^  App +Asked +Ref +Commit +Declares +Requires +Settings$", done.output, re.MULTILINE)
    assert re.search(r"^  2 +site1\.local +site +localhost +3 +frappe, erpnext, custom_app ", done.output, re.MULTILINE)
    assert "Critical path (5 min 45 s): frappe-bench@localhost → site1.local" in done.output
    assert "! notify_users is set, but no channel is configured" in done.output
    plan = json.loads((desk.folder / "out.json").read_text(encoding="utf-8"))
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", plan["deployment_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", plan["timestamp"])
    assert [app["name"] for app in plan["apps"]] == ["frappe", "erpnext", "custom_app"]
    assert plan["apps"][1] == {
        "name": "erpnext",
        "version": "v16.0.0",
        "source": "./erpnext",
        "ref": "v16.0.0",
        "commit": git(repositories / "erpnext", "rev-parse", "v16.0.0^{commit}"),
        "declared_version": "16.0.0",
        "requires": {"frappe": ">=16.0.0,<17.0.0"},
        "depends_on": ["frappe"],
        "config": {},
    }
    assert plan["resolution"] == {"resolved": ["frappe", "erpnext", "custom_app"], "missing": [], "conflicts": []}
    assert [(stage["level"], stage["apps"], stage["parallel"]) for stage in plan["stages"]] == [
        (1, ["frappe"], False),
        (2, ["erpnext"], False),
        (3, ["custom_app"], False),
    ]
    assert plan["stages"][0]["sites"] == SAMPLE["sites"]
    assert [unit["name"] for unit in plan["units"]] == ["frappe-bench@localhost", *SAMPLE["sites"]]
    assert plan["units"][1]["depends_on"] == ["frappe-bench@localhost"]
    assert plan["critical_path"] == {"units": ["frappe-bench@localhost", "site1.local"], "seconds": 345.0}
    assert plan["estimated_duration"] == 240.0 + 3 * 105.0
    assert [step["unit"] for step in plan["rollback_plan"]] == [unit["name"] for unit in reversed(plan["units"])]
    assert plan["options"]["wait_time"] == 60
    graph = (desk.folder / "out.mmd").read_text(encoding="utf-8")
    assert graph.startswith("flowchart LR\n")
    assert '["site3.local<br/>105 s"]' in graph


def test_settings_and_credentials_are_in_no_output(desk: Desk) -> None:
    done = desk.run("-e", "plan_file=plan.json", "-e", "plan_graph=plan.mmd", "-vvv")
    assert done.rc == 0, done.output
    written = "".join((desk.folder / name).read_text(encoding="utf-8") for name in ("plan.json", "plan.mmd"))
    assert "a-secret-value" not in done.output + written
    assert "api_key" in written


@pytest.mark.parametrize("where", ["file", "extra variable"])
def test_the_credentials_of_a_source_are_in_no_output_however_it_ends(
    desk: Desk, repositories: pathlib.Path, where: str
) -> None:
    with served(repositories, "d3ploy", "s3cr3t/w0rd") as server:

        def run(userinfo: str, version: str) -> tuple[Run, str]:
            source = server.url.replace("://", f"://{userinfo}@")
            apps = [{**app, "source": f"{source}/{app['name']}/.git"} for app in SAMPLE["apps"]]
            apps[0]["version"] = version
            deployment = {**SAMPLE, "apps": apps}
            desk.write(deployment if where == "file" else {"plugin": "lockstep.deploy.deployment"})
            # On a command line they are nobody's secret: Ansible itself shows it with -vvvv.
            variables = desk.write({"deployment_config": deployment}, "variables.json")
            given = [] if where == "file" else ["-e", f"@{variables}"]
            done = desk.run("-vvvv", *given, "-e", "plan_file=out.json", "-e", "plan_graph=out.mmd")
            files = "".join(path.read_text(encoding="utf-8") for path in desk.folder.glob("out.*"))
            return done, done.output + files

        good, told = run("d3ploy:s3cr3t%2Fw0rd", "v16.0.0")
        assert good.rc == 0, good.output
        missing, more = run("d3ploy:s3cr3t%2Fw0rd", "v99")
        assert [line for line in missing.errors if "v99" in line], missing.output
        wrong, evenmore = run("0ther:wr0ng%2Fw0rd", "v16.0.0")
        assert len([line for line in wrong.errors if "which can't be read" in line]) == 3, wrong.output
        unencoded, most = run("d3ploy:s3cr3t/w0rd", "v16.0.0")
        assert len([line for line in unencoded.errors if "whose host or port can't be read" in line]) == 3
    assert not re.search("d3ploy|s3cr3t|w0rd|wr0ng|0ther", told + more + evenmore + most)


def test_nothing_is_written_under_check(desk: Desk) -> None:
    done = desk.run("--check", "-e", "plan_file=plan.json", "-e", "plan_graph=plan.mmd")
    assert done.rc == 0, done.output
    assert "changed=0" in done.output
    assert not (desk.folder / "plan.json").exists()
    assert not (desk.folder / "plan.mmd").exists()


def test_json_files_and_other_names_work_as_inventories(desk: Desk) -> None:
    desk.write(SAMPLE, "shop.json")
    assert desk.plan(inventory=["shop.json"])["project"] == "shop"


def test_declared_requirements_are_followed(desk: Desk) -> None:
    desk.write(
        {
            **SAMPLE,
            "apps": [
                {"name": "custom_app", "source": "./custom_app"},
                {"name": "payments", "source": "./payments"},
                *SAMPLE["apps"][:2],
            ],
            "sites": [{"name": "site1.local", "apps": ["custom_app"]}, {"name": "site2.local", "apps": ["payments"]}],
            "dependencies": {},
        }
    )
    plan = desk.plan()
    assert [stage["apps"] for stage in plan["stages"]] == [["frappe"], ["payments", "erpnext"], ["custom_app"]]
    assert plan["stages"][1]["parallel"] is True
    by_name = {unit["name"]: unit for unit in plan["units"]}
    assert by_name["site1.local"]["apps"] == ["frappe", "payments", "erpnext", "custom_app"]
    assert (by_name["site2.local"]["apps"], by_name["site2.local"]["stage"]) == (["frappe", "payments"], 2)
    assert by_name["site1.local"]["stage"] == 3
    newest = next(app for app in plan["apps"] if app["name"] == "custom_app")
    assert (newest["version"], newest["ref"], newest["depends_on"]) == (None, "v1.1.0", ["erpnext", "payments"])
    assert any(warning.startswith("custom_app: no version given: v1.1.0 is the newest") for warning in plan["warnings"])


def test_an_app_may_live_in_a_repository_of_another_name(desk: Desk) -> None:
    apps = [SAMPLE["apps"][0], {"name": "module-name", "source": "./repo-name"}]
    desk.write({"apps": apps, "sites": ["a"]})
    assert desk.plan()["apps"][1]["name"] == "module_name"


def test_all_that_is_wrong_with_apps_is_told_at_once(desk: Desk) -> None:
    desk.write(
        {
            "apps": [
                {"name": "frappe", "version": "v15.44.2", "source": "./frappe"},
                {"name": "erpnext", "source": "./erpnext"},
                {"name": "custom_app", "source": "./custom_app"},
                {"name": "circle", "source": "./circle"},
                {"name": "loop", "source": "./loop"},
                {"name": "hookless", "source": "./hookless"},
                {"name": "broken", "source": "./broken"},
                {"name": "wrong_name", "source": "./repo-name"},
                {"name": "gone", "source": "./nowhere"},
                {"name": "untagged", "version": "v9", "source": "./custom_app"},
                {"name": "unreachable", "source": "http://us3r:p4ss@127.0.0.1:9/x"},
            ],
            "sites": ["a"],
        }
    )
    done = desk.run("-e", "plan_file=plan.json")
    assert done.rc != 0
    expected = [
        r"apps\[0\]: found frappe 15\.44\.2; erpnext requires >=16\.0\.0,<17\.0\.0; expected a version that all",
        r'apps\[2\]: found no app "payments", and custom_app requires it; expected it among the apps',
        r"apps\[3\]: found the cycle circle → loop → circle; expected no app to need itself",
        r"apps\[5\]\.source: found a repository without hookless/hooks\.py, which is no Frappe app",
        r"apps\[6\]\.source: found broken/hooks\.py, which is no valid Python",
        r'apps\[7\]\.source: found "wrong_name", but the repository holds the app module_name',
        r"apps\[8\]\.source: found '.*/nowhere', where there is no folder",
        r'apps\[9\]\.version: found "v9".*; expected a tag, branch or commit of',
        r"apps\[10\]\.source: found 'http://127\.0\.0\.1:9/x', which can't be read",
    ]
    assert len(done.errors) == len(expected), done.output
    for pattern in expected:
        assert len([line for line in done.errors if re.search(rf"^deployment\.yml:\d+: {pattern}", line)]) == 1, pattern
    assert not re.search("us3r|p4ss", done.output)
    assert not (desk.folder / "plan.json").exists()


def test_all_that_is_wrong_with_the_file_is_told_at_once(desk: Desk) -> None:
    desk.write("apps:\n  - {name: frappe, version: 1.10, source: ./frappe}\nsites: [a, a]\nstratgy: rolling\n")
    done = desk.run("-e", "batch_size=many")
    assert done.rc != 0
    assert [line.split(";")[0] for line in done.errors] == [
        'deployment.yml:2: apps[0].version: found 1.10, which YAML reads as a number: quote it ("1.10")',
        'deployment.yml:3: sites[1]: found the site "a" twice (first at sites[0])',
        'deployment.yml:4: stratgy: unknown key (did you mean "strategy"?)',
        'extra variables: batch_size: found "many"',
    ]


def test_what_is_wrong_with_the_file_and_with_what_it_names_is_told_at_once(desk: Desk) -> None:
    apps = [
        {"name": "frappe", "version": "v99", "source": "./frappe"},
        {"name": "erpnext", "source": "./erpnext"},
        {"name": "gone", "source": "./nowhere"},
    ]
    desk.write({"apps": apps, "sites": [{"name": "b", "server": "web9"}, "a", "a"], "optons": {}})
    done = desk.run()
    assert done.rc != 0
    assert [line.split(": ", 1)[1].split(",")[0] for line in done.errors] == [
        'sites[2]: found the site "a" twice (first at sites[1]); expected once',
        'optons: unknown key (did you mean "options"?); expected one of $schema',
        'sites[0].server: found the server "web9"; expected one of this file\'s servers or a host of the inventory',
        'apps[0].version: found "v99"; expected a tag',
        f"apps[2].source: found '{desk.folder / 'nowhere'}'",
    ]
    apps = [*SAMPLE["apps"][:2], {"name": "custom_app", "source": "./custom_app"}]
    desk.write({**SAMPLE, "apps": apps, "sites": ["a b"]})
    assert [line for line in desk.run().errors if 'found no app "payments"' in line], "the apps are well and looked at"
    desk.write({**SAMPLE, "apps": [{**apps[0], "name": "fra ppe"}, *apps[1:]]})
    assert not [line for line in desk.run().errors if "requires" in line], "nobody misses what was refused itself"


def test_a_site_on_an_unknown_server_is_refused_and_on_a_known_one_is_not(desk: Desk) -> None:
    desk.write({**SAMPLE, "sites": ["b", {"name": "a", "server": "web1"}], "benches": {"x": {"server": "web1"}}})
    done = desk.run()
    assert done.rc != 0
    [error] = done.errors
    assert re.match(r'deployment\.yml:\d+: benches\.x\.server: found the server "web1"; expected one of', error)
    desk.write("[web]\nweb1 ansible_host=10.0.0.1\n", "hosts")
    assert desk.run(inventory=["deployment.yml", "hosts"]).rc == 0
    desk.write({**SAMPLE, "sites": [{"name": "a", "server": "web9"}]})
    [error] = desk.run(inventory=["deployment.yml", "hosts"]).errors
    assert 'sites[0].server: found the server "web9"' in error


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-e", "only=site2.local"], ["frappe-bench@localhost", "site2.local"]),
        (["-e", '{"target_sites": ["site3.local"], "only_closure": false}'], ["site3.local"]),
        (["--limit", "site1.local,frappe-bench@localhost"], ["frappe-bench@localhost", "site1.local"]),
        (["--limit", "site1.local"], ["site1.local"]),
        (["--limit", "!site1.local"], ["frappe-bench@localhost", "site2.local", "site3.local"]),
    ],
)
def test_a_part_can_be_planned(desk: Desk, arguments: list[str], expected: list[str]) -> None:
    plan = desk.plan(*arguments)
    assert [unit["name"] for unit in plan["units"]] == expected
    warned = any(warning.startswith("not selected, though selected units depend") for warning in plan["warnings"])
    assert warned == ("frappe-bench@localhost" not in expected)


def test_extra_variables_win_and_may_bring_the_deployment(desk: Desk) -> None:
    desk.write("plugin: lockstep.deploy.deployment\n", "lockstep.yml")
    plan = desk.plan(
        "-e", "deployment_config=deployment.yml", "-e", "deployment_strategy=all_at_once", "-e", "notify_users=no",
        inventory=["lockstep.yml"],
    )  # fmt: skip
    assert (plan["strategy"], plan["options"]["notify_users"], plan["project"]) == ("all-at-once", False, "deployment")
    apps = [{**app, "source": str(desk.folder / app["name"])} for app in SAMPLE["apps"]]
    plan = desk.plan("-e", json.dumps({"deployment_config": {**SAMPLE, "apps": apps}}), inventory=["lockstep.yml"])
    assert len(plan["units"]) == 4


def test_an_inventory_without_a_deployment_is_refused(desk: Desk) -> None:
    desk.write("[web]\nweb1\n", "hosts")
    done = desk.run(inventory=["hosts"])
    assert done.rc != 0
    assert "There is no deployment. Give its file as inventory" in done.output


def test_the_playbook_is_found_by_the_name_of_the_collection(desk: Desk) -> None:
    assert desk.run(playbook="lockstep.deploy.plan").rc == 0


def test_thaw_together_and_options_that_need_care_are_warned_of(desk: Desk) -> None:
    plan = desk.plan("-e", "thaw=together", "-e", "skip_backup=true", "-e", "rollback_scope=unit")
    said = "\n".join(plan["warnings"])
    assert "thaw: together keeps every site frozen until the last one is verified, about 5 min 15 s" in said
    assert "thaw: together overrules rollback_scope: a failure takes all units back" in said
    assert "sites are not backed up" in said
    assert "restore_from_backup" not in plan["rollback_plan"][0]["actions"]
    alone = desk.plan("-e", "rollback_on_failure=false", "-e", "ignore_dependencies=true", "--limit", "site1.local")
    said = "\n".join(alone["warnings"])
    assert "rollback_on_failure is off" in said
    assert "ignore_dependencies is set: units outside the selection need not be live" in said
    assert "frappe-bench@localhost; nobody looks whether they are live" in said


def test_sites_that_would_stay_frozen_after_a_failure_are_refused(desk: Desk) -> None:
    message = (
        "rollback_on_failure: found false with thaw: together; expected true, "
        "or a failure would leave every site frozen (or thaw: unit)"
    )
    done = desk.run("-e", "thaw=together", "-e", "rollback_on_failure=false")
    assert (done.rc != 0, done.errors) == (True, [f"extra variables: {message}"])
    desk.write({**SAMPLE, "options": {"rollback_on_failure": False}})
    done = desk.run("-e", "thaw=together")
    [error] = done.errors
    assert error.startswith("deployment.yml:")
    assert error.endswith(f"options.{message}")


def test_what_rehearsals_need_is_said_before(desk: Desk) -> None:
    assert "rehearsed" not in "\n".join(desk.plan()["warnings"])
    said = "\n".join(desk.plan("-e", "freeze=auto")["warnings"])
    assert "migrations are rehearsed: a copy of each site's database is made beside it" in said
    assert "frappe-bench names no database.admin" in said
    assert "readers are kept out of the freeze, too" in said
    assert "nothing is deployed" in "\n".join(desk.plan("-e", "rehearsal=always")["warnings"])
    done = desk.run("-e", "freeze=auto", "-e", "rehearsal=never")
    assert done.rc != 0
    assert "found never with freeze: auto" in done.output
