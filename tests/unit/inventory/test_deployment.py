# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deployment file as an inventory, loaded by Ansible itself."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString, VaultLib, VaultSecret
from ansible.template import is_trusted_as_template
from ansible.utils import vars as ansible_vars

Inventory = t.Callable[..., InventoryManager]

SAMPLE: dict[str, t.Any] = {
    "apps": [
        {"name": "frappe", "version": "v16.0.0", "source": "https://github.com/frappe/frappe"},
        {"name": "erpnext", "version": "v16.0.0", "source": "https://github.com/frappe/erpnext"},
        {"name": "custom_app", "source": "https://t0ken@github.com/x/custom_app", "config": {"api_key": "{{ 7 * 6 }}"}},
    ],
    "sites": ["site1.local", "site2.local", "site3.local"],
    "dependencies": {"custom_app": ["erpnext"], "erpnext": ["frappe"]},
}
CIPHER = "$ANSIBLE_VAULT;1.1;AES256\n6162\n"


@pytest.fixture
def inventory(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """Loads files as inventories, in their order, with extra variables."""
    monkeypatch.chdir(tmp_path)
    for name in ("LOCKSTEP_BENCH_PATH", "LOCKSTEP_BENCH_USER", "LOCKSTEP_SERVER"):
        monkeypatch.delenv(name, raising=False)
    enabled = ["lockstep.deploy.deployment", "host_list", "auto", "yaml", "ini"]
    monkeypatch.setattr("ansible.constants.INVENTORY_ENABLED", enabled)

    def load(files: dict[str, str], **extra: t.Any) -> InventoryManager:
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.setattr(ansible_vars.load_extra_vars, "extra_vars", extra or {"_": ""}, raising=False)
        return InventoryManager(DataLoader(), sources=[str(tmp_path / name) for name in files])

    return load


def hosts_of(found: InventoryManager, group: str) -> list[str]:
    return [host.name for host in found.get_hosts(group)]


def variables(found: InventoryManager, host: str) -> dict[str, t.Any]:
    values: dict[str, t.Any] = found.hosts[host].vars
    return {name: value for name, value in values.items() if not name.startswith("inventory_")}


@pytest.mark.parametrize("name", ["deployment.yml", "sample.json", "sample.yaml"])
def test_the_sample_becomes_units_groups_and_a_controller(inventory: Inventory, name: str) -> None:
    found = inventory({name: json.dumps(SAMPLE)})
    bench, sites = "frappe-bench@localhost", SAMPLE["sites"]
    assert hosts_of(found, "lockstep_units") == [bench, *sites]
    assert hosts_of(found, "driver_frappe_bench") == [bench]
    assert hosts_of(found, "driver_frappe_site") == sites
    for group in ("app_frappe", "app_custom_app", "server_localhost", "bench_frappe_bench", "stage_1", "stage_3"):
        assert hosts_of(found, group) == [bench, *sites]
    assert hosts_of(found, "lockstep_servers") == ["localhost"]
    assert hosts_of(found, "lockstep_control") == ["lockstep_controller"]
    assert variables(found, "site2.local") == {
        "lockstep_unit": "site2.local",
        "lockstep_driver": "frappe_site",
        "lockstep_server": "localhost",
        "lockstep_depends_on": [bench],
        "lockstep_apps": ["frappe", "erpnext", "custom_app"],
        "lockstep_bench": {
            "name": "frappe-bench",
            "path": "/home/frappe/frappe-bench",
            "root": "/home/frappe/lockstep/frappe-bench",
            "user": None,
        },
        "lockstep_site": {
            "name": "site2.local",
            "bench": "frappe-bench",
            "server": "localhost",
            "apps": ["frappe", "erpnext", "custom_app"],
            "domains": ["site2.local"],
            "config": {"api_key": "{{ 7 * 6 }}"},
            "depends_on": [],
            "health": [],
            "smoke_tests": [],
            "performance_paths": [],
            "dns": [],
        },
    }
    assert "lockstep_site" not in variables(found, bench)
    controller = variables(found, "lockstep_controller")
    assert controller["lockstep_deployment_file"].endswith(f"/{name}")
    assert (controller["lockstep_environment"], controller["lockstep_project"]) == ("production", name.split(".")[0])
    assert controller["lockstep_deployment"]["options"]["batch_size"] == 1
    assert "t0ken" not in json.dumps(controller["lockstep_deployment"])


def test_texts_of_the_file_are_not_templates_but_the_python_of_the_controller_is(inventory: Inventory) -> None:
    found = inventory({"deployment.yml": json.dumps(SAMPLE)})
    assert not is_trusted_as_template(variables(found, "site1.local")["lockstep_site"]["config"]["api_key"])
    for host in ("lockstep_controller", "localhost"):
        python = variables(found, host)["ansible_python_interpreter"]
        assert (python, is_trusted_as_template(python)) == ("{{ ansible_playbook_python }}", True)
        assert variables(found, host)["ansible_connection"] == "local"


def test_vaulted_values_stay_vaulted(inventory: Inventory) -> None:
    data = {
        **SAMPLE,
        "servers": {"web1": {"ansible_password": {"__ansible_vault": CIPHER}}},
        "sites": [
            {"name": "a", "config": {"key": {"__ansible_vault": CIPHER}, "deep": [{"x": {"__ansible_vault": CIPHER}}]}}
        ],
    }
    found = inventory({"deployment.json": json.dumps(data)})
    config = variables(found, "a")["lockstep_site"]["config"]
    values = (config["key"], config["deep"][0]["x"], variables(found, "web1")["ansible_password"])
    assert [type(value) for value in values] == [EncryptedString] * 3


def test_servers_of_the_file_become_hosts_with_an_interpreter(inventory: Inventory) -> None:
    servers = {
        "web1": {"ansible_host": "10.0.0.1"},
        "web2": {"ansible_python_interpreter": "/opt/python", "ansible_ssh_retries": 0},
    }
    data = {
        **SAMPLE,
        "servers": servers,
        "sites": [{"name": "a", "server": "web1"}, {"name": "web2", "server": "web2"}],
    }
    found = inventory({"deployment.yml": json.dumps(data)})
    assert variables(found, "web1") == {
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_host": "10.0.0.1",
        "ansible_ssh_retries": 2,
    }
    assert variables(found, "web2") == {"ansible_python_interpreter": "/opt/python", "ansible_ssh_retries": 0}
    assert hosts_of(found, "server_web2") == ["frappe-bench@web2", "web2@web2"]
    assert "localhost" not in found.hosts
    assert "ansible_host" not in variables(found, "a")


def test_servers_may_be_in_the_users_own_inventory_before_or_after(inventory: Inventory) -> None:
    data = json.dumps({**SAMPLE, "sites": [{"name": "a", "server": "web1"}]})
    own = "[web]\nweb1 ansible_host=10.0.0.7\n"
    for files in ({"hosts": own, "deployment.yml": data}, {"deployment.yml": data, "hosts": own}):
        found = inventory(files)
        assert variables(found, "web1")["ansible_host"] == "10.0.0.7"
        assert variables(found, "a")["lockstep_server"] == "web1"


def test_where_the_bench_is_can_be_set(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"deployment.yml": json.dumps(SAMPLE)}
    monkeypatch.setenv("LOCKSTEP_BENCH_PATH", "/srv/one")
    found = inventory(files, lockstep_server="web9", lockstep_bench_user="erp")
    assert variables(found, "one@web9")["lockstep_bench"]["path"] == "/srv/one"
    found = inventory(files, lockstep_bench_path="/srv/two")
    bench = variables(found, "two@localhost")["lockstep_bench"]
    assert (bench["path"], bench["root"]) == ("/srv/two", "/srv/lockstep/two")
    assert variables(found, "lockstep_controller")["lockstep_deployment"]["defaults"]["bench_path"] == "/srv/two"


def test_what_is_not_selected_stays_out_of_the_groups_of_units(inventory: Inventory) -> None:
    found = inventory({"deployment.yml": json.dumps(SAMPLE)}, only="site2.local")
    assert hosts_of(found, "lockstep_units") == ["frappe-bench@localhost", "site2.local"]
    assert hosts_of(found, "app_frappe") == ["frappe-bench@localhost", "site2.local"]
    assert hosts_of(found, "lockstep_unselected") == ["site1.local", "site3.local"]
    assert variables(found, "site1.local")["lockstep_depends_on"] == ["frappe-bench@localhost"]


def test_extra_variables_win_and_may_bring_the_whole_deployment(inventory: Inventory, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other.yml"
    other.write_text(json.dumps({**SAMPLE, "sites": ["b"], "strategy": "sequential"}), encoding="utf-8")
    stub = {"lockstep.yml": "plugin: lockstep.deploy.deployment\n"}
    found = inventory(stub, deployment_config=str(other), strategy="parallel", batch_size="4")
    deployment = variables(found, "lockstep_controller")["lockstep_deployment"]
    assert (deployment["strategy"], deployment["options"]["batch_size"]) == ("parallel", 4)
    assert hosts_of(found, "driver_frappe_site") == ["b"]
    found = inventory(stub, deployment_config={**SAMPLE, "sites": ["c"]})
    assert hosts_of(found, "driver_frappe_site") == ["c"]
    assert variables(found, "lockstep_controller")["lockstep_deployment_file"] is None


def test_a_file_with_errors_leaves_the_controller_with_all_of_them(inventory: Inventory) -> None:
    found = inventory({"deployment.yml": "apps: []\nsites: [a b]\noptions: {x: 1}\n"}, only="nowhere", force="maybe")
    assert list(found.hosts) == ["lockstep_controller"]
    controller = variables(found, "lockstep_controller")
    assert controller["lockstep_deployment"] is None
    assert len(controller["lockstep_deployment_errors"]) == 4
    broken = inventory({"deployment.yml": "apps: [\nsites: ["})
    assert "is not valid YAML" in variables(broken, "lockstep_controller")["lockstep_deployment_errors"][0]


def test_an_unknown_name_in_only_is_an_error(inventory: Inventory) -> None:
    found = inventory({"deployment.yml": json.dumps(SAMPLE)}, only="site9.local")
    [error] = variables(found, "lockstep_controller")["lockstep_deployment_errors"]
    assert error.startswith('extra variables: only: found "site9.local"')


def test_other_peoples_inventories_are_left_to_ansible(inventory: Inventory) -> None:
    found = inventory({"hosts.yml": "apps:\n  hosts:\n    a:\nsites:\n  hosts:\n    b: {x: 1}\n"})
    assert sorted(found.hosts) == ["a", "b"]
    assert "lockstep_controller" not in found.hosts


def test_a_file_that_names_the_plugin_needs_no_configuration(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible.constants.INVENTORY_ENABLED", ["auto", "yaml"])
    found = inventory({"shop.yml": json.dumps({"plugin": "lockstep.deploy.deployment", **SAMPLE})})
    assert hosts_of(found, "driver_frappe_site") == SAMPLE["sites"]


def test_an_encrypted_file_is_read_with_the_vault(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [("default", VaultSecret(b"a password"))]
    text = VaultLib(secrets).encrypt(json.dumps(SAMPLE), secret=secrets[0][1]).decode()
    begin = DataLoader.__init__

    def with_secrets(loader: DataLoader) -> None:
        begin(loader)  # type: ignore[no-untyped-call]
        loader.set_vault_secrets(secrets)  # type: ignore[arg-type]

    monkeypatch.setattr(DataLoader, "__init__", with_secrets)
    found = inventory({"deployment.yml": text})
    assert hosts_of(found, "driver_frappe_site") == SAMPLE["sites"]


def test_a_variable_that_is_nearly_ours_is_told_by_every_playbook(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("ansible.utils.display.Display.warning", lambda _self, text, *_args, **_more: told.append(text))
    found = inventory({"deployment.yml": json.dumps(SAMPLE)}, alow="10.0.0.1")
    assert hosts_of(found, "driver_frappe_site") == SAMPLE["sites"]
    assert [text for text in told if "did you mean" in text] == [
        '-e alow= is nothing of lockstep.deploy\'s, and decides nothing: did you mean "allow"?'
    ]
