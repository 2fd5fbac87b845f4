# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is live on a server, per project and environment, and the last ten deployments."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import mutex

KEPT_DEPLOYMENTS = 10


class Deployment(t.NamedTuple):
    """Who deploys what: written to the manifest with every unit that goes live."""

    deployment_id: str
    version: str
    deployed_by: str
    git_sha: str | None


class Manifest:
    """``<state>/<project>/<environment>/manifest.json``; several units of a server write it at once.

    Args:
        state: The state folder of the server.
        project: The project's name.
        environment: ``development``, ``staging`` or ``production``.
    """

    def __init__(self, state: str, project: str, environment: str) -> None:
        self._folder = os.path.join(state, project, environment)
        self._path = os.path.join(self._folder, "manifest.json")
        self._project = project
        self._environment = environment

    def read(self) -> dict[str, t.Any]:
        """The manifest, empty but for its names when nothing was deployed yet."""
        empty: dict[str, t.Any] = {
            "project": self._project,
            "environment": self._environment,
            "current_deployment": None,
            "units": {},
            "deployment_history": [],
        }
        return dict(atomic.read_json(self._path, empty))

    def record(self, unit: str, live: t.Mapping[str, t.Any], deployment: Deployment) -> None:
        """Write down what of a unit is live now.

        Args:
            unit: The unit.
            live: Its release, app versions, commits and backup.
            deployment: The deployment that made it so.
        """
        os.makedirs(self._folder, mode=0o755, exist_ok=True)
        with mutex(os.path.join(self._folder, ".mutex")):
            content = self.read()
            now = clock.utc_now()
            entry: dict[str, t.Any] = {
                "deployment_id": deployment.deployment_id,
                "version": deployment.version,
                "deployed_at": now,
                "deployed_by": deployment.deployed_by,
                "git_sha": deployment.git_sha,
                "backup": live.get("backup"),
                "images": [],
            }
            content["units"][unit] = {**live, "deployment_id": deployment.deployment_id, "since": now}
            content["current_deployment"] = entry
            content["deployment_history"] = _with(content["deployment_history"], entry, unit, live)
            atomic.write_json(self._path, content, mode=0o644)

    def unit(self, unit: str) -> dict[str, t.Any] | None:
        """What of a unit is live, as it was recorded."""
        found = self.read()["units"].get(unit)
        return None if found is None else dict(found)

    def restore(self, unit: str, deployment_id: str, before: t.Mapping[str, t.Any] | None) -> None:
        """Write down that a unit is back on what was live before a deployment.

        Args:
            unit: The unit.
            deployment_id: The deployment that was undone on it.
            before: What :meth:`unit` returned then.
        """
        if not os.path.exists(self._path):
            return
        with mutex(os.path.join(self._folder, ".mutex")):
            content = self.read()
            content["units"].pop(unit, None)
            if before is not None:
                content["units"][unit] = dict(before)
            for past in content["deployment_history"]:
                if past["deployment_id"] == deployment_id and unit in past["units"]:
                    past["units"][unit] = {**past["units"][unit], "rolled_back_at": clock.utc_now()}
            content["current_deployment"] = _current(content)
            atomic.write_json(self._path, content, mode=0o644)


def _current(content: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """The newest deployment that any unit is still on."""
    live = {unit["deployment_id"] for unit in content["units"].values()}
    for past in reversed(content["deployment_history"]):
        if past["deployment_id"] in live:
            return {name: value for name, value in past.items() if name != "units"}
    return None


def _with(
    history: list[dict[str, t.Any]], entry: dict[str, t.Any], unit: str, live: t.Mapping[str, t.Any]
) -> list[dict[str, t.Any]]:
    """The history with a unit of a deployment added; a deployment is one entry, however many units it has."""
    units: dict[str, t.Any] = {}
    kept = []
    for past in history:
        if past["deployment_id"] == entry["deployment_id"]:
            units = past["units"]
        else:
            kept.append(past)
    return [*kept, {**entry, "units": {**units, unit: dict(live)}}][-KEPT_DEPLOYMENTS:]
