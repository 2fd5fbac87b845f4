# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deployment file as an inventory: a host for each unit."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment
short_description: A deployment file as inventory
version_added: 0.1.0
author: The lockstep.deploy authors (@lockstep-deploy)
description:
  - Turns a deployment file, YAML or JSON, into hosts, one for each unit - the new release of each bench on each server,
    and each site.
  - Works offline and only reads. It takes the file and explicit dependencies into account; what the apps declare
    themselves is added by the plan.
  - A file is taken when it names this plugin in a line C(plugin), or when it has C(apps) and C(sites) and its name ends
    in C(.yml), C(.yaml) or C(.json). YAML inventories that have groups of these names are left to Ansible.
  - Groups are C(lockstep_units), C(lockstep_servers), C(lockstep_control), C(driver_<driver>), C(app_<app>),
    C(server_<server>), C(bench_<bench>) and C(stage_<n>). Units that C(only) or C(target_sites) leave out are
    in C(lockstep_unselected) alone.
  - When the file has errors, the inventory holds nothing but C(lockstep_controller) with
    C(lockstep_deployment_errors), so that every playbook of the collection can say what is wrong and fail.
options:
  plugin:
    description: Marks the file as one for this plugin.
    type: str
    choices: [lockstep.deploy.deployment]
  bench_path:
    description: Folder of the bench, where the file describes none. C(/home/<bench_user>/frappe-bench) by default.
    type: str
    env:
      - name: LOCKSTEP_BENCH_PATH
    ini:
      - section: lockstep
        key: bench_path
    vars:
      - name: lockstep_bench_path
  bench_user:
    description: System user that owns the bench, where the file names none. The owner of its folder by default.
    type: str
    env:
      - name: LOCKSTEP_BENCH_USER
    ini:
      - section: lockstep
        key: bench_user
    vars:
      - name: lockstep_bench_user
  server:
    description:
      - Server of the bench, where the file names none. The only one in C(servers), else C(localhost), by default.
    type: str
    env:
      - name: LOCKSTEP_SERVER
    ini:
      - section: lockstep
        key: server
    vars:
      - name: lockstep_server
notes:
  - All other keys of the file are described in C(plugins/plugin_utils/schema/deployment.schema.json), for editors too.
  - The extra variables C(deployment_config), C(target_sites), C(only), C(only_closure), C(deployment_strategy),
    C(strategy) and the options by their names win over the file. An empty text counts as absent.
  - Texts of the file are never templated. Put secrets into C(!vault) values.
"""

EXAMPLES = r"""
apps:
  - name: frappe
    version: v15.44.2
    source: https://github.com/frappe/frappe
  - name: erpnext
    version: v15.40.0
    source: https://github.com/frappe/erpnext
sites:
  - site1.local
  - name: site2.local
    domains: [shop.example.com]
    depends_on: [site1.local]
strategy: rolling
options:
  batch_size: 2
"""

import os
import typing as t

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import (
    ansible_values,
    deployment,
    options,
    units,
)
from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import Lines
from ansible_collections.lockstep.deploy.plugins.plugin_utils.graph import Graph
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.recognition import PLUGIN, recognise

#: sshd refuses connections when many units begin at once (MaxStartups). What one had begun that broke later is not done
#: twice: each unit has one process at work, and its phases look before they act.
_SSH_RETRIES = 2


class InventoryModule(BaseInventoryPlugin):
    """Reads a deployment file and makes hosts, groups and host variables of it."""

    NAME = PLUGIN
    inventory: t.Any  # set by the base class before anything here runs
    loader: t.Any
    _document: tuple[t.Any, Lines] | None = None

    def verify_file(self, path: str) -> bool:
        """Whether a file is a deployment file, and nobody else's YAML inventory."""
        if not super().verify_file(path) or not os.path.isfile(path):  # type: ignore[no-untyped-call]
            return False
        try:
            with open(path, encoding="utf-8") as handle:
                found = recognise(handle.read(), os.path.basename(path))
        except (OSError, UnicodeDecodeError):
            return False
        self._document = found.document
        return found.ours

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Fill the inventory from a deployment file."""
        super().parse(inventory, loader, path, cache=cache)
        self.set_options(var_options=self._vars)  # type: ignore[no-untyped-call]
        choices = options.read(ansible_values.plain(self._vars))
        for name in ("bench_path", "bench_user", "server"):
            given = self.get_option(name)  # type: ignore[no-untyped-call]
            setattr(choices, name, str(given) if given else None)
        for warning in choices.warnings:
            self.display.warning(warning)
        file = path if choices.deployment is None else None
        try:
            self._add(self._load(path, choices))
        except LockstepError as error:
            errors = error.lines if isinstance(error, DeploymentError) else [str(error)]
            self._add_controller(
                lockstep_deployment_file=file and os.path.abspath(file),
                lockstep_deployment=None,
                lockstep_deployment_errors=errors,
            )
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            self.display.warning(f"There are no units: {errors[0]}{more}")
        except RecursionError as error:
            raise AnsibleParserError(f"{path} is nested too deeply, or contains itself.") from error

    def _load(self, path: str, choices: options.Choices) -> deployment.Deployment:
        if choices.deployment is not None:
            return deployment.load_chosen(choices.deployment, choices, os.path.dirname(os.path.abspath(path)))
        if self._document is not None:
            data, lines = self._document
            return deployment.build(data, lines, os.path.abspath(path), choices)
        return deployment.load(path, choices, text=str(self.loader.get_text_file_contents(path)))

    def _add(self, found: deployment.Deployment) -> None:
        all_units = units.make_units(found)
        selected, problems = units.select(all_units, found)
        if problems:
            raise DeploymentError(problems, found.shown_file)
        self._add_controller(
            lockstep_deployment_file=found.file,
            lockstep_deployment=found.as_variable(),
            lockstep_environment=found.environment,
            lockstep_project=found.project,
        )
        self._add_servers(found)
        self._add_units(found, all_units, {unit.name for unit in selected})

    def _add_controller(self, **variables: t.Any) -> None:
        self.inventory.add_group("lockstep_control")
        self.inventory.add_host(units.CONTROLLER, group="lockstep_control")
        self._set(units.CONTROLLER, **_local(), **variables)

    def _add_servers(self, found: deployment.Deployment) -> None:
        self.inventory.add_group("lockstep_servers")
        for name in units.servers_of(found):
            given = found.servers.get(name)
            is_local = name == "localhost"
            known = name in self.inventory.hosts
            if given is None and not is_local:
                if known:
                    self.inventory.add_host(name, group="lockstep_servers")
                continue
            self.inventory.add_host(name, group="lockstep_servers")
            if is_local and not (known and given is None):
                self._set(name, **_local())
            elif not known:
                self._set(name, ansible_python_interpreter="/usr/bin/python3", ansible_ssh_retries=_SSH_RETRIES)
            self._set(name, **ansible_values.with_vault(given or {}))

    def _add_units(self, found: deployment.Deployment, all_units: list[units.Unit], selected: set[str]) -> None:
        hosts, add_host = self.inventory.hosts, self.inventory.add_host
        groups = _Groups(self.inventory, found)
        vaulted = ansible_values.VaultedOnce()
        for unit in all_units:
            add_host(unit.name)
            host = hosts[unit.name]
            # Straight into the host: InventoryData.set_variable copies every value for every host, which for 10,000
            # units takes most of the time and memory. Plain texts are untrusted, so nothing is templated.
            host.vars.update(
                lockstep_unit=unit.name,
                lockstep_driver=unit.driver,
                lockstep_server=unit.server,
                lockstep_depends_on=unit.depends_on,
                lockstep_apps=unit.apps,
                lockstep_bench=vaulted(unit.bench),
            )
            if unit.site is not None:
                host.vars["lockstep_site"] = vaulted(unit.site)
            groups.add(unit, host, unit.name in selected)

    def _set(self, host: str, **variables: t.Any) -> None:
        self.inventory.hosts[host].vars.update(variables)


def _local() -> dict[str, t.Any]:
    """Host variables of the controller itself: it runs modules with the Python that runs Ansible."""
    python = trust_as_template("{{ ansible_playbook_python }}")
    return {"ansible_connection": "local", "ansible_python_interpreter": python}


class _Groups:
    """The groups units are in."""

    def __init__(self, inventory: t.Any, found: deployment.Deployment) -> None:
        self._inventory = inventory
        self._made: dict[tuple[str, ...], t.Any] = {}
        units_group = self._group("lockstep_units")
        for driver in (units.BENCH_DRIVER, units.SITE_DRIVER):
            units_group.add_child_group(self._group("driver", driver))
        for level, names in enumerate(_levels(found), start=1):
            stage = self._group("stage", str(level))
            for name in names:
                stage.add_child_group(self._group("app", name))

    def add(self, unit: units.Unit, host: t.Any, is_selected: bool) -> None:
        """Put a unit's host where it belongs."""
        if not is_selected:
            self._group("lockstep_unselected").add_host(host)
            return
        self._group("driver", unit.driver).add_host(host)
        self._group("server", unit.server).add_host(host)
        self._group("bench", unit.bench["name"]).add_host(host)
        for app in unit.apps:
            self._group("app", app).add_host(host)

    def _group(self, *parts: str) -> t.Any:
        if parts not in self._made:
            self._made[parts] = self._inventory.groups[self._inventory.add_group(units.group_name(*parts))]
        return self._made[parts]


def _levels(found: deployment.Deployment) -> list[list[str]]:
    known = set(found.app_order)
    needs = {app["name"]: [name for name in app["requires"] if name in known] for app in found.apps}
    return Graph(deployment.with_framework(needs)).levels()
