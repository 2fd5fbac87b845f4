# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pins every app of a deployment to a commit and reads what it declares there."""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import urls
from ansible_collections.lockstep.deploy.plugins.plugin_utils.declarations import (
    Declaration,
    DeclarationError,
    read_declaration,
)
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import Path, Problem
from ansible_collections.lockstep.deploy.plugins.plugin_utils.sources import Resolved, SourceError, Sources

_AT_ONCE = 8


class Pinned(t.NamedTuple):
    """An app at its commit."""

    name: str
    resolved: Resolved
    declaration: Declaration


class Collected(t.NamedTuple):
    """Pinned apps by name, and what is wrong with the others."""

    apps: dict[str, Pinned]
    problems: list[Problem]
    warnings: list[str]


def collect(deployment: Deployment, sources: Sources) -> Collected:
    """Pin all apps, several at a time.

    Args:
        deployment: The deployment.
        sources: Where repositories are read through.

    Returns:
        The pinned apps, a problem for each app that can't be pinned, and warnings.

    Raises:
        LockstepError: The cache can't be written.
    """
    found = Collected({}, [], [])
    with concurrent.futures.ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        results = list(pool.map(lambda app: _pin(app, deployment, sources), deployment.apps))
    for app, result in zip(deployment.apps, results, strict=True):
        if isinstance(result, Problem):
            found.problems.append(result)
            continue
        found.apps[app["name"]] = result
        if result.resolved.note:
            found.warnings.append(f"{app['name']}: {result.resolved.note} ({result.resolved.commit[:12]})")
    return found


def _pin(app: dict[str, t.Any], deployment: Deployment, sources: Sources) -> Pinned | Problem:
    path: Path = deployment.app_paths[app["name"]]
    try:
        address = urls.parse(app["source"], deployment.base)
        resolved = sources.resolve(address, app["version"])
        repository = sources.obtain(address, resolved)
        return Pinned(app["name"], resolved, read_declaration(repository, app["name"]))
    except SourceError as error:
        return deployment.problem((*path, error.field), error.message)
    except DeclarationError as error:
        return deployment.problem((*path, "source"), f"{error.message} ({resolved.ref}, {resolved.commit[:12]})")
    except LockstepError as error:
        return deployment.problem((*path, "source"), f"can't be used: {error}")
