# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/deploy.yml itself, with a plan that is given and a driver that only records: who goes back, who is live."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml

from tests.integration.strategy.scene import CLONE, HERE, Result, Scene

UNITS: dict[str, list[str]] = {"bench1": [], "site1": ["bench1"], "site2": ["bench1"], "site3": ["bench1"]}
PREPARING = ("Check every unit before anything changes", "Judge the checks")
KEEP_PLAN = {
    "ansible.builtin.set_fact": {
        "lockstep_plan": "{{ plan }}",
        "lockstep_selected": "{{ plan.units | map(attribute='name') }}",
        "lockstep_window": "{{ window }}",
    }
}


class Deployments:
    """Runs of the playbook.

    Args:
        folder: A scratch folder.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._scene = Scene(folder, UNITS)
        for name in ("main", "rollback"):
            self._copy(CLONE / "roles" / "unit" / "tasks" / f"{name}.yml", f"unit_{name}.yml")
        self._copy(CLONE / "playbooks" / "deploy.yml", "deploy.yml")

    def run(
        self,
        failing: t.Sequence[tuple[str, str]] = (),
        lost: t.Sequence[tuple[str, str]] = (),
        strategy: str = "rolling",
        waves: t.Sequence[t.Sequence[str]] = (),
        **options: t.Any,
    ) -> Result:
        """Deploy, one unit at a time.

        Args:
            failing: Units that fail, each with the part of the way in which it does.
            lost: The same for units whose server is lost.
            strategy: The plan's strategy.
            waves: The plan's waves.
            options: Options of the deployment.
        """
        units = [{"name": name, "depends_on": list(needs), "server": "s"} for name, needs in UNITS.items()]
        given = {"rollback_on_failure": True, "rollback_scope": "deployment", "rollback_data": False, **options}
        plan = {"deployment_id": "d1", "units": units, "options": {"thaw": "unit", "watch_for": 0, **given}}
        plan.update(strategy=strategy, waves=waves)
        return self._scene.run(
            self._folder / "deploy.yml", plan=plan, failing=failing, lost=lost, window=1, lockstep_driver="recorded"
        )

    def _copy(self, source: pathlib.Path, name: str) -> None:
        """Copy tasks or plays, with a driver that only records, a plan that is given, and without what comes before."""
        parts = [part for part in yaml.safe_load(source.read_text()) if "ansible.builtin.import_playbook" not in part]
        found = [self._replaced(part) for part in parts if part["name"] not in PREPARING]
        (self._folder / name).write_text(json.dumps(found, indent=1))

    def _replaced(self, part: t.Any) -> t.Any:
        if isinstance(part, list):
            return [self._replaced(one) for one in part]
        if not isinstance(part, dict):
            return part
        role = part.get("ansible.builtin.include_role")
        if not role or role["name"] == "lockstep.deploy.verdict":
            return {name: self._replaced(value) for name, value in part.items()}
        rest = {name: value for name, value in part.items() if name != "ansible.builtin.include_role"}
        if role["name"] == "lockstep.deploy.plan":
            return {**rest, **KEEP_PLAN}
        back = role.get("tasks_from") == "rollback"
        if role["name"] == "lockstep.deploy.unit":
            file = self._folder / ("unit_rollback.yml" if back else "unit_main.yml")
        else:
            file = HERE / ("driver_rollback.yml" if back else "driver.yml")
        return {**rest, "ansible.builtin.include_tasks": {"file": str(file)}}


@pytest.fixture
def deployments(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Deployments:
    plugins = HERE.parent / "records" / "project" / "action_plugins"
    monkeypatch.setenv("ANSIBLE_ACTION_PLUGINS", str(plugins))
    return Deployments(tmp_path)


def test_writes_are_let_in_when_all_are_ready(deployments: Deployments) -> None:
    result = deployments.run(thaw="together")
    assert result.rc == 0, result.output
    assert result.events[:4] == ["bench1 move", "site1 move", "site2 move", "site3 move"]
    assert sorted(result.units("open")) == ["site1", "site2", "site3"]
    assert "ended completed: 4 on the new release" in result.output


def test_nobody_is_frozen_before_green_is_ready_everywhere(deployments: Deployments) -> None:
    result = deployments.run(strategy="blue-green")
    assert result.rc == 0, result.output
    assert result.events[:4] == [f"{unit} prepare" for unit in UNITS]
    assert [event for event in result.events[4:] if not event.startswith("bench1")] == [
        f"site{number} all" for number in (1, 2, 3)
    ]
    assert "ended completed: 4 on the new release" in result.output


def test_green_that_fails_on_one_unit_is_taken_away_everywhere_and_nobody_was_frozen(deployments: Deployments) -> None:
    result = deployments.run(failing=[("site2", "prepare")], strategy="blue-green")
    assert result.rc == 2
    assert {event.split()[1] for event in result.events} == {"prepare", "undo"}
    assert sorted(result.units("undo")) == ["bench1", "site1", "site2"]
    assert "ended rolled_back: 3 back on the release before, 1 withheld" in result.output


def test_a_switch_to_green_that_fails_takes_those_along_that_switched_before(deployments: Deployments) -> None:
    result = deployments.run(failing=[("site2", "all")], strategy="blue-green")
    assert result.rc == 2
    assert sorted(result.units("undo")) == ["bench1", "site1", "site2", "site3"]


def test_green_can_let_writes_in_together(deployments: Deployments) -> None:
    result = deployments.run(strategy="blue-green", thaw="together")
    assert result.rc == 0, result.output
    assert [event.split()[1] for event in result.events if event.startswith("site1")] == ["prepare", "move", "open"]


def test_a_canary_that_fails_keeps_all_others_where_they_are(deployments: Deployments) -> None:
    waves = [["bench1", "site2"], ["site1", "site3"]]
    result = deployments.run(failing=[("site2", "all")], strategy="canary", waves=waves)
    assert result.rc == 2
    assert result.events[:2] == ["bench1 all", "site2 all"]
    assert not {"site1", "site3"} & {event.split()[0] for event in result.events}
    good = deployments.run(strategy="canary", waves=waves)
    assert good.rc == 0, good.output
    assert [event.split()[0] for event in good.events[-4:]] == ["bench1", "site2", "site1", "site3"]


@pytest.mark.parametrize("scope", ["unit", "deployment"])
@pytest.mark.parametrize(
    ("failing", "lost", "opened"),
    [
        pytest.param([("site2", "move")], [], [], id="before"),
        pytest.param([("site2", "open")], [], ["site1", "site2", "site3"], id="when writes are let in"),
        pytest.param([], [("site2", "open")], ["site1", "site2", "site3"], id="lost when writes are let in"),
    ],
)
def test_what_is_frozen_together_goes_back_together(
    deployments: Deployments, scope: str, failing: list[t.Any], lost: list[t.Any], opened: list[str]
) -> None:
    result = deployments.run(failing, lost, thaw="together", rollback_scope=scope)
    assert result.rc != 0
    assert sorted(result.units("open")) == opened
    assert set(result.units("undo")) == set(result.units("move"))
    assert result.units("undo")[-1] == "bench1"
    assert "ended rolled_back" in result.output
    assert "On the new release" not in result.output


def test_a_unit_alone_goes_back_where_its_users_write_on_their_own(deployments: Deployments) -> None:
    result = deployments.run([("site2", "all")], rollback_scope="unit")
    assert result.rc != 0
    assert result.units("undo") == ["site2"]
    assert "On the new release: bench1, site1" in result.output


def test_a_unit_that_failed_when_its_users_wrote_already_is_not_called_live(deployments: Deployments) -> None:
    result = deployments.run([("site3", "all")], rollback_on_failure=False)
    assert result.rc != 0
    assert result.units("undo") == []
    assert "Failed: site3 in verify: it answers 500" in result.output
    assert "On the new release: bench1, site1, site2" in result.output
